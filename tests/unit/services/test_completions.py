"""The way of one request: what is sent, recorded and charged, in which order, however it ends."""

import asyncio

import pytest

from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.errors import InvalidRequest, ProviderUnavailable
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.ports import Failure, Phase, Readiness, UpstreamFailed
from freetheai_gateway.testing.offers import chat_model, make_offer, member
from freetheai_gateway.testing.ports import FakeProvider, FakeReply, Pause, RecordingSink
from tests.unit.services.governed import (
    CHAT,
    DAILY,
    DONE,
    MESSAGES,
    TIERS,
    WHOLE,
    Governed,
    body,
    chunk,
    streamed,
    usage_chunk,
)


async def test_whole_reply_is_recorded_and_then_sent() -> None:
    """The record is safe before the last bytes are handed over; every field of it is filled."""
    gateway = Governed(FakeReply(WHOLE))
    await gateway.run()
    assert [what for what, _ in gateway.history] == ["record", "reply"]
    assert gateway.sink.sent == WHOLE.replace(b'"glm-5.1"', b'"glm/glm-5.1"')
    record = gateway.record
    assert (record.request_id, record.route) == ("req_1", "/v1/chat/completions")
    assert (record.account_id, record.key_id) == ("acc_1", "key_1")
    assert (record.model, record.provider, record.upstream_model) == ("glm/glm-5.1", "zai", "glm-5.1")
    assert (record.status, record.code, record.success) == (200, "", True)
    assert (record.streamed, record.estimated, record.attempts, record.images) == (False, False, 1, 0)
    assert (record.input_tokens, record.output_tokens, record.cached_tokens) == (30, 20, 10)
    assert record.cost_micro_usd == 20 * 1 + 5 + 20 * 2
    assert record.started_at == gateway.clock.wall()
    assert (gateway.answers_left, gateway.tokens_used) == (DAILY - 1, 50)
    gateway.assert_nothing_held()


async def test_stream_is_recorded_before_its_last_bytes() -> None:
    """Everything but the end goes out as it comes; then the record, then the end."""
    gateway = Governed(streamed(chunk("Hel"), chunk("lo"), chunk(finish="stop") + usage_chunk(), DONE))
    await gateway.run(stream=True)
    assert [what for what, _ in gateway.history] == ["write", "write", "write", "record", "finish"]
    assert gateway.history[-1] == ("finish", DONE)
    assert b"usage" not in gateway.sink.sent
    assert b'"glm-5.1"' not in gateway.sink.sent
    assert (gateway.record.streamed, gateway.record.success, gateway.record.output_tokens) == (True, True, 20)
    assert gateway.sink.sign_of_life == CHAT.keepalive
    gateway.assert_nothing_held()


async def test_stream_when_all_of_it_comes_at_once_then_nothing_is_sent_before_the_record() -> None:
    """A short answer in one read."""
    gateway = Governed(streamed(chunk("Hello") + chunk(finish="stop") + usage_chunk() + DONE))
    await gateway.run(stream=True)
    assert [what for what, _ in gateway.history] == ["record", "finish"]
    assert gateway.record.success
    assert gateway.record.first_token_ms == 0


async def test_request_reaches_the_upstream_under_its_own_model_name() -> None:
    """The rendered body, on the provider's path of the dialect."""
    gateway = Governed(FakeReply(WHOLE))
    await gateway.run()
    (sent,) = gateway.client.requests
    assert (sent.target, sent.streamed) == ("/openai_chat", False)
    assert decode_any(sent.body) == {
        "model": "glm-5.1",
        "stream": False,
        "messages": [{"role": "user", "content": "Hi"}],
    }


async def test_limit_headers_go_with_the_answer() -> None:
    """On successes too."""
    gateway = Governed(FakeReply(WHOLE))
    await gateway.run()
    assert gateway.sink.headers[b"x-ratelimit-remaining"] == b"9"
    assert gateway.sink.headers[b"x-concurrency-limit"] == b"1"
    assert gateway.sink.headers[b"x-dailylimit-remaining"] == b"4"


async def test_limit_headers_when_the_request_waited_then_an_instant_counts_from_its_admission() -> None:
    """Anthropic's reset is an instant: 60 s after the request was admitted."""
    offer = make_offer(tiers=TIERS, concurrency_wait_s=30.0)
    pause = Pause()
    gateway = Governed(pause, FakeReply(WHOLE), streamed(), offer=offer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run())
        await pause.reached.wait()
        second = tasks.create_task(gateway.error(stream=True, dialect=MESSAGES))
        await asyncio.sleep(0)
        gateway.clock.advance(20.0)
        pause.release()
    assert second.result().status == 502
    assert gateway.sink.headers[b"anthropic-ratelimit-requests-reset"] == b"2026-11-23T01:31:20Z"


