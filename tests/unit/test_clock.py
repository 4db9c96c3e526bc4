"""The clock's own arithmetic."""

import pytest

from freetheai_gateway.clock import SystemClock, rfc3339, seconds_until_utc_midnight, utc_day
from freetheai_gateway.testing.clock import FakeClock

MIDNIGHT_S = 1_795_392_000.0


@pytest.mark.parametrize(
    ("wall_s", "day", "left_s"),
    [
        (MIDNIGHT_S, "2026-11-23", 86_400.0),
        (MIDNIGHT_S + 86_399.5, "2026-11-23", 0.5),
        (MIDNIGHT_S - 0.5, "2026-11-22", 0.5),
        (0.0, "1970-01-01", 86_400.0),
    ],
)
def test_day_is_utc_and_ends_at_midnight(wall_s: float, day: str, left_s: float) -> None:
    """The day of quotas and roll-ups; what is left of it is never nothing."""
    assert utc_day(wall_s) == day
    assert seconds_until_utc_midnight(wall_s) == left_s


def test_rfc3339_is_utc_in_whole_seconds() -> None:
    """The form of every timestamp in the API."""
    assert rfc3339(MIDNIGHT_S + 5_400.9) == "2026-11-23T01:30:00Z"


def test_system_clock_when_read_twice_then_monotonic_never_goes_back() -> None:
    """Durations are never negative."""
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.wall() > MIDNIGHT_S - 86_400 * 3650


def test_fake_clock_when_advanced_then_both_clocks_move_together() -> None:
    """A test moves time, nothing else does."""
    clock = FakeClock(wall=MIDNIGHT_S)
    before = clock.monotonic()
    clock.advance(2.5)
    assert (clock.wall(), clock.monotonic()) == (MIDNIGHT_S + 2.5, before + 2.5)
