"""`/status`: how the service and each prefix of the catalogue do, out of the same facts as `/v1/health`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from freetheai_gateway.clock import Clock, rfc3339, utc_day
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.domain.health import Status
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.web.pages.frame import SECURITY, Frame
from freetheai_gateway.web.pages.history import DAYS, Bars, History
from freetheai_gateway.web.query import MAX_PAGE_FIELDS, read_fields
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

HealthFacts = Callable[[], Awaitable[bytes]]
"""Gives the body of `/v1/health`."""
_FEED = (b"content-type", b"application/atom+xml; charset=utf-8")
_FEED_ENTRIES = 50
_DAY_S = 86_400
_MOST_SHOWN = 40
"""Prefixes on the board; the others are found by name."""
_WORST_FIRST = (Status.DOWN, Status.DEGRADED, Status.UP, Status.UNKNOWN)


class Totals(msgspec.Struct, frozen=True):
    """Everything that was ever served."""

    total: int
    input: int
    output: int
    successful_requests: int


class Counts(msgspec.Struct, frozen=True):
    """`catalog` of the health answer."""

    model_count: int
    available_count: int


class Prefix(msgspec.Struct, frozen=True):
    """One prefix of the catalogue, over the last 30 and 60 minutes."""

    prefix: str
    status: str
    model_count: int
    requests_30m: int
    errors_30m: int
    error_rate_30m: float
    first_content_p50_ms_30m: int | None
    first_content_p95_ms_30m: int | None
    requests_60m: int
    errors_60m: int
    error_rate_60m: float
    first_content_p50_ms_60m: int | None
    first_content_p95_ms_60m: int | None
    last_success_at: str | None
    last_error_at: str | None


class Rule(msgspec.Struct, frozen=True):
    """`thresholds` of the health answer."""

    minimum_requests: int
    degraded_from: float
    down_from: float


class Facts(msgspec.Struct, frozen=True):
    """`GET /v1/health` (design section 5), as far as the pages show it."""

    status: str
    generated_at: str
    catalog: Counts
    total_tokens_served: Totals
    thresholds: Rule
    providers: tuple[Prefix, ...]


class Change(msgspec.Struct, frozen=True):
    """Something that happens to a model. `day` is a UTC day."""

    day: str
    model: Model
    what: str
    """`new`, `retiring` or `retired`."""


_decode: Decoder[Facts] = Decoder(Facts)


async def read_facts(facts: HealthFacts) -> Facts:
    """Read what the health route would answer now."""
    return _decode(await facts())


class StatusPages:
    """The board, its refreshed part, and the feed of models that come and go."""

    def __init__(self, frame: Frame, directory: Directory, facts: HealthFacts, history: History, clock: Clock) -> None:
        self._frame = frame
        self._directory = directory
        self._facts = facts
        self._history = history
        self._clock = clock
        self._drawn: tuple[Bars | None, dict[str, str]] = (None, {})

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /status`; with `?part=board` only what changes, which the page fetches again and again."""
        fields = read_fields(request.query, MAX_PAGE_FIELDS)
        wanted, state = fields.get("q", "").strip().lower()[:100], fields.get("state", "")
        state = state if state in _WORST_FIRST else ""
        facts = await read_facts(self._facts)
        found = [each for each in facts.providers if wanted in each.prefix.lower() and state in {"", each.status}]
        found.sort(key=lambda each: _WORST_FIRST.index(Status(each.status)))
        shown = found[:_MOST_SHOWN]
        bars = await self._history.bars()
        values = {
            "facts": facts,
            "found": found,
            "shown": shown,
            "bars": bars,
            "drawn": await self._draw(bars or {}, [each.prefix for each in shown]),
            "days": DAYS,
            "q": wanted,
            "state": state,
            "states": _WORST_FIRST,
            "changes": self._changes(),
        }
        template = "status_board.html" if fields.get("part") == "board" else "status.html"
        await self._frame.send(request, response, template, values)

    async def _draw(self, bars: Bars, prefixes: Sequence[str]) -> Mapping[str, str]:
        """Draw bars, each once for all visitors: one takes a millisecond, so that requests go between them."""
        known, drawn = self._drawn
        if known is not bars:
            drawn = {}
            self._drawn = bars, drawn
        for prefix in prefixes:
            if prefix in bars and prefix not in drawn:
                drawn[prefix] = self._frame.part(
                    "status_bar.html", {"prefix": prefix, "bar": bars[prefix], "days": DAYS}
                )
                await asyncio.sleep(0)
        return drawn

    async def feed(self, request: Request, response: Response) -> None:
        """Answer `GET /status/feed.xml`: new and retiring models (RFC 4287)."""
        values = {"changes": self._changes()[:_FEED_ENTRIES], "updated": rfc3339(self._clock.wall())}
        body = self._frame.render("feed.xml", values)
        await self._frame.send_text(request, response, body, headers=(_FEED, *SECURITY))

    def _changes(self) -> Sequence[Change]:
        return changes_of(list(self._directory.offer.catalogue.models.values()), self._clock.wall())


def changes_of(models: Sequence[Model], now: float) -> list[Change]:
    """List the models that came or went in the last 90 days or will go, the latest first."""
    today, oldest = utc_day(now), utc_day(now - DAYS * _DAY_S)
    came = [(utc_day(model.created), model) for model in models if model.created]
    goes = [model for model in models if model.retires_at or model.retired]
    changes = [Change(day, model, "new") for day, model in came if oldest <= day <= today]
    changes += [Change(model.retires_at or "", model, "retired" if model.retired else "retiring") for model in goes]
    recent = [change for change in changes if not change.day or change.day >= oldest]
    return sorted(recent, key=lambda change: (change.day, change.model.id), reverse=True)
