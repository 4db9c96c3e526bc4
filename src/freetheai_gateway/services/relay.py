"""From the upstream's reply to the client: bytes pass, and the record is written before the last of them."""

import asyncio

from freetheai_gateway.dialects.protocol import MalformedReply, RawStream, UpstreamSaidError
from freetheai_gateway.services.body import MAX_REPLY_BYTES, Body, header
from freetheai_gateway.services.dispatch import Attempt
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.ports import UpstreamFailed, UpstreamReply
from freetheai_gateway.services.provider_errors import from_fault, from_transport
from freetheai_gateway.services.settle import BYTES_PER_TOKEN
from freetheai_gateway.services.trace import Trace

MAX_HELD_BYTES = 64 * 1024
"""So much may stand before the first content; what is more goes out, and no other upstream can take over."""
LINGER_S = 1.0
"""How long a stream whose terminator has come may take to end, so that its connection can be used again."""


async def relay_whole(attempt: Attempt, exchange: Exchange) -> None:
    """Relay a whole reply. Raises the `GatewayError` that the client is to see."""
    trace, settlement, reply = exchange.trace, exchange.settlement, attempt.reply
    try:
        body = await Body(reply).read_all(MAX_REPLY_BYTES)
        trace.end_wait()
        lane = attempt.lane
        answer = lane.fold_stream(body) if _is_event_stream(reply) else lane.parse_reply(body)
    except UpstreamFailed as failed:
        raise from_transport(failed, trace) from failed
    except (MalformedReply, UpstreamSaidError) as fault:
        raise from_fault(fault, trace) from fault
    trace.mark_first_token()
    attempt.all_came()
    estimate = len(answer.body) // BYTES_PER_TOKEN
    settlement.note_usage(answer.usage, delivered=answer.delivered, output_tokens=estimate)
    settlement.succeed()
    await exchange.sink.reply(answer.body)


async def relay_stream(attempt: Attempt, exchange: Exchange) -> None:
    """Relay a stream. Raises the `GatewayError` that the client is to see, also after bytes went out."""
    stream: RawStream | None = None
    try:
        if _is_event_stream(attempt.reply):
            stream = attempt.lane.open_stream()
            await _pass_events(attempt, stream, exchange)
        elif _is_json(attempt.reply):
            await _unfold(attempt, exchange)
        else:
            raise MalformedReply("the reply is no event stream")  # noqa: TRY301 - translated below, as all of them
    except UpstreamFailed as failed:
        raise from_transport(failed, exchange.trace) from failed
    except (MalformedReply, UpstreamSaidError) as fault:
        raise from_fault(fault, exchange.trace, begun=attempt.begun) from fault
    finally:
        if stream is not None:
            exchange.settlement.note_usage(
                stream.usage, delivered=exchange.trace.delivered, output_tokens=stream.event_count, complete=False
            )


async def _pass_events(attempt: Attempt, stream: RawStream, exchange: Exchange) -> None:
    """Pass events on. Those before the first content are held: until it comes another upstream may take over."""
    sink, trace = exchange.sink, exchange.trace
    body = Body(attempt.reply)
    events = b""
    while data := await body.read():
        events += stream.feed(data)
        if stream.final:
            break
        if attempt.begun or stream.delivered or len(events) > MAX_HELD_BYTES:
            _begin(attempt)
            if events:
                _mark(stream, trace)
                await sink.write(events)
                trace.delivered = stream.delivered
                events = b""
        stream.check()
    last = events + stream.finish()
    _begin(attempt)
    await _end(stream, last, exchange)
    await _linger(body)


def _begin(attempt: Attempt) -> None:
    """Note that what was held goes to the client now."""
    if not attempt.begun:
        attempt.begun = True
        attempt.content_came()


async def _unfold(attempt: Attempt, exchange: Exchange) -> None:
    """Stream a reply that came whole: some upstreams ignore that a stream was asked for."""
    body = await Body(attempt.reply).read_all(MAX_REPLY_BYTES)
    events, stream = attempt.lane.unfold_reply(body)
    last = events + stream.finish()
    _begin(attempt)
    await _end(stream, last, exchange)


async def _end(stream: RawStream, last: bytes, exchange: Exchange) -> None:
    """Write the record, then send the last bytes."""
    _mark(stream, exchange.trace)
    settlement = exchange.settlement
    settlement.note_usage(stream.usage, delivered=stream.delivered, output_tokens=stream.event_count)
    settlement.succeed()
    await exchange.sink.finish(last)


def _is_event_stream(reply: UpstreamReply) -> bool:
    return header(reply, b"content-type").lower().startswith(b"text/event-stream")


def _is_json(reply: UpstreamReply) -> bool:
    return b"json" in header(reply, b"content-type").lower()


def _mark(stream: RawStream, trace: Trace) -> None:
    """Note the times of what goes to the client now, and the id that it sees."""
    trace.end_wait()
    trace.reply_id = stream.reply_id
    if stream.delivered:
        trace.mark_first_token()


async def _linger(body: Body) -> None:
    """Wait briefly for the upstream's end after its terminator; a connection that is not read to its end is lost."""
    try:
        async with asyncio.timeout(LINGER_S):
            await body.read()
    except (TimeoutError, UpstreamFailed, MalformedReply):
        return  # the reply was complete; only the connection can't be used again
