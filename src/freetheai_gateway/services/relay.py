"""From the upstream's reply to the client: bytes pass, and the record is written before the last of them."""

import asyncio

from freetheai_gateway.dialects.protocol import MalformedReply, RawStream, UpstreamSaidError
from freetheai_gateway.services.body import MAX_REPLY_BYTES, Body, header
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.ports import UpstreamFailed, UpstreamReply
from freetheai_gateway.services.provider_errors import from_fault, from_transport
from freetheai_gateway.services.settle import BYTES_PER_TOKEN
from freetheai_gateway.services.trace import Trace

LINGER_S = 1.0
"""How long a stream whose terminator has come may take to end, so that its connection can be used again."""


async def relay_whole(reply: UpstreamReply, exchange: Exchange) -> None:
    """Relay a whole reply. Raises the `GatewayError` that the client is to see."""
    trace, settlement = exchange.trace, exchange.settlement
    try:
        body = await Body(reply).read_all(MAX_REPLY_BYTES)
        trace.end_wait()
        answer = exchange.dialect.parse_reply(body, exchange.model.id)
    except UpstreamFailed as failed:
        raise from_transport(failed, trace) from failed
    except (MalformedReply, UpstreamSaidError) as fault:
        raise from_fault(fault, trace) from fault
    trace.mark_first_token()
    estimate = len(answer.body) // BYTES_PER_TOKEN
    settlement.note_usage(answer.usage, delivered=answer.delivered, output_tokens=estimate)
    settlement.succeed()
    await exchange.sink.reply(answer.body)


async def relay_stream(reply: UpstreamReply, exchange: Exchange) -> None:
    """Relay a stream. Raises the `GatewayError` that the client is to see, also after bytes went out."""
    stream = exchange.dialect.open_stream(exchange.request, exchange.model.id)
    try:
        await _pass_events(reply, stream, exchange)
    except UpstreamFailed as failed:
        raise from_transport(failed, exchange.trace) from failed
    except (MalformedReply, UpstreamSaidError) as fault:
        raise from_fault(fault, exchange.trace) from fault
    finally:
        exchange.settlement.note_usage(
            stream.usage, delivered=exchange.trace.delivered, output_tokens=stream.event_count, complete=False
        )


async def _pass_events(reply: UpstreamReply, stream: RawStream, exchange: Exchange) -> None:
    if not header(reply, b"content-type").lower().startswith(b"text/event-stream"):
        raise MalformedReply("the reply is no event stream")
    sink, trace = exchange.sink, exchange.trace
    body = Body(reply)
    events = b""
    while data := await body.read():
        events = stream.feed(data)
        if stream.final:
            break
        if events:
            _mark(stream, trace)
            await sink.write(events)
            trace.delivered = stream.delivered
            events = b""
        stream.check()
    last = events + stream.finish()
    _mark(stream, trace)
    settlement = exchange.settlement
    settlement.note_usage(stream.usage, delivered=stream.delivered, output_tokens=stream.event_count)
    settlement.succeed()
    await sink.finish(last)
    await _linger(body)


def _mark(stream: RawStream, trace: Trace) -> None:
    """Note the times of what goes to the client now."""
    trace.end_wait()
    if stream.delivered:
        trace.mark_first_token()


async def _linger(body: Body) -> None:
    """Wait briefly for the upstream's end after its terminator; a connection that is not read to its end is lost."""
    try:
        async with asyncio.timeout(LINGER_S):
            await body.read()
    except (TimeoutError, UpstreamFailed, MalformedReply):
        return  # the reply was complete; only the connection can't be used again
