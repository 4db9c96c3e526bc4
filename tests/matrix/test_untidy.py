"""Untidy histories on every other dialect: the vendor's own rules find nothing to refuse."""

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Answer
from tests.matrix.limits import CLIENTS, SHORT, UPSTREAMS
from tests.matrix.loop import Loop
from tests.matrix.untidy import UNTIDY

CELLS = [
    (client, upstream, name)
    for client in CLIENTS
    for upstream in UPSTREAMS
    if upstream != client
    for name in UNTIDY[client]
]


def _encode(body: object) -> bytes:
    """Encode as JavaScript and Python clients do: a lone surrogate as its escape."""
    return jsonc.encode(_marked(body)).replace(b"<lone surrogate>", rb"\ud83d")


def _marked(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\ud83d", "<lone surrogate>")
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return {name: _marked(item) for name, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{SHORT[cell[0]]}-to-{SHORT[cell[1]]}/{cell[2]}")
def test_untidy_history_when_it_is_translated_then_the_vendor_takes_it(cell: tuple[str, str, str]) -> None:
    """The loop checks what it renders against the vendor's rules; here only the answer's status is left to see."""
    client, upstream, name = cell
    loop = Loop(client, upstream, [Answer("Yes.")])
    reply = loop.post(_encode({"model": "test/model", **UNTIDY[client][name]}))
    assert reply.status_code == 200, reply.text
    assert b"Yes." in reply.content
