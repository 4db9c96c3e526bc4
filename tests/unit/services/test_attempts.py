"""One request, several upstreams: who answers, what is recorded, and when nothing is tried again."""

import pytest

from freetheai_gateway.domain.breakers import State
from freetheai_gateway.domain.failures import Mishap
from freetheai_gateway.domain.pools import KeyLimits, PoolPolicy, Upstream
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.services.attempts import Asker, Course
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import PRICE, chat_model, make_offer, member
from freetheai_gateway.testing.ports import FakeProvider, FakeReply, Pause
from tests.unit.services.governed import DAILY, DONE, TIERS, WHOLE, Governed, body, chunk, streamed

POLICY = PoolPolicy(backoff_s=0.0, breaker_failures=2)
REFUSED = UpstreamFailed(Failure.REFUSED, Phase.CONNECT)
CUT = UpstreamFailed(Failure.CLOSED, Phase.BODY)
ERROR_CHUNK = b'data: {"error":{"message":"their words"}}\n\n'
ROLE = chunk()


def _pair(*, keys: tuple[str, ...] = ("",), policy: PoolPolicy = POLICY, **provider: object) -> Governed:
    upstreams = [Upstream("one", "m", priority=1, price=PRICE), Upstream("two", "n", priority=2, price=PRICE)]
    providers = [FakeProvider("one", keys=keys, **provider), FakeProvider("two")]  # type: ignore[arg-type]
    return Governed(offer=make_offer(chat_model(upstreams=upstreams), providers=providers, tiers=TIERS, policy=policy))


def _good(stream: bool) -> FakeReply:
    return streamed(chunk("a"), chunk(finish="stop"), DONE) if stream else FakeReply(WHOLE)