REFUSED: dict[str, tuple[bytes, str]] = {
    "no json": (b"{", "invalid_json"),
    "no model": (b'{"messages":[{}]}', "missing_required_parameter"),
    "unknown model": (body(model="nope"), "model_not_found"),
    "image model": (body(model="img/x"), "model_not_supported"),
    "high tier": (body(model="vhr/x"), "model_access_denied"),
    "not set up": (body(model="rev/x"), "not_configured"),
    "other dialect": (body(model="claude/x"), "route_not_supported"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("dialect", [CHAT, MESSAGES], ids=["chat", "messages"])
async def test_request_when_it_is_refused_then_no_record_no_slot_and_no_count_is_left(
    case: str, dialect: Dialect
) -> None:
    """Only what was admitted counts, and nothing of the answer has begun."""
    request, code = REFUSED[case]
    other = MESSAGES if dialect is CHAT else CHAT
    offer = make_offer(
        chat_model("img/x", kind=ModelKind.IMAGE),
        chat_model("vhr/x", tier_level=2),
        chat_model("rev/x", upstreams=[Upstream("gone", "x")]),
        chat_model("claude/x", upstreams=[Upstream("other", "x")]),
        tiers=TIERS,
        providers=[FakeProvider("other", dialects=[other.name])],
    )
    gateway = Governed(offer=offer)
    assert (await gateway.error(request, dialect=dialect)).code == code
    assert gateway.history == []
    assert gateway.limiter.accounts == 0
    assert gateway.sink.sign_of_life == b""


async def test_request_when_a_limit_refuses_then_only_the_first_left_a_record() -> None:
    """A second request while one runs on a tier that allows one."""
    pause = Pause()
    gateway = Governed(pause, FakeReply(WHOLE))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run())
        await pause.reached.wait()
        assert (await gateway.error()).code == "concurrency"
        pause.release()
    assert gateway.record.status == 200


async def test_upstreams_when_only_those_that_are_set_up_do_not_speak_then_it_is_the_route() -> None:
    """An upstream that speaks but has no key is none."""
    offer = make_offer(
        chat_model(upstreams=[Upstream("zai", "a"), Upstream("claude", "b")]),
        providers=[
            FakeProvider("zai", state=Readiness.NOT_CONFIGURED),
            FakeProvider("claude", dialects=[MESSAGES.name]),
        ],
    )
    error = await Governed(offer=offer).error()
    assert isinstance(error, InvalidRequest)
    assert error.code == "route_not_supported"
    assert error.message == (
        "glm/glm-5.1 can't be called on this route on this server: none of its providers speaks it."
    )


FAILED: dict[str, tuple[FakeReply | UpstreamFailed, int, str]] = {
    "refused": (UpstreamFailed(Failure.REFUSED, Phase.CONNECT, 111), 502, "refused in phase connect, errno 111"),
    "slow": (UpstreamFailed(Failure.HEAD_TIMEOUT, Phase.SENT), 504, "head_timeout in phase sent"),
    "status": (FakeReply(b"{}", status=500), 502, "status 500"),
    "busy": (FakeReply(b"{}", status=429), 503, "status 429"),
    "their 401": (
        FakeReply(b'{"error":{"code":"invalid_api_key"}}', status=401),
        502,
        "status 401, code invalid_api_key",
    ),
    "redirect": (FakeReply(status=302, headers=[(b"location", b"https://elsewhere.invalid")]), 502, "status 302"),
    "their fault": (FakeReply(b"{}", status=400), 400, "status 400"),
    "no json": (FakeReply(b"<html>"), 502, "the reply is not JSON of the documented shape"),
    "error in 200": (FakeReply(b'{"error":{"message":"x"}}'), 502, "the provider reported an error inside its reply"),
    "error without end": (FakeReply(*[b"x" * 65_536] * 3, status=500), 502, "status 500"),
    "error cut off": (FakeReply(b"{", UpstreamFailed(Failure.CLOSED, Phase.BODY), status=429), 503, "status 429"),
    "error in brotli": (FakeReply(b"x", status=404, headers=[(b"content-encoding", b"br")]), 502, "status 404"),
    "cut off": (FakeReply(b"{", UpstreamFailed(Failure.CLOSED, Phase.BODY)), 502, "closed in phase body"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", FAILED)
async def test_upstream_when_it_fails_before_the_first_byte_then_it_is_an_http_error(case: str, stream: bool) -> None:
    """One record with the client's status, the daily answer given back, the request of the minute not."""
    reply, status, cause = FAILED[case]
    if isinstance(reply, FakeReply):
        reply = reply.again()
    gateway = Governed(reply)
    error = await gateway.error(stream=stream)
    assert error.status == status
    assert [what for what, _ in gateway.history] == ["record"]
    record = gateway.record
    assert (record.status, record.code, record.success) == (status, error.code, False)
    assert (record.provider, record.attempts, record.cost_micro_usd) == ("zai", 1, 0)
    assert gateway.trace.cause == cause or (stream and gateway.trace.cause == "the upstream sent a whole reply unasked")
    assert (gateway.answers_left, gateway.tokens_used) == (DAILY, 0)
    assert gateway.sink.headers[b"x-ratelimit-remaining"] == b"9"
    if isinstance(reply, FakeReply):
        assert reply.closed == 1
    gateway.assert_nothing_held()


@pytest.mark.parametrize(
    ("stream", "code"), [(False, "requests_per_minute"), (True, "requests_per_minute")], ids=["whole", "stream"]
)
async def test_requests_that_failed_upstream_count_in_the_minute(stream: bool, code: str) -> None:
    """POSTs that were admitted count, whatever became of them."""
    gateway = Governed(*(UpstreamFailed(Failure.REFUSED, Phase.CONNECT) for _ in range(10)))
    assert {(await gateway.error(stream=stream)).status for _ in range(10)} == {502}
    assert (await gateway.error(stream=stream)).code == code


async def test_providers_when_all_are_full_then_the_client_may_try_again() -> None:
    """A provider's own concurrency; the request was admitted, so it left a record."""
    pause = Pause()
    offer = make_offer(providers=[FakeProvider(max_concurrency=1)])
    gateway = Governed(pause, FakeReply(WHOLE), offer=offer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run(caller=member(unlimited=True)))
        await pause.reached.wait()
        with pytest.raises(ProviderUnavailable, match=r"Every provider of glm/glm-5\.1 is busy; try again in 5 s"):
            await gateway.run(caller=member(unlimited=True))
        pause.release()
    assert [(record.status, record.provider, record.attempts) for record in gateway.ledger.records] == [
        (503, "", 0),
        (200, "zai", 1),
    ]
    gateway.assert_nothing_held()


async def test_provider_when_it_is_loading_then_another_one_answers() -> None:
    """Priority is for those that can be called now."""
    offer = make_offer(
        chat_model(upstreams=[Upstream("slow", "a"), Upstream("zai", "b", priority=2)]),
        providers=[FakeProvider("slow", state=Readiness.LOADING), FakeProvider("zai")],
    )
    gateway = Governed(FakeReply(WHOLE), offer=offer)
    await gateway.run()
    assert (gateway.record.provider, gateway.record.upstream_model) == ("zai", "b")


async def test_provider_when_it_is_not_shared_then_only_an_account_without_limits_gets_it() -> None:
    """Members go to the other upstream though it comes later."""
    offer = make_offer(
        chat_model(upstreams=[Upstream("own", "a"), Upstream("zai", "b", priority=2)]),
        providers=[FakeProvider("own", shared_with_members=False), FakeProvider("zai")],
    )
    gateway = Governed(FakeReply(WHOLE), FakeReply(WHOLE), offer=offer)
    await gateway.run()
    await gateway.run(caller=member(unlimited=True))
    assert [record.provider for record in gateway.ledger.records] == ["zai", "own"]


async def test_ledger_when_it_raises_then_the_slot_is_free_and_the_answer_is_not_sent() -> None:
    """Nothing goes out whose record is not safe; the slot is not lost with it."""
    gateway = Governed(FakeReply(WHOLE), ledger_failure=OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        await gateway.run()
    assert gateway.history == []
    gateway.assert_nothing_held()


async def test_fault_of_ours_when_admitted_then_it_is_recorded_as_500() -> None:
    """An exception that is none of the gateway's errors."""
    gateway = Governed(streamed(chunk("a"), chunk("b")))
    fault = Pause(lambda: print(1 // 0))
    with pytest.raises(ZeroDivisionError):
        await gateway.run(stream=True, sink=RecordingSink(gateway.history, pauses={1: fault}))
    assert (gateway.record.status, gateway.record.code, gateway.record.success) == (500, "server_error", False)
    gateway.assert_nothing_held()


async def test_offer_when_replaced_while_a_request_runs_then_the_request_keeps_its_own() -> None:
    """A reload swaps the whole offer; who was admitted under the old one is answered under it."""
    pause = Pause()
    gateway = Governed(pause, FakeReply(WHOLE))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run())
        await pause.reached.wait()
        gateway.directory.offer = make_offer(chat_model("other/x"))
        pause.release()
    assert gateway.record.model == "glm/glm-5.1"
    assert (await gateway.error()).code == "model_not_found"
