"""`/`, `/privacy` and `/llms.txt`: what this is, what it keeps, and both for programs that read."""

from dataclasses import dataclass

from freetheai_gateway.clock import Clock, utc_day
from freetheai_gateway.log import get_log
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.ports import ModelRequests, StoreUnavailable, UsageStore
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.pages.guides import read_guides
from freetheai_gateway.web.pages.samples import SAMPLES, filling_for
from freetheai_gateway.web.pages.status import HealthFacts, read_facts
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_DAY_S = 86_400
_MOST_USED = 5
_LOG = get_log("pages")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the settings say about what is kept, for the privacy page."""

    raw_days: float
    rollup_days: float
    image_keep_s: float

    @property
    def raw(self) -> str:
        """How long a line per request is kept."""
        return in_words(self.raw_days * _DAY_S)

    @property
    def rollup(self) -> str:
        """How long sums per day are kept."""
        return in_words(self.rollup_days * _DAY_S)

    @property
    def image_keep(self) -> str:
        """How long a stored image is kept."""
        return in_words(self.image_keep_s)


class SitePages:
    """What a stranger reads first."""

    def __init__(
        self,
        frame: Frame,
        directory: Directory,
        facts: HealthFacts,
        *,
        usage: UsageStore,
        clock: Clock,
        promise: Promise,
    ) -> None:
        self._frame = frame
        self._directory = directory
        self._facts = facts
        self._usage = usage
        self._clock = clock
        self._promise = promise

    async def home(self, request: Request, response: Response) -> None:
        """Answer `GET /` for a browser."""
        offer = self._directory.offer
        filling = filling_for(offer.site.public_url, offer.catalogue)
        values = {
            "filling": filling,
            "samples": [SAMPLES[name] for name in ("chat-curl", "chat-python", "chat-javascript")],
            "facts": await read_facts(self._facts),
            "most_used": await self._most_used(),
            "guides": list(read_guides().values()),
        }
        await self._frame.send(request, response, "home.html", values)

    async def privacy(self, request: Request, response: Response) -> None:
        """Answer `GET /privacy`, out of the settings."""
        await self._frame.send(request, response, "privacy.html", {"promise": self._promise})

    async def llms_text(self, request: Request, response: Response) -> None:
        """Answer `GET /llms.txt`: the same in plain words, for programs that read on behalf of people."""
        offer = self._directory.offer
        values = {
            "filling": filling_for(offer.site.public_url, offer.catalogue),
            "models": [model for model in offer.catalogue.models.values() if not model.retired],
            "tiers": offer.catalogue.tiers,
            "guides": list(read_guides().values()),
            "promise": self._promise,
        }
        body = self._frame.render("llms.txt", values)
        await self._frame.send_text(request, response, body, headers=(_TEXT, (b"x-content-type-options", b"nosniff")))

    async def _most_used(self) -> list[ModelRequests]:
        since = utc_day(self._clock.wall() - 29 * _DAY_S)
        try:
            ranked = await self._usage.leaderboard(since, _MOST_USED)
        except StoreUnavailable as error:
            _LOG.warning("leaderboard_not_read", error=type(error).__name__)  # the page is shown without it
            return []
        known = self._directory.offer.catalogue.models
        return [row for row in ranked if row.model in known]


def in_words(seconds: float) -> str:
    """Say a duration as people do: `1 hour`, `30 days`, `90 seconds`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{seconds:g} seconds"
