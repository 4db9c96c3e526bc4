"""Options one at a time: each is mapped, dropped and named, or refused by name, as the table says."""

from typing import Any

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Answer
from tests.matrix.limits import SHORT
from tests.matrix.loop import Loop
from tests.matrix.option import Dropped, Ignored, Option, Rejected, To
from tests.matrix.options import BASES, OPTIONS

CELLS = [(option, upstream) for option in OPTIONS for upstream in option.outcomes]


def _id(cell: tuple[Option, str]) -> str:
    option, upstream = cell
    return f"{SHORT[option.client]}-to-{SHORT[upstream]}/{option.label.replace('`', '')}"


def _at(value: Any, path: str) -> object:
    for step in path.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return f"nothing at {step} of {path}"
    return value


@pytest.mark.parametrize("cell", CELLS, ids=_id)
def test_option_when_it_is_set_then_it_is_mapped_or_named(cell: tuple[Option, str]) -> None:
    """Nothing that changes an answer is lost without a word."""
    option, upstream = cell
    outcome = option.outcomes[upstream]
    loop = Loop(option.client, upstream, [Answer("Yes.")])
    reply = loop.post(jsonc.encode({**BASES[option.client], **option.body}))
    if isinstance(outcome, Rejected):
        assert reply.status_code == 400
        assert outcome.names in reply.text
        assert loop.bodies == []
        return
    assert reply.status_code == 200, reply.text
    match outcome:
        case To(path=path, value=value):
            assert _at(jsonc.decode_any(loop.bodies[0]), path) == value
            assert loop.dropped == ()
        case Dropped(name=name):
            assert name in loop.dropped
        case Ignored():
            assert loop.dropped == ()
