"""From the upstream's reply to the client, event by event."""

import gzip
import zlib

import pytest

from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.testing.ports import FakeReply, Pause
from tests.unit.services.governed import (
    DAILY,
    DONE,
    MESSAGES,
    SSE,
    WHOLE,
    Governed,
    body,
    chunk,
    streamed,
)

ERROR_CHUNK = b'data: {"error":{"message":"their words","code":500}}\n\n'
CLOSED = UpstreamFailed(Failure.CLOSED, Phase.BODY)


def _writes(gateway: Governed) -> list[str]:
    return [what for what, _ in gateway.history if what != "record"]


STARTS: dict[str, tuple[FakeReply, str]] = {
    "an error event": (streamed(ERROR_CHUNK), "the provider reported an error inside its reply"),
    "an error event after a comment in the same read": (streamed(ERROR_CHUNK + DONE), "the provider reported"),
    "no JSON": (streamed(b"data: <html>\n\n"), "a chunk is not JSON of the documented shape"),
    "nothing": (streamed(), "the stream ended before the reply was complete"),
    "half an event": (streamed(b'data: {"choices'), "the stream ended before the reply was complete"),
    "a broken connection": (streamed(UpstreamFailed(Failure.IDLE_TIMEOUT, Phase.BODY)), "idle_timeout in phase body"),
    "a whole reply": (FakeReply(WHOLE), "the upstream sent a whole reply unasked"),
    "a page": (FakeReply(b"<html>", content_type=b"text/html"), "the reply is no event stream"),
    "an unknown encoding": (
        FakeReply(chunk("a"), content_type=SSE, headers=[(b"content-encoding", b"br")]),
        "the content encoding is not known",
    ),
}


@pytest.mark.parametrize("case", STARTS)
async def test_stream_when_it_begins_with_a_failure_then_it_is_an_http_error(case: str) -> None:
    """Nothing was sent, so the status can still be told; the daily answer is given back."""
    template, cause = STARTS[case]
    gateway = Governed(template.again())
    error = await gateway.error(stream=True)
    assert error.status in {502, 504}
    assert cause in gateway.trace.cause
    assert _writes(gateway) == []
    assert "their words" not in error.message
    assert gateway.answers_left == DAILY
    gateway.assert_nothing_held()


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ((), 502),
        ((CLOSED,), 502),
        ((UpstreamFailed(Failure.IDLE_TIMEOUT, Phase.BODY),), 504),
        ((ERROR_CHUNK,), 502),
        ((ERROR_CHUNK + chunk("never shown") + DONE,), 502),
        ((b"data: {\n\n",), 502),
    ],
)
async def test_stream_when_it_breaks_after_content_then_it_does_not_end_politely(
    end: tuple[bytes | UpstreamFailed, ...], status: int
) -> None:
    """What came was sent and counts; the error is for the sink to tell, `[DONE]` is not sent."""
    gateway = Governed(streamed(chunk("a"), chunk("b"), *end))
    error = await gateway.error(stream=True)
    assert error.status == status
    assert _writes(gateway) == ["write", "write"]
    assert b"[DONE]" not in gateway.sink.sent
    assert b"never shown" not in gateway.sink.sent
    record = gateway.record
    assert (record.status, record.code, record.success, record.estimated) == (status, error.code, True, True)
    assert (record.output_tokens, gateway.answers_left) == (2, DAILY - 1)
    gateway.assert_nothing_held()


async def test_stream_when_good_events_stand_before_the_error_in_one_read_then_they_are_sent() -> None:
    """The client gets what the upstream gave."""
    gateway = Governed(streamed(chunk("a") + ERROR_CHUNK))
    await gateway.error(stream=True)
    assert b'"a"' in gateway.sink.sent
    assert gateway.record.success


async def test_stream_when_the_upstream_forgets_its_terminator_then_the_client_gets_one() -> None:
    """A finish reason was seen and the body ended cleanly."""
    gateway = Governed(streamed(chunk("a"), chunk(finish="stop")))
    await gateway.run(stream=True)
    assert gateway.history[-1] == ("finish", DONE)
    assert gateway.record.success


async def test_stream_when_its_last_event_is_whole_only_by_the_end_then_its_content_counts() -> None:
    """Lone CRs end lines, and the last one might have become a CRLF."""
    gateway = Governed(streamed(chunk("a", finish="stop").rstrip(b"\n") + b"\r\r"))
    await gateway.run(stream=True)
    assert gateway.sink.sent.endswith(DONE)
    assert gateway.record.success
    assert gateway.record.first_token_ms is not None


async def test_stream_when_compressed_then_events_pass() -> None:
    """An upstream that ignores `accept-encoding: identity`."""
    packer = zlib.compressobj(wbits=31)
    steps = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in (chunk("a"), chunk(finish="stop"))]
    last = packer.compress(DONE) + packer.flush()
    gateway = Governed(FakeReply(*steps, last, content_type=SSE, headers=[(b"content-encoding", b"gzip")]))
    await gateway.run(stream=True)
    assert _writes(gateway) == ["write", "write", "finish"]


async def test_whole_reply_when_compressed_then_it_is_plain_for_the_client() -> None:
    """As a stream."""
    gateway = Governed(FakeReply(gzip.compress(WHOLE), headers=[(b"content-encoding", b"gzip")]))
    await gateway.run()
    assert decode_any(gateway.sink.sent)


