"""`GET /v1/models/full` and `/v1/models/leaderboard`: what catalogue pages read."""

from dataclasses import dataclass
from hashlib import sha256

from freetheai_gateway.clock import Clock, rfc3339, utc_day
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.health import prefix_of
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.catalogue_view import describe_catalogue, stamp, viewer_of
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import UsageStore
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.query import read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

MAX_VIEWS = 64
"""Rendered catalogues that are kept: one per tier and state of health is what comes up."""
_CACHE_CONTROL = (b"cache-control", b"private, max-age=30")
_VARY = (b"vary", b"authorization, x-api-key")

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
_WINDOWS = ("24h", "30d", "all")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class _View:
    """A catalogue as it was rendered once; `etag` is made of everything but the time."""

    etag: bytes
    body: bytes


class CatalogueRoutes:
    """Answers with a key, or without one where the configuration says so."""

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        observer: Observer,
        lanes: LaneBuilder,
        *,
        usage: UsageStore,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._authenticator = authenticator
        self._observer = observer
        self._lanes = lanes
        self._usage = usage
        self._clock = clock
        self._views: dict[bytes, _View] = {}

    async def full(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/models/full`, or 304 where the client has it already."""
        account = await self._account(request, response)
        offer = self._directory.offer
        prefixes = list(dict.fromkeys(prefix_of(model_id) for model_id in offer.catalogue.models))
        statuses = self._observer.statuses(prefixes)
        content = describe_catalogue(
            offer, viewer_of(account, offer, self._clock.wall()), statuses, self._lanes.reaches
        )
        view = self._render(content)
        headers = (JSON, (b"etag", view.etag), _CACHE_CONTROL, _VARY)
        known = {tag.strip().removeprefix(b"W/") for tag in request.header(b"if-none-match").split(b",")}
        if known & {view.etag, b"*"}:
            await response.send_empty(304, headers[1:])
        else:
            await response.send_whole(200, headers, view.body)

    async def leaderboard(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/models/leaderboard?limit=1..100&window=24h|30d|all`."""
        await self._account(request, response)
        limit, window = _parse_query(request.query)
        now = self._clock.wall()
        if window == "24h":
            ranked = await self._usage.leaderboard_since(now - _DAY_S, limit)
        else:
            since_day = utc_day(now - 29 * _DAY_S) if window == "30d" else None
            ranked = await self._usage.leaderboard(since_day, limit)
        known = self._directory.offer.catalogue.models
        rows = [row for row in ranked if row.model in known]
        body = {
            "object": "list",
            "window": window,
            "generated_at": rfc3339(now),
            "data": [
                {"rank": rank, "alias_model": row.model, "total_requests": row.requests}
                for rank, row in enumerate(rows, start=1)
            ],
        }
        await response.send_whole(200, (JSON, (b"cache-control", b"private, max-age=60")), encode(body))

    async def _account(self, request: Request, response: Response) -> Account | None:
        key = presented_key(request.headers)
        if key is None and self._directory.offer.public_catalog:
            return None
        response.trace.caller = await self._authenticator.caller(key, request.sender)
        return response.trace.caller.account

    def _render(self, content: dict[str, object]) -> _View:
        digest = sha256(encode(content)).digest()
        view = self._views.get(digest)
        if view is None:
            if len(self._views) >= MAX_VIEWS:
                del self._views[next(iter(self._views))]
            body = encode(stamp(content, "model_catalog", self._clock.wall()))
            view = self._views[digest] = _View(b'"' + digest[:12].hex().encode() + b'"', body)
        return view


def _parse_query(query: bytes) -> tuple[int, str]:
    fields = read_fields(query)
    window = fields.get("window", "30d")
    if window not in _WINDOWS:
        raise InvalidRequest(f"window must be one of {', '.join(_WINDOWS)}.", param="window")
    text = fields.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MAX_LIMIT and len(text) <= 3):
        raise InvalidRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}.", param="limit")
    return int(text), window
