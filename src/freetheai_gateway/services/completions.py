"""One completion, from the body a client sent to the last byte it gets: the way of a request.

parse   the dialect reads the few fields that the gateway needs
find    the model, and an upstream that speaks the client's dialect
admit   account, tier, limits: one decision; from here on a slot is held
send    the request goes to an upstream, and to another one where that fails before content
relay   bytes pass; model, usage and end are watched
settle  the record is written, the slot freed, then the last bytes are sent
"""

import asyncio

import msgspec

from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.limit_headers import limit_lines
from freetheai_gateway.services.ports import Ledger, Sink
from freetheai_gateway.services.relay import relay_stream, relay_whole
from freetheai_gateway.services.settle import Settlement
from freetheai_gateway.services.trace import Trace


class Sent(msgspec.Struct, frozen=True):
    """What a client sent: the body, and the headers that an upstream of the same dialect is to see."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Completions:
    """Serves chat-like routes for clients of any dialect, on upstreams of any other."""

    def __init__(self, directory: Directory, admission: Admission, dispatcher: Dispatcher, ledger: Ledger) -> None:
        self._directory = directory
        self._admission = admission
        self._dispatcher = dispatcher
        self._ledger = ledger
        self.open_streams = 0
        """Streamed requests that are being answered now."""

    async def run(
        self,
        dialect: Dialect,
        sent: Sent,
        caller: Caller,
        sink: Sink,
        trace: Trace,
        *,
        kind: ModelKind = ModelKind.CHAT,
    ) -> None:
        """Answer one request into the sink. Raises the `GatewayError` that the client is to see."""
        request = dialect.parse_request(sent.body)
        trace.streamed = request.streamed
        offer = self._directory.offer
        model = offer.find_model(request.model, kind)
        trace.model = model.id
        unlimited = caller.account.unlimited
        upstreams = self._dispatcher.reachable(model, dialect, offer, unlimited=unlimited)
        lease = await self._admission.admit(caller, model, offer, dialect.limit_headers, is_set_up=bool(upstreams))
        settlement = Settlement(lease, self._ledger, trace, len(sent.body))
        try:
            now = trace.started_wall + trace.elapsed_s()
            sink.add_lines(limit_lines(lease.standings, dialect.limit_headers, now))
            exchange = Exchange(
                dialect, request, sent.body, sent.headers, model, upstreams, offer, sink, trace, settlement
            )
            if request.streamed:
                await self._stream(exchange)
            else:
                await self._dispatcher.answer(exchange, relay_whole)
        except GatewayError as error:
            settlement.fail(error)
            raise
        except asyncio.CancelledError:
            settlement.fail(sink.interruption())
            raise
        finally:
            settlement.abandon()

    async def _stream(self, exchange: Exchange) -> None:
        exchange.sink.keep_alive(exchange.dialect.keepalive)
        self.open_streams += 1
        try:
            await self._dispatcher.answer(exchange, relay_stream)
        finally:
            self.open_streams -= 1
