"""The 90 days of the status page: one bar per prefix, drawn so that it can be read without colour."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from freetheai_gateway.clock import Clock, utc_day
from freetheai_gateway.domain.health import PrefixDay, Status, Thresholds
from freetheai_gateway.log import get_log
from freetheai_gateway.services.ports import StoreUnavailable, UsageStore
from freetheai_gateway.web.pages.frame import show_day, show_number, show_percent

DAYS: Final = 90
READ_AT_MOST_EVERY_S: Final = 60.0
PATIENCE_S: Final = 2.0
"""How long a visitor waits for the database before the page is shown without what it would say."""
_DAY_S = 86_400
_HEIGHTS: Final[Mapping[str, int]] = {Status.UP: 32, Status.DEGRADED: 20, Status.DOWN: 10}
_LOG = get_log("pages")


@dataclass(frozen=True, slots=True)
class Stretch:
    """One day of a bar, or several in a row of which there is nothing to tell."""

    start: int
    """How many days after the first of the bar; the last one is today."""
    length: int
    status: str
    first_day: str
    last_day: str
    outcome: PrefixDay | None

    @property
    def height(self) -> int:
        """How high it stands, of 32: a day is told from others by this too, and not by its colour alone."""
        return _HEIGHTS.get(self.status, 3)

    @property
    def told(self) -> str:
        """What there is to tell of it, in words."""
        day, outcome = show_day(self.first_day), self.outcome
        if outcome is None:
            return f"{day}{f' to {show_day(self.last_day)}' if self.length > 1 else ''}: no requests"
        requests = show_number(outcome.requests)
        if not outcome.errors:
            return f"{day}: all {requests} requests answered"
        hours = outcome.down_hours
        down = f"; down for {hours} hour{'' if hours == 1 else 's'}" if hours else ""
        return f"{day}: {show_percent(outcome.errors / outcome.requests)} of {requests} requests failed{down}"


@dataclass(frozen=True, slots=True)
class Bar:
    """The last 90 UTC days of one prefix."""

    stretches: Sequence[Stretch]

    @property
    def answered(self) -> float | None:
        """The share of all requests that did not fail; `None` without requests."""
        outcomes = [each.outcome for each in self.stretches if each.outcome is not None]
        requests = sum(outcome.requests for outcome in outcomes)
        return sum(outcome.successes for outcome in outcomes) / requests if requests else None

    @property
    def troubled(self) -> Sequence[Stretch]:
        """The days that were not up, the latest first."""
        return [each for each in reversed(self.stretches) if each.status in {Status.DEGRADED, Status.DOWN}]


Bars = Mapping[str, Bar]


def draw(days: Sequence[PrefixDay], now: float, thresholds: Thresholds) -> Bars:
    """Order what is known of days into bars, by prefix."""
    by_prefix: dict[str, dict[str, PrefixDay]] = {}
    for day in days:
        by_prefix.setdefault(day.prefix, {})[day.day] = day
    names = [utc_day(now - age * _DAY_S) for age in range(DAYS - 1, -1, -1)]
    return {prefix: Bar(list(_stretches(names, known, thresholds))) for prefix, known in by_prefix.items()}


def _stretches(names: Sequence[str], known: Mapping[str, PrefixDay], thresholds: Thresholds) -> Iterator[Stretch]:
    start = 0
    while start < DAYS:
        outcome = known.get(names[start])
        end = start + 1
        while outcome is None and end < DAYS and names[end] not in known:
            end += 1
        status = "none" if outcome is None else outcome.status(thresholds).value
        yield Stretch(start, end - start, status, names[start], names[end - 1], outcome)
        start = end


class History:
    """Reads the bars for all visitors together, at most once a minute and by one reader at a time.

    A database that does not answer holds nobody up: a status page is looked at when things are unwell.
    """

    def __init__(
        self, usage: UsageStore, thresholds: Thresholds, clock: Clock, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._usage = usage
        self._thresholds = thresholds
        self._clock = clock
        self._patience_s = patience_s
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._bars: Bars | None = None

    async def bars(self) -> Bars | None:
        """Give the bars by prefix; `None` where they could never be read, the last ones where they can't be now."""
        if self._bars is not None and self._reading.locked():
            return self._bars
        async with self._reading:
            if self._clock.monotonic() - self._read_at >= READ_AT_MOST_EVERY_S:
                self._read_at = self._clock.monotonic()
                await self._read()
        return self._bars

    async def _read(self) -> None:
        now = self._clock.wall()
        midnight = now - now % _DAY_S
        try:
            async with asyncio.timeout(self._patience_s):
                days = await self._usage.prefix_days(midnight - (DAYS - 1) * _DAY_S, self._thresholds)
        except (StoreUnavailable, TimeoutError) as error:
            _LOG.warning("history_not_read", error=type(error).__name__)
            return
        self._bars = draw(days, now, self._thresholds)