async def test_whole_reply_when_it_gives_no_usage_then_it_is_estimated() -> None:
    """Four bytes a token, of the request and of the answer."""
    answer = WHOLE[: WHOLE.index(b',"usage"')] + b"}"
    gateway = Governed(FakeReply(answer))
    await gateway.run()
    record = gateway.record
    assert record.estimated
    assert (record.input_tokens, record.output_tokens) == (len(body()) // 4, len(gateway.sink.sent) // 4)


async def test_whole_reply_when_it_has_no_content_then_it_is_no_answer_of_the_day() -> None:
    """Sent as it is, but nothing of it was delivered."""
    gateway = Governed(FakeReply(b'{"model":"glm-5.1","choices":[]}'))
    await gateway.run()
    assert (gateway.record.status, gateway.record.success) == (200, False)
    assert gateway.answers_left == DAILY


async def test_stream_when_it_has_no_content_then_it_is_no_answer_of_the_day() -> None:
    """As a whole reply."""
    gateway = Governed(streamed(chunk(), chunk(finish="stop"), DONE))
    await gateway.run(stream=True)
    assert (gateway.record.status, gateway.record.success, gateway.record.first_token_ms) == (200, False, None)
    assert gateway.answers_left == DAILY


async def test_stream_of_messages_when_whole_then_its_own_counts_hold() -> None:
    """Usage comes at both ends of a Messages stream; the held last event is `message_stop`."""
    events = (
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":40}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n' * 9,
        b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":5}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )
    gateway = Governed(streamed(*events))
    await gateway.run(stream=True, dialect=MESSAGES)
    record = gateway.record
    assert (record.input_tokens, record.output_tokens, record.estimated) == (40, 5, False)
    assert gateway.history[-1] == ("finish", events[-1])


async def test_connection_when_the_stream_has_ended_then_it_is_read_to_its_end() -> None:
    """So that it can be used again."""
    reply = streamed(chunk("a", finish="stop"), DONE)
    await Governed(reply).run(stream=True)
    assert reply.read_to_end
    assert reply.closed == 1


@pytest.mark.parametrize("late", [CLOSED, b"data: more\n\n"])
async def test_stream_when_something_is_wrong_after_its_terminator_then_nobody_is_told(
    late: bytes | UpstreamFailed,
) -> None:
    """The reply was complete; only the connection is lost."""
    reply = streamed(chunk("a", finish="stop"), DONE, late)
    gateway = Governed(reply)
    await gateway.run(stream=True)
    assert gateway.record.status == 200
    assert gateway.history[-1] == ("finish", DONE)
    assert reply.closed == 1


async def test_client_when_the_upstream_does_not_end_after_its_terminator_then_it_has_its_answer_already() -> None:
    """The client waits neither for the upstream's end nor for a deadline; its slot is free."""
    pause = Pause()
    reply = streamed(chunk("a", finish="stop"), DONE, pause)
    gateway = Governed(reply)
    await gateway.cancelled_at(pause, before=lambda: _assert_answered(gateway))
    assert gateway.record.status == 200
    assert reply.closed == 1
    gateway.assert_nothing_held()


def _assert_answered(gateway: Governed) -> None:
    assert gateway.history[-1] == ("finish", DONE)
    assert gateway.limiter.running == 0


async def test_first_token_when_the_role_comes_first_then_content_counts() -> None:
    """Milliseconds from the request to the first content."""
    gateway = Governed()
    late = Pause(lambda: gateway.clock.advance(1.25))
    gateway.client.script.append(streamed(chunk(), late, chunk("a"), late, chunk("b", finish="stop"), DONE))
    await gateway.run(stream=True)
    assert gateway.record.first_token_ms == 1250


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_waiting_for_the_upstream_when_its_body_is_slow_then_it_is_not_our_time(stream: bool) -> None:
    """`upstream_s` covers the head and the body up to the first byte for the client, not what comes after it."""
    gateway = Governed()
    late = Pause(lambda: gateway.clock.advance(2.5))
    reply = streamed(late, chunk("a", finish="stop"), late, DONE) if stream else FakeReply(late, WHOLE)
    gateway.client.script += [late, reply]
    await gateway.run(stream=stream)
    assert gateway.trace.upstream_s == 5.0
    assert gateway.trace.elapsed_s() == (7.5 if stream else 5.0)


async def test_waiting_for_the_upstream_when_asked_meanwhile_then_it_counts_already() -> None:
    """A sign of life begins the response before the upstream has said anything."""
    pause = Pause()
    gateway = Governed(pause)
    seen: list[float] = []

    def look() -> None:
        gateway.clock.advance(15.0)
        seen.append(gateway.trace.upstream_s)

    await gateway.cancelled_at(pause, before=look)
    assert seen == [15.0]


async def test_error_of_a_stream_is_none_of_the_services_own_kind() -> None:
    """What leaves the relay is always an error that a client can be shown."""
    for reply in (streamed(b"data: 1\n\n"), streamed(b'data: {"choices":1}\n\n'), streamed(b"\xff\xfe\n\n")):
        assert isinstance(await Governed(reply).error(stream=True), GatewayError)
