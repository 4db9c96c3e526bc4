"""`/docs`, `/docs/reference` and `/setup`: the API for people, with this instance's address and the reader's model."""

from freetheai_gateway.errors import NotFound
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.web.openapi.document import build
from freetheai_gateway.web.openapi.route import instance_of
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.pages.guides import read_guides
from freetheai_gateway.web.pages.reference import Operation, read_operations
from freetheai_gateway.web.pages.samples import SAMPLES, Filling, filling_for
from freetheai_gateway.web.query import MAX_PAGE_FIELDS, read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response


class DocumentPages:
    """What a developer reads."""

    def __init__(self, frame: Frame, directory: Directory) -> None:
        self._frame = frame
        self._directory = directory
        self._reference_of: Offer | None = None
        self._operations: list[Operation] = []

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /docs?model=…`."""
        offer = self._directory.offer
        values = {
            "filling": self._filling(request),
            "samples": SAMPLES,
            "chat_models": _chat_models(offer),
            "image_models": [model for model in offer.catalogue.models.values() if model.kind == "image"],
            "tiers": offer.catalogue.tiers,
            "families": offer.catalogue.families,
        }
        await self._frame.send(request, response, "docs.html", values)

    async def reference(self, request: Request, response: Response) -> None:
        """Answer `GET /docs/reference`: every operation of `/openapi.json`, laid out for reading."""
        offer = self._directory.offer
        if offer is not self._reference_of:
            self._operations, self._reference_of = read_operations(build(instance_of(offer))), offer
        await self._frame.send(request, response, "reference.html", {"operations": self._operations})

    async def guides(self, request: Request, response: Response) -> None:
        """Answer `GET /setup`."""
        await self._frame.send(request, response, "setup.html", {"guides": list(read_guides().values())})

    async def guide(self, request: Request, response: Response) -> None:
        """Answer `GET /setup/{client}`. Raises `NotFound`."""
        guide = read_guides().get(request.params["client"])
        if guide is None:
            raise NotFound("There is no guide for this client. See /setup for those that there are.")
        values = {
            "guide": guide,
            "filling": self._filling(request),
            "samples": guide.samples(),
            "names_a_model": any("{MODEL}" in step.text for step in guide.steps),
            "chat_models": _chat_models(self._directory.offer),
        }
        await self._frame.send(request, response, "guide.html", values)

    def _filling(self, request: Request) -> Filling:
        offer = self._directory.offer
        return filling_for(
            offer.site.public_url, offer.catalogue, read_fields(request.query, MAX_PAGE_FIELDS).get("model", "")
        )


_MOST_CHOICES = 200
"""Models that a list to choose from shows; the catalogue page has them all."""


def _chat_models(offer: Offer) -> list[str]:
    models = offer.catalogue.models.values()
    return [model.id for model in models if model.kind == "chat" and not model.retired][:_MOST_CHOICES]
