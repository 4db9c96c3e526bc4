"""`/models`: the catalogue for people. Filters, order and page stand in the address, so that a search can be shared."""

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.health import Status
from freetheai_gateway.errors import NotFound
from freetheai_gateway.services.catalogue_search import SORTS, CatalogueRows, Row, read_query
from freetheai_gateway.services.catalogue_view import Viewer, access_of, viewer_of
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.pages.samples import SAMPLES, Sample, filling_for
from freetheai_gateway.web.query import MAX_PAGE_FIELDS, read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

CONTEXTS = (8_000, 32_000, 128_000, 200_000, 1_000_000)
"""Choices of the smallest context window."""


class CataloguePages:
    """Shows the catalogue through the eyes of someone without a key, or of the account that is signed in."""

    def __init__(
        self, frame: Frame, directory: Directory, observer: Observer, lanes: LaneBuilder, clock: Clock
    ) -> None:
        self._frame = frame
        self._directory = directory
        self._observer = observer
        self._lanes = lanes
        self._clock = clock
        self._rows_of: tuple[Offer, CatalogueRows] | None = None

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /models`; with `?part=results` only the list, which the page fetches while one types."""
        fields = read_fields(request.query, MAX_PAGE_FIELDS)
        offer, rows = self._rows()
        query, viewer = read_query(fields), self._viewer(None, offer)
        found = rows.search(query, viewer)
        statuses = self._observer.statuses(list({row.prefix for row in found.rows}))
        values = {
            "query": query,
            "found": found,
            "choices": rows.choices,
            "tiers": offer.catalogue.tiers,
            "contexts": CONTEXTS,
            "sorts": SORTS,
            "viewer": viewer,
            "whole": len(rows.rows),
            "access": {row.model.id: access_of(row.model, offer, viewer) for row in found.rows},
            "statuses": {prefix: status.value for prefix, status in statuses.items()},
        }
        template = "models_results.html" if fields.get("part") == "results" else "models.html"
        await self._frame.send(request, response, template, values)

    async def detail(self, request: Request, response: Response) -> None:
        """Answer `GET /models/{id}`. Raises `NotFound` with what may have been meant."""
        offer, rows = self._rows()
        row = rows.by_id.get(request.params["id"])
        if row is None:
            near = offer.catalogue.near(request.params["id"])
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise NotFound(f"There is no such model.{meant}", code="model_not_found")
        viewer = self._viewer(None, offer)
        model = row.model
        values = {
            "row": row,
            "status": self._observer.statuses([row.prefix]).get(row.prefix, Status.UNKNOWN).value,
            "access": access_of(model, offer, viewer),
            "viewer": viewer,
            "samples": _samples_for(row),
            "filling": filling_for(offer.site.public_url, offer.catalogue, model.id),
        }
        await self._frame.send(request, response, "model.html", values)

    def _rows(self) -> tuple[Offer, CatalogueRows]:
        offer = self._directory.offer
        if self._rows_of is None or self._rows_of[0] is not offer:
            self._rows_of = offer, CatalogueRows(offer, self._lanes.reaches)
        return self._rows_of

    def _viewer(self, account: Account | None, offer: Offer) -> Viewer:
        return viewer_of(account, offer, self._clock.wall())


_SAMPLES_BY_ROUTE = {
    "/v1/chat/completions": ("chat-curl", "chat-python", "chat-javascript"),
    "/v1/messages": ("messages-curl", "messages-python"),
    "/v1/responses": ("responses-python",),
    "/v1/images/generations": ("generate-curl", "generate-python"),
    "/v1/images/edits": ("edit-curl",),
}


def _samples_for(row: Row) -> dict[str, list[Sample]]:
    """Give the samples of a model by the route that they call."""
    if row.model.retired:
        return {}
    return {
        route: [SAMPLES[name] for name in _SAMPLES_BY_ROUTE[route]]
        for route in row.routes
        if route in _SAMPLES_BY_ROUTE
    }
