"""/generate: a picture for a member of the server, by the same way as a request of the API.

Admission, limits, failover and records are those of `services/images.py`; the account is the member's, the key the one
in force.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.openai_images import find_picture, parse_request, read_picture
from freetheai_gateway.domain.accounts import Account, Caller
from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.domain.images import Operation, Picture
from freetheai_gateway.errors import GatewayError, ProviderError, ProviderUnavailable
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.images import Commission, Images, settled
from freetheai_gateway.services.trace import Trace

_ROUTES = {Operation.GENERATE: "/v1/images/generations", Operation.EDIT: "/v1/images/edits"}
"""Records and metrics name the route that does the same over HTTP."""
_PARAM = "reference"

Observe = Callable[[Trace], None]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a member attached, as the signed payload describes it."""

    url: str = field(repr=False)
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member asks for. Empty `model` and `size` leave the choice to the gateway."""

    prompt: str = field(repr=False)
    model: str = ""
    size: str = ""
    reference: Attachment | None = None

    @property
    def operation(self) -> Operation:
        """Whether a picture is made anew or from another."""
        return Operation.GENERATE if self.reference is None else Operation.EDIT


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and who made it."""

    picture: Picture
    model: str


class AttachmentFetcher(Protocol):
    """Fetches what members attach."""

    async def fetch(self, attachment: Attachment, most_bytes: int) -> bytes:
        """Fetch the bytes. Raises `InvalidRequest`, `RequestTooLarge`."""
        ...


class PictureDesk:
    """Draws for members. Raises the `GatewayError` that a client of the API would see."""

    def __init__(
        self, images: Images, directory: Directory, fetcher: AttachmentFetcher, clock: Clock, observe: Observe
    ) -> None:
        self._images = images
        self._directory = directory
        self._fetcher = fetcher
        self._clock = clock
        self._observe = observe

    def models(self, account: Account | None = None, operation: Operation = Operation.GENERATE) -> list[Model]:
        """List the image models that are set up and do this; with an account those that its tier opens."""
        offer = self._directory.offer
        return [
            model
            for model in offer.catalogue.models.values()
            if model.kind is ModelKind.IMAGE and not model.retired and operation in model.features
            if offer.is_set_up(model, unlimited=account is not None and account.unlimited)
            if account is None or account.unlimited or offer.tier_of(account).level >= model.tier_level
        ]

    async def draw(self, wish: Wish, caller: Caller) -> Drawn:
        """Draw one picture."""
        trace = Trace(new_request_id(), _ROUTES[wish.operation], self._clock)
        trace.caller = caller
        try:
            return await self._draw(wish, caller, trace)
        except GatewayError as error:
            trace.status, trace.code = trace.status or error.status, trace.code or error.code
            raise
        finally:
            trace.end()
            self._observe(trace)

    async def _draw(self, wish: Wish, caller: Caller, trace: Trace) -> Drawn:
        body = encode({"model": wish.model or self._default(wish, caller), "prompt": wish.prompt, "size": wish.size})
        request = parse_request(body, "application/json", Operation.GENERATE, self._images.policy.rules)
        request = msgspec.structs.replace(request, order=replace(request.order, operation=wish.operation))
        commission = await self._images.admit(request, caller, trace, len(body))
        drawn: list[Drawn] = []

        async def work() -> None:
            drawn.append(await self._work(wish, commission))

        await settled(commission.settlement, work, _stopped)
        return drawn[0]

    async def _work(self, wish: Wish, commission: Commission) -> Drawn:
        if wish.reference is not None:
            rules = self._images.policy.rules
            data = await self._fetcher.fetch(wish.reference, rules.max_bytes)
            order = commission.request.order.with_picture(read_picture(data, rules, _PARAM))
            commission = msgspec.structs.replace(
                commission, request=msgspec.structs.replace(commission.request, order=order)
            )
        with self._images.held.open() as holding:
            made = await self._images.make(commission, holding)
        picture = find_picture(made.pictures[0].picture.data)
        if picture is None:
            raise ProviderError("The provider gave no picture.")
        commission.settlement.succeed()
        return Drawn(picture, commission.model.id)

    def _default(self, wish: Wish, caller: Caller) -> str:
        """Choose the first model that this account can call now, else the first of all, whose refusal says why."""
        offer: Offer = self._directory.offer
        for model in self.models(caller.account, wish.operation) or self.models(None, wish.operation):
            return model.id
        raise ProviderUnavailable(
            f"{offer.site.name} has no model for this.", code="not_configured", retry_is_useless=True
        )


def _stopped() -> GatewayError:
    return ProviderUnavailable(
        "The server was restarted before the picture was done; ask again.", code="restarting", retry_after_s=2
    )
