"""A request that fails leaves nothing behind that would wait for the garbage collector."""

import pytest

from freetheai_gateway.domain.pools import PoolPolicy, Upstream
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.testing.offers import chat_model, make_offer
from freetheai_gateway.testing.ports import FakeProvider, FakeReply
from tests.circles import watched
from tests.unit.services.governed import TIERS, Governed, chunk, streamed

POLICY = PoolPolicy(backoff_s=0.0, breaker_failures=100)
FAILURES: dict[str, FakeReply | UpstreamFailed] = {
    "refused": UpstreamFailed(Failure.REFUSED, Phase.CONNECT),
    "500": FakeReply(b"{}", status=500),
    "429": FakeReply(b"{}", status=429),
    "400": FakeReply(b"{}", status=400),
    "page": FakeReply(b"<html>", content_type=b"text/html"),
    "cut": streamed(UpstreamFailed(Failure.CLOSED, Phase.BODY)),
    "error first": streamed(b'data: {"error":{"message":"their words"}}\n\n'),
    "nonsense": streamed(b"data: {\n\n"),
    "no end": streamed(chunk()),
    "error after content": streamed(chunk("a"), b'data: {"error":{"message":"their words"}}\n\n'),
    "nonsense after content": streamed(chunk("a"), b"data: {\n\n"),
    "cut after content": streamed(chunk("a"), UpstreamFailed(Failure.CLOSED, Phase.BODY)),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", FAILURES)
async def test_request_when_its_upstreams_fail_then_nothing_of_it_is_left_in_a_circle(case: str, stream: bool) -> None:
    """Errors know the frames that they passed, so no frame may know an error that passes it."""
    failure = FAILURES[case]
    upstreams = [Upstream("one", "m", priority=1), Upstream("two", "n", priority=2)]
    offer = make_offer(
        chat_model(upstreams=upstreams),
        providers=[FakeProvider("one"), FakeProvider("two")],
        tiers=TIERS,
        policy=POLICY,
    )
    gateway = Governed(offer=offer)
    with watched() as left:
        for _ in range(3):
            script = [failure.again() if isinstance(failure, FakeReply) else failure for _ in range(3)]
            gateway.client.script = list(script)
            await gateway.error(stream=stream)
            script.clear()
        gateway.client.script = []
        assert left() == {}
