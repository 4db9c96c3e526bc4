"""What every framework's program is given, and what it must have got from each upstream."""

from collections.abc import Sequence
from pathlib import Path

from freetheai_gateway.testing.voices.voice import decode_object
from tests.agents.actor import GREETING, SPENT, Actor
from tests.agents.configuration import MODELS
from tests.agents.desk import Desk

RESULT = "rain in Oslo"


def assert_all_work(desk: Desk, actor: Actor, command: Sequence[str | Path]) -> None:
    """Run a program with all models as arguments; it prints what it got from each as a line of JSON."""
    actor.begin("weather")
    environment = {"GATEWAY_URL": desk.url, "GATEWAY_KEY": desk.secret}
    done = desk.run([*command, *MODELS.values()], environment)
    assert done.code == 0, done
    told = [decode_object(line) for line in done.out.splitlines()]
    assert [one["model"] for one in told] == list(MODELS.values())
    usage = [SPENT.input_tokens, SPENT.output_tokens]
    for one in told:
        assert one["text"] == one["streamed"] == GREETING, one
        assert int(str(one["chunks"])) >= len(GREETING.split()), one
        assert one["usage"] == one["streamed_usage"] == usage, one
        assert RESULT in str(one["loop"]), one
        assert RESULT in str(one["streamed_loop"]), one
    assert [(one.dialect, one.complaints) for one in actor.received if one.complaints] == []