BEFORE_CONTENT: dict[str, FakeReply | UpstreamFailed] = {
    "refused": REFUSED,
    "no head": UpstreamFailed(Failure.HEAD_TIMEOUT, Phase.SENT),
    "500": FakeReply(b"{}", status=500),
    "429": FakeReply(b"{}", status=429),
    "401": FakeReply(b"{}", status=401),
    "404": FakeReply(b"{}", status=404),
    "page": FakeReply(b"<html>", content_type=b"text/html"),
    "cut": streamed(CUT),
    "cut after the role": streamed(ROLE, CUT),
    "error first": streamed(ERROR_CHUNK),
    "error after the role": streamed(ROLE, ERROR_CHUNK),
    "ends before content": streamed(ROLE),
    "no content in time": streamed(ROLE, UpstreamFailed(Failure.CONTENT_TIMEOUT, Phase.BODY)),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", BEFORE_CONTENT)
async def test_upstream_when_it_fails_before_content_then_another_one_answers(case: str, stream: bool) -> None:
    """The client sees the second one's answer only; one record, two attempts, nothing held."""
    first = BEFORE_CONTENT[case]
    first = first.again() if isinstance(first, FakeReply) else first
    gateway = _pair()
    gateway.client.script = [first, _good(stream)]
    await gateway.run(stream=stream)
    record = gateway.record
    assert (record.status, record.provider, record.attempts, record.success) == (200, "two", 2, True)
    assert gateway.sink.sent.count(b'"x"') == (2 if stream else 1)
    assert [provider for provider, _ in gateway.trace.failed_attempts] == ["one"]
    assert gateway.trace.outcome == "ok"
    if isinstance(first, FakeReply):
        assert first.closed == 1
    assert gateway.answers_left == DAILY - 1
    gateway.assert_nothing_held()


@pytest.mark.parametrize(
    "end", [(CUT,), (ERROR_CHUNK,), (b"data: {\n\n",), ()], ids=["cut", "error", "nonsense", "end"]
)
async def test_stream_when_it_breaks_after_content_then_nothing_is_sent_again(
    end: tuple[bytes | UpstreamFailed, ...],
) -> None:
    """What went out can't be taken back."""
    gateway = _pair()
    gateway.client.script = [streamed(ROLE, chunk("a"), *end), _good(stream=True)]
    assert (await gateway.error(stream=True)).status == 502
    assert (gateway.record.attempts, gateway.record.provider, gateway.record.success) == (1, "one", True)
    gateway.assert_nothing_held()


async def test_stream_when_content_has_not_come_then_nothing_goes_out_yet() -> None:
    """The role alone is held, so that another upstream can still take over."""
    pause = Pause()
    gateway = _pair()
    gateway.client.script = [streamed(ROLE, pause)]
    await gateway.cancelled_at(pause)
    assert gateway.sink.sent == b""
    assert gateway.record.attempts == 1
    gateway.assert_nothing_held()


async def test_request_when_it_is_its_own_fault_then_it_is_passed_on_at_once() -> None:
    """However many upstreams there are; nothing is held against the first."""
    gateway = _pair()
    for n in range(5):
        gateway.client.script = [FakeReply(b"{}", status=400)]
        with pytest.raises(GatewayError):
            await gateway.run(body(prompt=str(n)))
    assert {record.attempts for record in gateway.ledger.records} == {1}
    assert _state(gateway, "one") is State.CLOSED


async def test_upstream_when_it_is_alone_then_it_is_asked_again_after_a_pause() -> None:
    """Three times in all; the client gets the last failure."""
    gateway = Governed(*(FakeReply(b"{}", status=500) for _ in range(9)), offer=make_offer(tiers=TIERS, policy=POLICY))
    assert (await gateway.error()).status == 502
    assert gateway.record.attempts == 3
    gateway.assert_nothing_held()


async def test_upstream_when_it_is_alone_and_too_slow_then_it_is_not_asked_again() -> None:
    """The client has waited long enough."""
    slow = UpstreamFailed(Failure.HEAD_TIMEOUT, Phase.SENT)
    gateway = Governed(slow, offer=make_offer(tiers=TIERS, policy=POLICY))
    assert (await gateway.error()).status == 504
    assert gateway.record.attempts == 1


async def test_keys_when_one_is_refused_then_the_next_is_used_and_the_first_rests() -> None:
    """The same upstream, another key."""
    gateway = _pair(keys=("k1", "k2"))
    gateway.client.script = [FakeReply(b"{}", status=401), FakeReply(WHOLE), FakeReply(WHOLE), FakeReply(WHOLE)]
    for _ in range(3):
        await gateway.run(caller=member(unlimited=True))
    used = [dict(request.headers)[b"x-key"] for request in gateway.client.requests]
    assert used[0] != used[1]
    assert used[1:] == [used[1]] * 3


async def test_keys_when_all_are_told_to_slow_down_then_the_client_is_told_how_long() -> None:
    """503 with the shortest wait; no further call is made."""
    offer = make_offer(providers=[FakeProvider(keys=("k1", "k2"))], tiers=TIERS, policy=POLICY)
    busy = [FakeReply(b"{}", status=429, headers=[(b"retry-after", seconds)]) for seconds in (b"30", b"20")]
    gateway = Governed(*busy, offer=offer)
    assert (await gateway.error()).status == 503
    error = await gateway.error()
    assert (error.status, error.retry_after_s) == (503, 20.0)
    assert len(gateway.client.requests) == 2


async def test_key_when_its_limit_is_used_then_it_is_passed_over() -> None:
    """Before the vendor has to say so."""
    gateway = _pair(keys=("k1",), key_limits=KeyLimits(tokens_per_minute=50))
    gateway.client.script = [FakeReply(WHOLE), FakeReply(WHOLE)]
    await gateway.run()
    await gateway.run()
    assert [record.provider for record in gateway.ledger.records] == ["one", "two"]


async def test_budget_when_it_is_spent_then_the_provider_is_passed_over() -> None:
    """What a reply cost by its price."""
    gateway = _pair(daily_budget_micro_usd=60)
    gateway.client.script = [FakeReply(WHOLE), FakeReply(WHOLE)]
    await gateway.run()
    await gateway.run()
    assert [record.provider for record in gateway.ledger.records] == ["one", "two"]


async def test_breaker_when_it_is_open_then_no_request_is_sent_there_until_one_tries() -> None:
    """The one that tries fails over as any other, or closes the breaker."""
    gateway = _pair()
    gateway.client.script = [REFUSED, FakeReply(WHOLE), REFUSED, FakeReply(WHOLE), FakeReply(WHOLE)]
    for n in range(3):
        await gateway.run(body(prompt=str(n)), caller=member(unlimited=True))
    assert [record.attempts for record in gateway.ledger.records] == [2, 2, 1]
    gateway.clock.advance(POLICY.breaker_open_s)
    gateway.client.script = [REFUSED, FakeReply(WHOLE), FakeReply(WHOLE)]
    await gateway.run(caller=member(unlimited=True))
    await gateway.run(caller=member(unlimited=True))
    assert [record.attempts for record in gateway.ledger.records[3:]] == [2, 1]
    gateway.clock.advance(POLICY.breaker_open_s)
    gateway.client.script = [FakeReply(WHOLE)]
    await gateway.run(caller=member(unlimited=True))
    assert gateway.ledger.records[-1].provider == "one"
    assert _state(gateway, "one") is State.CLOSED


async def test_breaker_when_a_try_is_cancelled_then_the_next_request_may_try() -> None:
    """A client that leaves says nothing about the upstream."""
    gateway = _pair()
    gateway.offer_target("one").gate.shut(gateway.clock.monotonic(), 0.0, "breaker")
    pause = Pause()
    gateway.client.script = [pause]
    await gateway.cancelled_at(pause)
    gateway.client.script = [FakeReply(WHOLE)]
    await gateway.run()
    assert gateway.ledger.records[-1].provider == "one"


async def test_retries_when_the_budget_is_used_up_then_requests_fail_at_once() -> None:
    """No storm against upstreams that are down."""
    policy = PoolPolicy(backoff_s=0.0, retry_burst=2, retry_share=0.0, breaker_failures=100)
    gateway = Governed(*(FakeReply(b"{}", status=500) for _ in range(9)), offer=make_offer(tiers=TIERS, policy=policy))
    assert [((await gateway.error()).status, gateway.ledger.records[-1].attempts) for _ in range(3)] == [
        (502, 3),
        (502, 1),
        (502, 1),
    ]


@pytest.mark.parametrize("status", [201, 203])
async def test_reply_when_its_status_is_as_good_as_200_then_it_is_the_answer(status: int) -> None:
    """Frameworks that answer every POST with 201 stand before models, too."""
    gateway = Governed(FakeReply(WHOLE, status=status))
    await gateway.run()
    assert (gateway.record.status, gateway.record.attempts) == (200, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_error_in_a_200_when_it_says_to_slow_down_then_the_key_cools_as_after_429(stream: bool) -> None:
    """It is not asked three times over, no breaker counts it, and the client is told when to come back."""
    said = b'{"error":{"message":"slow down","code":429,"type":"rate_limit_error"}}'
    gateway = Governed(offer=make_offer(providers=[FakeProvider()], tiers=TIERS, policy=POLICY))
    gateway.client.script = [streamed(b"data: " + said + b"\n\n") if stream else FakeReply(said)]
    error = await gateway.error(stream=stream)
    assert (error.status, gateway.record.attempts) == (503, 1)
    assert error.retry_after_s is not None
    assert gateway.trace.outcome == "error_in_reply"
    target = gateway.directory.offer.fleet.providers["zai"].target("glm-5.1")
    assert (target.gate.clear, target.breaker.tally.failed, list(target.cooling)) == (True, {}, [""])


@pytest.mark.parametrize("status", [401, 429])
@pytest.mark.parametrize("attempts", [2, 3])
async def test_last_attempt_when_every_key_is_refused_then_it_goes_to_another_upstream(
    attempts: int, status: int
) -> None:
    """More keys than attempts must not keep a request from the provider that would answer it."""
    gateway = _pair(keys=("k1", "k2", "k3", "k4"), policy=PoolPolicy(backoff_s=0.0, attempts=attempts))
    gateway.client.script = [*(FakeReply(b"{}", status=status) for _ in range(attempts - 1)), FakeReply(WHOLE)]
    await gateway.run()
    assert (gateway.record.provider, gateway.record.attempts, gateway.record.status) == ("two", attempts, 200)


async def test_last_attempt_when_there_is_no_other_upstream_then_another_key_is_used() -> None:
    """As before."""
    offer = make_offer(providers=[FakeProvider(keys=("k1", "k2"))], tiers=TIERS, policy=PoolPolicy(attempts=2))
    gateway = Governed(FakeReply(b"{}", status=401), FakeReply(WHOLE), offer=offer)
    await gateway.run()
    assert (gateway.record.attempts, gateway.record.status) == (2, 200)


async def test_deadline_when_it_has_passed_then_nothing_is_sent_again() -> None:
    """Time that the client waited for the first upstream."""
    gateway = _pair()
    slow = Pause(lambda: gateway.clock.advance(POLICY.deadline_s + 1))
    gateway.client.script = [slow, REFUSED, FakeReply(WHOLE)]
    assert (await gateway.error()).status == 502
    assert gateway.record.attempts == 1


def test_course_when_the_call_must_not_run_twice_then_only_what_did_not_run_is_repeated() -> None:
    """For whoever pays by the call."""
    offer = make_offer(policy=POLICY)
    (model,) = offer.catalogue.models.values()
    asker = Asker("acc_1", model.id, b"{}", repeatable=False)
    course = Course(asker, model.upstreams, offer, FakeClock())
    place = course.take()
    place.leave()
    assert course.fail(place, Mishap("refused", sent=False))
    place = course.take()
    place.leave()
    assert place.repeats
    assert not course.fail(place, Mishap("closed"))


def _state(gateway: Governed, provider: str) -> State:
    return gateway.offer_target(provider).breaker.state(gateway.clock.monotonic())
