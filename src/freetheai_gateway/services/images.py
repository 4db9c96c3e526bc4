"""One request for pictures, from what the client sent to what it gets.

find    the model, whether it does what is asked, and the providers it can be had from
admit   account, tier, limits: as for every other request
make    one provider after the other; a call that may have been executed is not sent again, because it costs money
settle  the record is written and the slot freed, then the pictures go
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec.structs import replace

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.openai_images import (
    ImageRequest,
    PictureRules,
    read_picture,
    render_completed,
    render_images,
    render_partial,
)
from freetheai_gateway.dialects.openai_limits import OPENAI_LIMIT_HEADERS
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.domain.images import Made, Operation, Order, Picture
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.domain.usage import cost_micro_usd
from freetheai_gateway.errors import GatewayError, InvalidRequest
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.attempts import Asker, Course
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.dispatch import DROPPED, dropped_header, goes_on
from freetheai_gateway.services.held_pictures import HeldPictures, Holding
from freetheai_gateway.services.image_ports import Ask, ImageMaker, OnPartial, PictureFetcher, PictureVault
from freetheai_gateway.services.limit_headers import limit_lines
from freetheai_gateway.services.picture_answers import send_end, send_part, send_reply
from freetheai_gateway.services.ports import Ledger, Sink
from freetheai_gateway.services.provider_errors import provider_timed_out
from freetheai_gateway.services.settle import Settlement
from freetheai_gateway.services.trace import Trace

_KEEPALIVE = b": working\n\n"


class ImagePolicy(msgspec.Struct, frozen=True):
    """What holds for every request: bounds of inputs, and seconds until a call must have ended."""

    rules: PictureRules
    deadline_s: float


class Commission(msgspec.Struct, frozen=True):
    """A request that was admitted; its slot is held until `settlement` is settled."""

    request: ImageRequest
    model: Model
    upstreams: Sequence[Upstream]
    offer: Offer
    trace: Trace
    settlement: Settlement
    limit_lines: bytes
    identity: bytes
    """Tells this request from others; no text of it."""


class Images:
    """Serves the image routes."""

    def __init__(
        self,
        directory: Directory,
        admission: Admission,
        ledger: Ledger,
        clock: Clock,
        *,
        policy: ImagePolicy,
        vault: PictureVault,
        fetcher: PictureFetcher | None = None,
        held: HeldPictures | None = None,
    ) -> None:
        self._directory = directory
        self._admission = admission
        self._ledger = ledger
        self._clock = clock
        self._vault = vault
        self._fetcher = fetcher
        self.policy = policy
        self.held = held or HeldPictures()
        """What results take in this process."""

    async def admit(self, request: ImageRequest, caller: Caller, trace: Trace, size_bytes: int) -> Commission:
        """Check a request and take a slot for it. Raises `InvalidRequest`, `AccessDenied`, `LimitExceeded` and kin."""
        trace.streamed = request.streamed
        offer = self._directory.offer
        model = offer.find_model(request.model, ModelKind.IMAGE)
        trace.model = model.id
        _check_operation(model, request.order, offer)
        is_set_up = offer.is_set_up(model, unlimited=caller.account.unlimited)
        lease = await self._admission.admit(
            caller, model, offer, OPENAI_LIMIT_HEADERS, is_set_up=is_set_up, images=request.order.count
        )
        settlement = Settlement(lease, self._ledger, trace, size_bytes)
        now = trace.started_wall + trace.elapsed_s()
        return Commission(
            request=request,
            model=model,
            upstreams=offer.upstreams_of(model, unlimited=caller.account.unlimited),
            offer=offer,
            trace=trace,
            settlement=settlement,
            limit_lines=limit_lines(lease.standings, OPENAI_LIMIT_HEADERS, now),
            identity=trace.request_id.encode(),
        )

    async def answer(self, commission: Commission, sink: Sink) -> None:
        """Make the pictures and send them. Raises the `GatewayError` that the client is to see."""
        sink.add_lines(commission.limit_lines)
        with self.held.open() as holding:
            work = self._stream if commission.request.streamed else self._send
            await settled(commission.settlement, lambda: work(commission, sink, holding), sink.interruption)

    async def make(self, commission: Commission, holding: Holding, on_partial: OnPartial | None = None) -> Made:
        """Make the pictures within the deadline; `holding` is the caller's to close.

        Raises the `GatewayError` that the client is to see.
        """
        trace = commission.trace
        trace.begin_wait()
        try:
            async with asyncio.timeout(self.policy.deadline_s):
                order = await self._with_links(commission.request)
                made = await self._ask_around(commission, order, holding, on_partial)
        except TimeoutError:
            trace.outcome = "total_timeout"
            raise provider_timed_out(trace) from None
        finally:
            trace.end_wait()
        trace.mark_first_token()
        trace.images = len(made.pictures)
        commission.settlement.note_usage(made.usage, delivered=True, output_tokens=0)
        return replace(made, adjusted=(*commission.request.order.adjusted, *made.adjusted))

    async def keep(self, picture: Picture) -> str:
        """Keep a picture under an address that needs no key; gives the address."""
        return await self._vault.address(await self._vault.keep(picture))

    async def _send(self, commission: Commission, sink: Sink, holding: Holding) -> None:
        made = await self.make(commission, holding)
        urls = [await self.keep(each.picture) for each in made.pictures] if wants_urls(commission, made) else []
        body = render_images(made, commission.model.id, int(commission.trace.started_wall), urls)
        if made.adjusted:
            sink.add_headers(((DROPPED, dropped_header(made.adjusted)),))
        await send_reply(sink, body, self.held, commission.settlement.succeed)

    async def _stream(self, commission: Commission, sink: Sink, holding: Holding) -> None:
        operation, created = commission.request.order.operation, int(commission.trace.started_wall)

        async def on_partial(picture: Picture, index: int) -> None:
            await send_part(sink, render_partial(picture, index, operation, created), self.held)

        sink.keep_alive(_KEEPALIVE)
        made = await self.make(commission, holding, on_partial)
        await send_end(sink, render_completed(made, operation, created), self.held, commission.settlement.succeed)

    async def _with_links(self, request: ImageRequest) -> Order:
        """Fetch the inputs that the client only points at; those that came as bytes stand before them."""
        order = request.order
        for link in request.links:
            if self._fetcher is None:
                raise InvalidRequest(
                    f"{link.param} is an address, and this server fetches none; send the picture as a data URL.",
                    code="image_url_not_supported",
                    param=link.param,
                )
            picture = read_picture(await self._fetcher.fetch(link.url, link.param), self.policy.rules, link.param)
            order = order.with_picture(picture)
        return order

    async def _ask_around(
        self, commission: Commission, order: Order, holding: Holding, on_partial: OnPartial | None
    ) -> Made:
        """Ask one provider after the other, as `docs/failover.md` says for calls that cost money."""
        trace, caller = commission.trace, commission.trace.caller
        assert caller is not None
        asker = Asker(caller.account.id, commission.model.id, commission.identity, repeatable=False)
        course = Course(asker, commission.upstreams, commission.offer, self._clock)
        while True:
            place = course.take()
            if place.is_try:
                place = await course.confirm(place)
            try:
                if place.repeats:
                    await asyncio.sleep(course.pause_s())
                ask = self._ask(place, commission, order)
                made = await self._maker(place, commission).make(replace(ask, on_partial=on_partial, held=holding))
                place.succeeded()
            except GatewayError as error:
                failure = error
            else:
                self._charge(place, made)
                return made
            finally:
                place.leave()
            try:
                if not goes_on(course, place, trace):
                    raise failure
            finally:
                del failure  # it knows this frame

    def _ask(self, place: Place, commission: Commission, order: Order) -> Ask:
        """Begin a call of a provider."""
        trace, upstream = commission.trace, place.seat.upstream
        trace.mishap = None
        edits = order.operation is Operation.EDIT
        model = upstream.edit_model if edits and upstream.edit_model else upstream.model
        trace.provider, trace.upstream_model = upstream.provider, model
        trace.attempts += 1
        commission.settlement.upstream = upstream
        return Ask(order, model, place.key.index, trace)

    def _maker(self, place: Place, commission: Commission) -> ImageMaker:
        return commission.offer.image_makers[place.seat.upstream.provider]

    def _charge(self, place: Place, made: Made) -> None:
        if place.seat.provider.counts:
            usage = made.usage
            place.charge(
                usage.input_tokens + usage.output_tokens,
                cost_micro_usd(usage, place.seat.upstream.price, len(made.pictures)),
                self._clock.monotonic(),
                self._clock.wall(),
            )


def wants_urls(commission: Commission, made: Made) -> bool:
    """Whether the client gets addresses: it asked for them, and the model is none that never gives any."""
    return commission.request.wants_url and "response_format" not in made.adjusted


async def settled(
    settlement: Settlement, work: Callable[[], Awaitable[None]], interruption: Callable[[], GatewayError]
) -> None:
    """Do the work of an admitted request; however it ends, it is settled."""
    try:
        await work()
    except GatewayError as error:
        settlement.fail(error)
        raise
    except asyncio.CancelledError:
        settlement.fail(interruption())
        raise
    finally:
        settlement.abandon()


def _check_operation(model: Model, order: Order, offer: Offer) -> None:
    if order.operation not in model.features:
        can = _able(offer, order.operation)
        what = "edit" if order.operation is Operation.EDIT else "generate"
        raise InvalidRequest(
            f"{model.id} does not {what} images. Models that do: {can}.", code="route_not_supported", param="model"
        )
    if order.mask is not None and "mask" not in model.features:
        raise InvalidRequest(
            f"{model.id} takes no mask. Models that do: {_able(offer, 'mask')}.",
            code="mask_not_supported",
            param="mask",
        )


def _able(offer: Offer, feature: str) -> str:
    models = offer.catalogue.models.values()
    return ", ".join(each.id for each in models if feature in each.features and not each.retired) or "none here"
