"""Sending an admitted request to one of the model's upstreams."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from random import random

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.complaint import parse_complaint
from freetheai_gateway.dialects.lanes import Lane
from freetheai_gateway.dialects.protocol import Dialect, MalformedReply
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.domain.pools import Upstream, choose
from freetheai_gateway.errors import GatewayError, InvalidRequest
from freetheai_gateway.services.body import MAX_ERROR_BYTES, Body
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.ports import ProviderCall, Readiness, UpstreamClient, UpstreamFailed, UpstreamReply
from freetheai_gateway.services.provider_errors import from_complaint, from_transport, provider_busy

MAX_DROPPED = 30
_FIELD = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,60}")


class Attempt:
    """A call that was answered with success: the reply, and its place in flight until `close`."""

    __slots__ = ("_dispatcher", "lane", "reply", "upstream")

    def __init__(self, reply: UpstreamReply, lane: Lane, upstream: Upstream, dispatcher: "Dispatcher") -> None:
        self.reply = reply
        self.lane = lane
        self.upstream = upstream
        self._dispatcher = dispatcher

    def close(self) -> None:
        """Give the connection back, or abort it where the reply was not read to its end."""
        self.reply.close()
        self._dispatcher.leave(self.upstream.provider)


class Dispatcher:
    """Chooses an upstream, sends, and counts what is in flight per provider."""

    def __init__(self, client: UpstreamClient, lanes: LaneBuilder, clock: Clock) -> None:
        self._client = client
        self._lanes = lanes
        self._clock = clock
        self._in_flight: dict[str, int] = {}

    @property
    def in_flight(self) -> Mapping[str, int]:
        """How many calls run now, by provider."""
        return self._in_flight

    def leave(self, provider: str) -> None:
        """Count one call less."""
        self._in_flight[provider] -= 1

    def reachable(self, model: Model, dialect: Dialect, offer: Offer, *, unlimited: bool) -> Sequence[Upstream]:
        """Find the model's upstreams that clients of a dialect can be served by; none where none is set up at all.

        Raises `InvalidRequest` where some are, but no dialect of theirs can be reached.
        """
        upstreams = offer.upstreams_of(model, unlimited=unlimited)
        reaches, providers = self._lanes.reaches, offer.providers
        reachable = [upstream for upstream in upstreams if reaches(dialect.name, providers[upstream.provider])]
        if upstreams and not reachable:
            raise InvalidRequest(
                f"{model.id} can't be called on this route on this server: none of its providers speaks it.",
                code="route_not_supported",
                param="model",
            )
        return reachable

    async def send(self, exchange: Exchange) -> Attempt:
        """Send to an upstream and wait for a head that says success.

        Raises the `GatewayError` that the client is to see: for a failed call, for an HTTP error,
        `ProviderUnavailable` where no upstream has room now.
        """
        upstream = self._choose(exchange)
        trace = exchange.trace
        trace.provider, trace.upstream_model = upstream.provider, upstream.model
        trace.attempts += 1
        exchange.settlement.upstream = upstream
        provider = exchange.offer.providers[upstream.provider]
        lane = self._lanes.build(exchange, upstream, provider)
        if lane.dropped:
            trace.dropped, trace.lane = lane.dropped, (exchange.dialect.name, lane.upstream_dialect)
            exchange.sink.add_headers(((b"x-gateway-dropped", dropped_header(lane.dropped)),))
        is_raw = lane.upstream_dialect == exchange.dialect.name
        call = provider.call(
            ProviderCall(
                dialect=lane.upstream_dialect,
                model=upstream.model,
                body=lane.body,
                streamed=exchange.request.streamed,
                headers=exchange.headers if is_raw else (),
            )
        )
        self._in_flight[upstream.provider] = self._in_flight.get(upstream.provider, 0) + 1
        trace.begin_wait()
        try:
            reply = await self._client.send(call)
        except UpstreamFailed as failed:
            self.leave(upstream.provider)
            raise from_transport(failed, trace) from failed
        except BaseException:
            self.leave(upstream.provider)
            raise
        attempt = Attempt(reply, lane, upstream, self)
        if reply.status != HTTPStatus.OK:
            raise await self._refused(attempt, exchange)
        return attempt

    async def _refused(self, attempt: Attempt, exchange: Exchange) -> GatewayError:
        """Read what an upstream says in an HTTP error."""
        reply = attempt.reply
        try:
            body = await Body(reply).read_all(MAX_ERROR_BYTES)
        except (MalformedReply, UpstreamFailed):
            body = b""  # the status alone decides then
        finally:
            attempt.close()
        return from_complaint(parse_complaint(reply.status, body), reply, self._clock.wall(), exchange.trace)

    def _choose(self, exchange: Exchange) -> Upstream:
        providers = exchange.offer.providers

        def has_room(upstream: Upstream) -> bool:
            provider = providers[upstream.provider]
            if provider.readiness() is not Readiness.READY:
                return False
            return provider.max_concurrency == 0 or self._in_flight.get(provider.name, 0) < provider.max_concurrency

        chosen = choose(exchange.upstreams, has_room, random())  # noqa: S311 - load spreading, no secret
        if chosen is None:
            raise provider_busy(exchange.model.id)
        return chosen


def dropped_header(dropped: Sequence[str]) -> bytes:
    """Name what translation left out; names come from the client, so only plain ones and not too many."""
    plain = [name for name in dropped if _FIELD.fullmatch(name)]
    return ",".join(plain[:MAX_DROPPED]).encode()
