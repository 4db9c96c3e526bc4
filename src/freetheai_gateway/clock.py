"""The one place that tells the time, so that a test can tell it another.

Two clocks are kept apart: `monotonic()` measures durations and deadlines, `wall()` names instants.
"""

from datetime import UTC, datetime
from time import monotonic as _monotonic
from time import time as _time
from typing import Protocol

DAY_S = 86_400.0


class Clock(Protocol):
    """Seconds as floats; both never fail."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    monotonic = staticmethod(_monotonic)
    wall = staticmethod(_time)


def utc_day(wall_s: float) -> str:
    """Name the UTC day of an instant, as `2026-11-23`."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d")


def seconds_until_utc_midnight(wall_s: float) -> float:
    """Seconds left of the instant's UTC day; never 0, at most 86,400."""
    return DAY_S - wall_s % DAY_S


def rfc3339(wall_s: float) -> str:
    """Render an instant as `2026-11-23T01:30:00Z`, the form of every timestamp in the API."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
