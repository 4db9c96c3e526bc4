"""Sending an admitted request to the upstreams of its model, until one answers or nothing is left to try."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.lanes import Lane
from freetheai_gateway.dialects.openai_images import PictureRules
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.domain.usage import cost_micro_usd
from freetheai_gateway.errors import GatewayError, InvalidRequest
from freetheai_gateway.services.attempts import Asker, Course
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.image_inputs import EVERYTHING, ImageInputs
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.ports import Provider, ProviderCall, UpstreamClient, UpstreamFailed, UpstreamReply
from freetheai_gateway.services.provider_errors import from_refusal, from_transport
from freetheai_gateway.services.trace import Trace

MAX_DROPPED = 30
_OK = HTTPStatus.OK
DROPPED = b"x-gateway-dropped"
_AS_GOOD = frozenset({HTTPStatus.CREATED, HTTPStatus.NON_AUTHORITATIVE_INFORMATION})
"""Statuses of replies, too: some servers answer a POST with 201, and proxies that changed something with 203."""
_FIELD = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,60}")


class Attempt:
    """A call that was answered with success, to be relayed."""

    __slots__ = ("_clock", "_place", "begun", "lane", "reply")

    def __init__(self, reply: UpstreamReply, lane: Lane, place: Place, clock: Clock) -> None:
        self.reply = reply
        self.lane = lane
        self.begun = False
        """Whether something of the reply went to the client: from then on no other upstream can take over."""
        self._place = place
        self._clock = clock

    def content_came(self) -> None:
        """Note the first content."""
        self.reply.content_came()
        self._place.came_alive(self._clock.monotonic())

    def all_came(self) -> None:
        """Note a whole reply; for its first content nobody set a deadline."""
        self.begun = True
        self._place.came_alive(self._clock.monotonic())


Relay = Callable[[Attempt, Exchange], Awaitable[None]]


class Dispatcher:
    """Finds upstreams for requests, and answers them by one of these."""

    def __init__(
        self, client: UpstreamClient, lanes: LaneBuilder, clock: Clock, inputs: ImageInputs | None = None
    ) -> None:
        self._client = client
        self._lanes = lanes
        self._clock = clock
        self._inputs = inputs or ImageInputs(PictureRules())

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

    async def answer(self, exchange: Exchange, relay: Relay) -> None:
        """Send to one upstream after the other and relay the first good reply, as `docs/failover.md` says.

        Raises the `GatewayError` that the client is to see: of the last call that failed, or `ProviderUnavailable`
        where no upstream may be called now.
        """
        trace = exchange.trace
        caller = trace.caller
        assert caller is not None
        asker = Asker(caller.account.id, exchange.model.id, exchange.body, exchange.request.fields)
        course = Course(asker, exchange.upstreams, exchange.offer, self._clock)
        while True:
            place = course.take()
            if place.is_try:
                place = await course.confirm(place)
            attempt: Attempt | None = None
            try:
                if place.repeats:
                    await asyncio.sleep(course.pause_s())
                upstream = place.seat.upstream
                provider = exchange.offer.providers[upstream.provider]
                _begin(upstream, exchange)
                if provider.fetches != EVERYTHING:
                    exchange = await self._inputs.fit(exchange, provider.fetches)
                lane = self._lane(upstream, provider, exchange)
                if isinstance(lane, GatewayError):
                    failure = lane
                else:
                    attempt = await self._send(place, lane, exchange)
                    try:
                        await relay(attempt, exchange)
                    finally:
                        attempt.reply.close()
                    place.succeeded()
                    return
            except GatewayError as error:
                failure = error
            finally:
                self._charge(place, trace)
                place.leave()
            try:
                if not goes_on(course, place, trace, begun=attempt is not None and attempt.begun):
                    raise failure
            finally:
                del failure  # it knows this frame: kept here, both would wait for the garbage collector

    def _lane(self, upstream: Upstream, provider: Provider, exchange: Exchange) -> Lane | GatewayError:
        """Render the request for one upstream, or say why it can't be said there."""
        trace = exchange.trace
        try:
            lane = self._lanes.build(exchange, upstream, provider)
        except InvalidRequest as refusal:
            return refusal
        if trace.dropped:
            exchange.sink.drop_header(DROPPED)
            trace.dropped = ()
        if lane.dropped:
            trace.dropped, trace.lane = lane.dropped, (exchange.dialect.name, lane.upstream_dialect)
            exchange.sink.add_headers(((DROPPED, dropped_header(lane.dropped)),))
        return lane

    async def _send(self, place: Place, lane: Lane, exchange: Exchange) -> Attempt:
        """Call the upstream and wait for a head that says success. Raises what the client is to see otherwise."""
        trace, upstream = exchange.trace, place.seat.upstream
        is_raw = lane.upstream_dialect == exchange.dialect.name
        call = exchange.offer.providers[upstream.provider].call(
            ProviderCall(
                dialect=lane.upstream_dialect,
                model=upstream.model,
                body=lane.body,
                streamed=exchange.request.streamed,
                headers=exchange.headers if is_raw else (),
            ),
            place.key.index,
        )
        trace.attempts += 1
        trace.begin_wait()
        try:
            reply = await self._client.send(call)
        except UpstreamFailed as failed:
            raise from_transport(failed, trace) from failed
        if reply.status != _OK and reply.status not in _AS_GOOD:
            raise await from_refusal(reply, self._clock, trace)
        return Attempt(reply, lane, place, self._clock)

    def _charge(self, place: Place, trace: Trace) -> None:
        """Count what the reply used where its key or its provider has a limit."""
        if place.seat.provider.counts:
            usage = trace.usage
            place.charge(
                usage.input_tokens + usage.output_tokens,
                cost_micro_usd(usage, place.seat.upstream.price),
                self._clock.monotonic(),
                self._clock.wall(),
            )


def _begin(upstream: Upstream, exchange: Exchange) -> None:
    """Note which upstream is asked now."""
    trace = exchange.trace
    trace.mishap = None
    trace.provider, trace.upstream_model = upstream.provider, upstream.model
    exchange.settlement.upstream = upstream


def goes_on(course: Course, place: Place, trace: Trace, *, begun: bool = False) -> bool:
    """Take in a failure; returns whether another call follows, else the client is to see it."""
    mishap = trace.mishap
    if mishap is None:
        return course.skip(place)
    if not course.fail(place, mishap, begun=begun):
        return False
    trace.failed_attempts = (*trace.failed_attempts, (trace.provider, trace.outcome))
    trace.outcome = ""
    return True


def dropped_header(dropped: Sequence[str]) -> bytes:
    """Name what translation left out; names come from the client, so only plain ones and not too many."""
    plain = [name for name in dropped if _FIELD.fullmatch(name)]
    return ",".join(plain[:MAX_DROPPED]).encode()
