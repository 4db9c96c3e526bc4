"""The answer to one request: headers, streams, signs of life, errors."""

import asyncio

import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import (
    ClientCanceled,
    DailyLimitExceeded,
    GatewayError,
    LimitExceeded,
    ProviderError,
    ProviderUnavailable,
)
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.web.response import Response

CHAT, MESSAGES = OpenAIChat(), AnthropicMessages()
SHORT_S = 0.005
NEVER_S = 3600.0
SIGN = b": sign\n\n"


class Case:
    """A response and its client."""

    def __init__(self, keepalive_s: float = NEVER_S, dialect: Dialect = CHAT) -> None:
        self.client = Client()
        self.clock = FakeClock()
        self.trace = Trace("req_1", "/v1/chat/completions", self.clock)
        self.response = Response(self.client.send, self.client.connection, self.trace, dialect, keepalive_s)

    async def sign_waits(self) -> None:
        """Stop reading, and wait until a sign of life waits for the client."""
        self.client.reads.clear()
        self.client.asked.clear()
        self.response.keep_alive(SIGN)
        await self.client.asked.wait()

    async def signs(self, count: int) -> None:
        """Wait until so many signs of life have come."""
        while self.client.body.count(SIGN) < count:
            self.client.got.clear()
            await self.client.got.wait()


def _no_tasks_left() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


async def test_whole_answer_has_its_length_and_the_headers_of_every_response() -> None:
    """Ids, timing, and what the services added."""
    case = Case()
    case.response.add_headers([(b"x-ratelimit-limit", b"10")])
    case.response.add_headers([(b"x-concurrency-limit", b"1")])
    await case.response.reply(b'{"a":1}')
    assert case.client.status == 200
    assert case.client.headers == {
        b"content-type": b"application/json",
        b"content-length": b"7",
        b"x-request-id": b"req_1",
        b"request-id": b"req_1",
        b"server-timing": b"gateway;dur=0.0",
        b"x-ratelimit-limit": b"10",
        b"x-concurrency-limit": b"1",
    }
    assert case.client.body == b'{"a":1}'
    assert case.client.complete
    assert (case.response.started, case.response.finished, case.trace.status) == (True, True, 200)


async def test_server_timing_tells_our_time_from_the_upstreams() -> None:
    """Milliseconds before the first byte."""
    case = Case()
    case.clock.advance(0.0004)
    case.trace.attempts = 1
    case.trace.begin_wait()
    case.clock.advance(0.812)
    case.trace.end_wait()
    await case.response.reply(b"")
    assert case.client.headers[b"server-timing"] == b"gateway;dur=0.4, upstream;dur=812.0"
    assert case.trace.own_s == pytest.approx(0.0004)


async def test_answer_of_a_known_length_when_it_comes_in_pieces_then_its_head_says_so() -> None:
    """JSON, and as many bytes as were announced."""
    case = Case()
    await case.response.begin(7)
    await case.response.write(b'{"a"')
    await case.response.finish(b":1}")
    assert dict(case.client.sent[0]["headers"]) == {b"content-type": b"application/json", b"content-length": b"7"}
    assert case.client.body == b'{"a":1}'
    assert (case.client.complete, case.trace.status) == (True, 200)


async def test_answer_of_a_known_length_when_it_fails_midway_then_the_edge_is_told_to_cut_it_off() -> None:
    """An error would be taken for the rest of the body."""
    case = Case()
    await case.response.begin(7)
    await case.response.write(b'{"a"')
    with pytest.raises(ProviderUnavailable):
        await case.response.fail(ProviderUnavailable("The server is restarting.", code="restarting"))
    assert case.client.body == b'{"a"'
    assert (case.client.complete, case.trace.status, case.trace.code) == (False, 503, "restarting")


async def test_stream_begins_with_its_first_bytes_and_ends_with_its_last() -> None:
    """Buffering proxies are told to let it pass."""
    case = Case()
    assert not case.response.started
    await case.response.write(b"data: 1\n\n")
    assert case.client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert case.client.headers[b"cache-control"] == b"no-cache"
    assert case.client.headers[b"x-accel-buffering"] == b"no"
    assert not case.client.complete
    await case.response.finish(b"data: 2\n\n")
    assert case.client.body == b"data: 1\n\ndata: 2\n\n"
    assert case.client.complete


async def test_stream_when_all_of_it_is_its_end_then_it_begins_too() -> None:
    """A short answer that came in one piece."""
    case = Case()
    await case.response.finish(b"data: 1\n\n")
    assert (case.client.status, case.client.body, case.client.complete) == (200, b"data: 1\n\n", True)


