"""The judge itself: a reply that was tampered with must not pass the npm SDKs."""

from dataclasses import dataclass

import httpx2
import pytest

from freetheai_gateway.testing.voices import Answer
from tests.matrix import node
from tests.matrix.ask import Ask, user
from tests.matrix.expected import reply_faults
from tests.matrix.heard import Failed
from tests.matrix.limits import CHAT, CLIENTS
from tests.matrix.loop import Loop
from tests.matrix.scenarios import HELLO


@dataclass(slots=True)
class _Tampered(Loop):
    """Changes the gateway's bytes on their way to the client."""

    cut: bool = False

    def post(self, body: bytes) -> httpx2.Response:
        """Serve one request, badly."""
        reply = Loop.post(self, body)
        data = reply.content[: len(reply.content) // 2] if self.cut else reply.content.replace(b"fine", b"bad")
        return httpx2.Response(reply.status_code, headers={"content-type": reply.headers["content-type"]}, content=data)


@pytest.mark.parametrize("client", CLIENTS)
def test_judge_when_words_are_changed_then_it_hears_other_words(client: str, node_sdk: node.NodeSDK) -> None:
    heard = node_sdk.send(_Tampered(client, CHAT, [Answer(HELLO)]), Ask((user("Hi."),)), streamed=True)
    assert list(reply_faults(Answer(HELLO), heard, client, CHAT)) != []


@pytest.mark.parametrize("client", CLIENTS)
def test_judge_when_the_stream_is_cut_then_it_does_not_pass(client: str, node_sdk: node.NodeSDK) -> None:
    with pytest.raises((Failed, AssertionError)):
        node_sdk.send(_Tampered(client, CHAT, [Answer(HELLO)], cut=True), Ask((user("Hi."),)), streamed=True)
