"""Quantiles of waits, read from counts in bins."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.domain.waits import BOUNDS_S, GROWTH, SLICE_S, Waits

NOW = 1_795_397_400.0
HALF_HOUR_S, HOUR_S = 1_800.0, 3_600.0


@given(st.lists(st.floats(0.006, 300.0), min_size=1, max_size=200))
def test_quantiles_when_read_then_they_lie_in_the_bin_of_the_true_ones(waits_s: list[float]) -> None:
    """The true value is that of the smallest wait which so many of them did not exceed."""
    waits = Waits()
    for wait_s in waits_s:
        waits.record(NOW, wait_s)
    read = waits.quantiles(NOW, HOUR_S)
    assert read is not None
    ordered = sorted(waits_s)
    for share, value in ((0.5, read.p50_s), (0.95, read.p95_s)):
        true = ordered[math.ceil(share * len(ordered)) - 1]
        assert true / GROWTH <= value <= true * GROWTH


def test_quantiles_when_time_passes_then_waits_leave_the_half_hour_before_the_hour() -> None:
    """Each window holds what is younger than it, to a stretch of five minutes; nobody's wait is no number."""
    waits = Waits()
    assert waits.quantiles(NOW, HOUR_S) is None
    waits.record(NOW, 1.0)
    later = NOW + HALF_HOUR_S + SLICE_S
    assert waits.quantiles(later, HALF_HOUR_S) is None
    assert waits.quantiles(later, HOUR_S) is not None
    assert waits.quantiles(NOW + HOUR_S + SLICE_S, HOUR_S) is None


def test_record_when_it_goes_on_for_hours_then_little_more_than_an_hour_is_kept() -> None:
    """Memory has a bound, whatever comes: stretches times bins."""
    waits = Waits()
    for second in range(0, 4 * int(HOUR_S), 60):
        waits.record(NOW + second, second % 400)
    assert len(waits.copy()) == HOUR_S / SLICE_S + 1


@pytest.mark.parametrize("wait_s", [0.0, 10_000.0])
def test_quantiles_when_a_wait_is_beyond_the_bins_then_it_is_at_their_edge(wait_s: float) -> None:
    """What no bin is fine or wide enough for is told as the first or the last one."""
    waits = Waits()
    waits.record(NOW, wait_s)
    read = waits.quantiles(NOW, HOUR_S)
    assert read is not None
    assert read.p50_s <= BOUNDS_S[0] if wait_s == 0 else read.p50_s >= BOUNDS_S[-2]