async def test_empty_answer_has_neither_length_nor_body() -> None:
    """204 and 304."""
    case = Case()
    await case.response.send_empty(304, [(b"etag", b'"x"')])
    assert (case.client.status, case.client.body, case.client.complete) == (304, b"", True)
    assert b"content-length" not in case.client.headers


ERRORS: list[tuple[GatewayError, dict[bytes, bytes]]] = [
    (ProviderError("x"), {}),
    (LimitExceeded("x", retry_after_s=16.2), {b"retry-after": b"17"}),
    (LimitExceeded("x", retry_after_s=0.0), {b"retry-after": b"1"}),
    (LimitExceeded("x", retry_after_s=60.0), {b"retry-after": b"60"}),
    (LimitExceeded("x", retry_after_s=61.0), {b"retry-after": b"61", b"x-should-retry": b"false"}),
    (
        DailyLimitExceeded("x", retry_after_s=5.0, retry_is_useless=True, headers=((b"x-dailylimit-limit", b"5"),)),
        {b"retry-after": b"5", b"x-should-retry": b"false", b"x-dailylimit-limit": b"5"},
    ),
]


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES], ids=["chat", "messages"])
@pytest.mark.parametrize(("error", "extra"), ERRORS)
async def test_error_before_the_first_byte_is_an_http_status(
    error: GatewayError, extra: dict[bytes, bytes], dialect: Dialect
) -> None:
    """In the envelope of the route's dialect, with the headers that tell clients whether and when to retry."""
    case = Case(dialect=dialect)
    await case.response.fail(error)
    common = {b"content-type", b"content-length", b"x-request-id", b"request-id", b"server-timing"}
    assert case.client.status == error.status
    assert {name: value for name, value in case.client.headers.items() if name not in common} == extra
    assert case.client.body == dialect.render_error(error, "req_1")
    assert int(case.client.headers[b"content-length"]) == len(case.client.body)
    assert (case.trace.status, case.trace.code) == (error.status, error.code)


async def test_error_after_admission_keeps_the_limit_headers() -> None:
    """The account stands where it stands, also if the upstream failed."""
    case = Case()
    case.response.add_headers([(b"x-ratelimit-remaining", b"9")])
    await case.response.fail(ProviderError("x"))
    assert case.client.headers[b"x-ratelimit-remaining"] == b"9"


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES], ids=["chat", "messages"])
async def test_error_after_the_first_byte_is_the_last_event(dialect: Dialect) -> None:
    """The status has gone out; the body ends without the dialect's polite end."""
    case = Case(dialect=dialect)
    await case.response.write(b"data: 1\n\n")
    error = ProviderError("The provider failed.")
    await case.response.fail(error)
    assert case.client.status == 200
    assert case.client.body == b"data: 1\n\n" + dialect.render_stream_error(error, "req_1")
    assert case.client.complete
    assert b"[DONE]" not in case.client.body
    assert (case.trace.status, case.trace.code) == (502, "provider_error")


