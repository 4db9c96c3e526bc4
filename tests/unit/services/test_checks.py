"""Looking after what is left alone, without a member's request."""

import pytest

from freetheai_gateway.domain.fleet import Target
from freetheai_gateway.domain.pools import PoolPolicy
from freetheai_gateway.services.checks import Checks
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.ports import Failure, Phase, Readiness, UpstreamFailed
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import make_offer
from freetheai_gateway.testing.ports import FakeProvider, FakeReply, FakeUpstreamClient

DOWN = UpstreamFailed(Failure.REFUSED, Phase.CONNECT)


class Watch:
    """A provider with two keys, and what its upstream will say when it is checked."""

    def __init__(self, *script: FakeReply | UpstreamFailed, state: Readiness = Readiness.READY) -> None:
        self.clock = FakeClock()
        self.client = FakeUpstreamClient(*script)
        provider = FakeProvider(keys=("k1", "k2"), state=state)
        self.directory = Directory(make_offer(providers=[provider], policy=PoolPolicy(check_s=1.0)))
        self.state = self.directory.offer.fleet.providers["zai"]
        self.checks = Checks(self.directory, self.client, self.clock)

    @property
    def target(self) -> Target:
        """The model that is called there."""
        return self.state.target("glm-5.1")

    def wait_s(self) -> float:
        """For how long the upstream is left alone from now on."""
        return self.target.gate.wait_s(self.clock.monotonic())

    def leave_alone(self, for_s: float = 5.0) -> None:
        """Open the breaker."""
        self.target.gate.shut(self.clock.monotonic(), for_s, "breaker")


async def test_check_when_nothing_is_left_alone_then_nobody_is_called() -> None:
    """A gateway that works costs its upstreams nothing."""
    watch = Watch()
    assert watch.wait_s() == 0.0
    await watch.checks.check_once()
    assert watch.client.requests == []


async def test_check_when_the_upstream_answers_then_it_is_tried_at_once() -> None:
    """A list of models is no completion: the breaker stays half-open until one succeeds."""
    reply = FakeReply(b"{}")
    watch = Watch(reply)
    watch.leave_alone()
    await watch.checks.check_once()
    assert [(request.method, request.target) for request in watch.client.requests] == [("GET", "/models")]
    assert watch.wait_s() == 0.0
    assert not watch.target.gate.clear
    assert reply.closed == 1


@pytest.mark.parametrize("answer", [DOWN, FakeReply(b"", status=503)], ids=["refused", "503"])
async def test_check_when_the_upstream_is_still_down_then_no_request_tries_it(
    answer: FakeReply | UpstreamFailed,
) -> None:
    """Its time is put off."""
    watch = Watch(answer)
    watch.leave_alone(0.0)
    assert watch.wait_s() == 0.0
    await watch.checks.check_once()
    assert watch.wait_s() == 5.0


async def test_check_when_a_resting_key_is_good_again_then_it_is_used() -> None:
    """And one that is still refused goes on resting; each key is asked for itself."""
    watch = Watch(FakeReply(b"{}"), FakeReply(b"{}", status=401))
    first, second = watch.state.keys
    for key in (first, second):
        key.gate.shut(watch.clock.monotonic(), 10.0, "refused")
    await watch.checks.check_once()
    assert [dict(request.headers)[b"x-key"] for request in watch.client.requests] == [b"k1", b"k2"]
    assert first.gate.clear
    assert second.gate.wait_s(watch.clock.monotonic()) == 600.0


async def test_check_when_the_provider_is_not_ready_then_it_is_not_called() -> None:
    """A local model that loads is looked after by its supervisor."""
    watch = Watch(state=Readiness.LOADING)
    watch.leave_alone()
    await watch.checks.check_once()
    assert watch.client.requests == []
