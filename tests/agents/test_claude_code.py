"""Claude Code, as its users install it, finishes a task on every kind of upstream."""

import pytest

from freetheai_gateway.testing.voices import Trouble
from freetheai_gateway.testing.voices.voice import decode_object
from tests.agents.actor import PROOF, SHELL_OUTPUT, Actor
from tests.agents.configuration import MODELS
from tests.agents.desk import Desk, Done
from tests.agents.golden import RECORDED
from tests.agents.work import read_work

FLAGS = ("--dangerously-skip-permissions", "--output-format", "json")


@pytest.mark.parametrize("dialect", MODELS)
def test_claude_code_with_a_task_runs_the_shell_and_tells_the_result(dialect: str, desk: Desk, actor: Actor) -> None:
    """The model asks for a command, the agent runs it and sends the result, the model's last words reach the user."""
    actor.begin("Bash")
    desk.golden = "claude-code" if dialect == RECORDED else ""
    done = ask(desk, MODELS[dialect])
    assert done.code == 0, done
    assert (desk.work / PROOF).read_text().strip() == SHELL_OUTPUT
    told = decode_object(done.out)
    assert told["subtype"] == "success", done
    assert SHELL_OUTPUT in str(told["result"])
    assert_worked(actor, dialect)


def test_claude_code_names_a_model_of_its_own_for_a_small_call_gets_the_alias(desk: Desk, actor: Actor) -> None:
    """A model that is not in the catalogue, such as those of background calls, is answered by the aliased one."""
    actor.begin("Bash")
    done = ask(desk, "claude-haiku-4-5")
    assert done.code == 0, done
    assert SHELL_OUTPUT in done.out
    assert_worked(actor, "openai_chat")


@pytest.mark.parametrize("dialect", MODELS)
def test_claude_code_with_too_long_a_conversation_understands_the_refusal(
    dialect: str, desk: Desk, actor: Actor
) -> None:
    """It looks for the words that start its compaction, whatever the vendor's own were, and does not try again."""
    actor.begin("Bash", Trouble.CONTEXT_TOO_LONG)
    told = decode_object(ask(desk, MODELS[dialect]).out)
    assert (told["is_error"], told["terminal_reason"]) == (True, "prompt_too_long")
    assert len(actor.received) == 1


def ask(desk: Desk, model: str) -> Done:
    """Run it as docs/clients.md says, in print mode."""
    environment = {
        "ANTHROPIC_BASE_URL": desk.url,
        "ANTHROPIC_AUTH_TOKEN": desk.secret,
        "ANTHROPIC_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "IS_SANDBOX": "1",  # root may skip the questions about permissions in a sandbox only
    }
    return desk.run([desk.packages / ".bin" / "claude", "-p", "Make the file.", *FLAGS], environment)


def assert_worked(actor: Actor, dialect: str) -> None:
    """Find a call and its result upstream, in requests that the vendor would take."""
    assert {one.dialect for one in actor.received} == {dialect}
    results = [read_work(dialect, one.body).results for one in actor.received]
    assert results[0] == []
    assert SHELL_OUTPUT in results[-1][-1]
    if dialect != "anthropic_messages":  # passed on as it came, with what the beta headers beside it allow
        assert [one.complaints for one in actor.received if one.complaints] == []