async def test_error_on_chat_after_the_first_byte_has_the_finish_reason_error() -> None:
    """SDKs raise on the top-level `error`; plain readers see the finish reason."""
    case = Case()
    await case.response.write(SIGN)
    await case.response.fail(ProviderError("The provider failed."))
    event = decode_any(case.client.body.removeprefix(SIGN).removeprefix(b"data: "))
    assert isinstance(event, dict)
    assert event["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert event["error"]["message"] == "The provider failed."


async def test_error_after_the_last_byte_is_not_sent() -> None:
    """The answer was complete, and so is what is known of it."""
    case = Case()
    await case.response.reply(b"{}")
    await case.response.fail(ProviderError("x"))
    assert case.client.body == b"{}"
    assert (case.trace.status, case.trace.code) == (200, "")


async def test_interruption_is_the_clients_or_the_servers() -> None:
    """Whoever is still connected was cancelled by the drain."""
    case = Case()
    drained = case.response.interruption()
    assert isinstance(drained, ProviderUnavailable)
    assert (drained.code, drained.retry_after_s, drained.should_not_retry) == ("restarting", 2, False)
    case.client.connection.leave()
    assert isinstance(case.response.interruption(), ClientCanceled)


# --- signs of life ---


async def test_sign_of_life_when_nothing_was_sent_for_a_while_then_it_begins_the_stream() -> None:
    """It comes again and again; what follows is an ordinary stream."""
    case = Case(SHORT_S)
    case.response.add_headers([(b"x-ratelimit-limit", b"10")])
    case.response.keep_alive(SIGN)
    assert not case.response.started
    await case.signs(3)
    assert case.client.status == 200
    assert case.client.headers[b"x-ratelimit-limit"] == b"10"
    await case.response.finish(b"data: 1\n\n")
    assert case.client.body.replace(SIGN, b"") == b"data: 1\n\n"
    assert case.client.complete


async def test_sign_of_life_when_the_stream_falls_silent_then_it_comes_between_events() -> None:
    """Whole events only, so it never falls into one."""
    case = Case(SHORT_S)
    case.response.keep_alive(SIGN)
    await case.response.write(b"data: 1\n\n")
    await case.signs(1)
    assert case.client.body.startswith(b"data: 1\n\n" + SIGN)
    case.response.abandon()


async def test_sign_of_life_when_the_request_then_fails_then_the_error_is_an_event() -> None:
    """The status is already told."""
    case = Case(SHORT_S)
    case.response.keep_alive(SIGN)
    await case.signs(1)
    await case.response.fail(ProviderError("x"))
    assert case.client.status == 200
    assert case.client.body.endswith(CHAT.render_stream_error(ProviderError("x"), "req_1"))
    assert case.trace.status == 502


async def test_sign_of_life_when_the_request_fails_before_then_the_status_tells() -> None:
    """Nothing was sent yet."""
    case = Case(NEVER_S)
    case.response.keep_alive(SIGN)
    await case.response.fail(ProviderError("x"))
    assert case.client.status == 502


@pytest.mark.parametrize("ending", ["finish", "fail", "abandon"])
async def test_sign_of_life_when_the_response_has_ended_then_none_comes(ending: str) -> None:
    """Neither timer nor task is left."""
    case = Case(SHORT_S)
    case.response.keep_alive(SIGN)
    await case.signs(1)
    match ending:
        case "finish":
            await case.response.finish(b"")
        case "fail":
            await case.response.fail(ProviderError("x"))
        case _:
            case.response.abandon()
    sent = len(case.client.sent)
    await asyncio.sleep(4 * SHORT_S)
    assert len(case.client.sent) == sent
    assert _no_tasks_left()


async def test_sign_of_life_when_the_reader_is_slow_then_only_one_waits() -> None:
    """Signs don't pile up behind a client that takes nothing."""
    case = Case(SHORT_S)
    await case.response.write(b"data: 1\n\n")
    case.client.reads.clear()
    case.response.keep_alive(SIGN)
    await asyncio.sleep(6 * SHORT_S)
    assert len(asyncio.all_tasks()) == 2
    case.client.reads.set()
    await case.signs(1)
    case.response.abandon()
    await asyncio.sleep(0)
    assert case.client.body == b"data: 1\n\n" + SIGN


@pytest.mark.parametrize("begun", [False, True], ids=["before the head", "in mid-stream"])
@pytest.mark.parametrize("ending", ["write", "finish", "fail"])
async def test_sign_of_life_when_it_waits_for_a_slow_reader_then_nothing_overtakes_it(begun: bool, ending: str) -> None:
    """A sign and what the request sends go out one after the other, each whole, and nothing after the end."""
    case = Case(SHORT_S)
    if begun:
        await case.response.write(b"data: 1\n\n")
    await case.sign_waits()
    case.client.takes_one = True
    async with asyncio.TaskGroup() as tasks:
        match ending:
            case "write":
                sending = tasks.create_task(case.response.write(b"data: 2\n\n"))
            case "finish":
                sending = tasks.create_task(case.response.finish(b"data: 2\n\n"))
            case _:
                sending = tasks.create_task(case.response.fail(ProviderError("x")))
        while not sending.done():
            await asyncio.sleep(0)
            case.client.reads.set()
    last = CHAT.render_stream_error(ProviderError("x"), "req_1") if ending == "fail" else b"data: 2\n\n"
    assert case.client.status == 200
    assert case.client.body == (b"data: 1\n\n" if begun else b"") + SIGN + last
    case.response.abandon()


async def test_sign_of_life_when_the_response_is_abandoned_while_it_waits_then_it_is_dropped() -> None:
    """A client that takes nothing and a request that was cancelled."""
    case = Case(SHORT_S)
    await case.sign_waits()
    case.response.abandon()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert _no_tasks_left()
    assert case.client.sent == []


async def test_sign_of_life_when_the_response_ends_before_it_began_then_it_is_dropped() -> None:
    """The timer rang in the same turn of the loop."""
    case = Case(0.0)
    case.response.keep_alive(SIGN)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert case.response._sign_task is not None
    await case.response.finish(b"data: 1\n\n")
    assert case.client.body == b"data: 1\n\n"
    assert _no_tasks_left()


async def test_time_when_the_response_has_ended_then_it_stands_still() -> None:
    """What the request still does behind its last byte, such as waiting for the upstream's end, is not its time."""
    case = Case()
    case.clock.advance(1.0)
    await case.response.finish(b"")
    case.clock.advance(1.0)
    case.response.abandon()
    assert case.trace.elapsed_s() == 1.0
