"""The sliding window: exact and in buckets, against true windows counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.domain.windows import BUCKETS, SlidingWindow

LENGTH_S = 60.0
WIDTH_S = LENGTH_S / BUCKETS

# Multiples of 1/8 s, so that sums of floats are exact and an instant can be hit.
gaps_s = st.integers(0, 8 * 70).map(lambda eighths: eighths / 8)
short_gaps_s = st.integers(0, 24).map(lambda eighths: eighths / 8)


def admit_all(arrivals_s: list[float], limit: int, *, exact: bool) -> list[tuple[float, bool]]:
    """Offer one event per arrival to a window with a limit; tells which were admitted."""
    window = SlidingWindow()
    decided = []
    for now_s in arrivals_s:
        fits = window.used(now_s, LENGTH_S) < limit
        if fits:
            window.add(1, now_s, LENGTH_S, exact=exact)
        decided.append((now_s, fits))
    return decided


def arrivals_of(gaps: list[float]) -> list[float]:
    now_s, arrivals = 1_000.0, []
    for gap_s in gaps:
        now_s += gap_s
        arrivals.append(now_s)
    return arrivals


def admitted_within(decided: list[tuple[float, bool]], until: int, length_s: float) -> int:
    """Count what was admitted up to the decision `until`, in the window that ends with it."""
    end_s = decided[until][0]
    return sum(fits for at_s, fits in decided[: until + 1] if at_s + length_s > end_s)


@given(st.lists(short_gaps_s | gaps_s, max_size=120), st.integers(1, 8), st.booleans())
def test_window_when_limited_then_no_true_window_ever_holds_more(gaps: list[float], limit: int, exact: bool) -> None:
    """Whatever the arrivals, buckets err on the safe side only."""
    decided = admit_all(arrivals_of(gaps), limit, exact=exact)
    assert all(admitted_within(decided, index, LENGTH_S) <= limit for index in range(len(decided)))


@given(st.lists(short_gaps_s | gaps_s, max_size=120), st.integers(1, 8), st.booleans())
def test_window_when_it_refuses_then_the_limit_was_used_within_one_bucket_more(
    gaps: list[float], limit: int, exact: bool
) -> None:
    """An exact log refuses only what is truly over; buckets only what is over in a window longer by a 120th."""
    decided = admit_all(arrivals_of(gaps), limit, exact=exact)
    length_s = LENGTH_S if exact else LENGTH_S + WIDTH_S
    for index, (_, fits) in enumerate(decided):
        assert fits or admitted_within(decided, index, length_s) >= limit


@pytest.mark.parametrize("limit", [601, 1_000, 3_000])
def test_buckets_when_pressed_steadily_then_they_admit_at_least_99_percent(limit: int) -> None:
    """Over ten windows at twice the limit, the loss of the coarse end stays under one percent."""
    arrivals = [1_000.0 + index * LENGTH_S / (2 * limit) for index in range(20 * limit)]
    admitted = sum(fits for _, fits in admit_all(arrivals, limit, exact=False))
    assert 0.99 * 10 * limit <= admitted <= 10 * limit


@given(
    st.lists(st.tuples(short_gaps_s | gaps_s, st.integers(1, 50), st.booleans()), max_size=80),
    st.integers(0, 200),
)
def test_window_when_exact_and_buckets_mix_then_nothing_is_forgotten_early_or_kept_long(
    events: list[tuple[float, int, bool]], limit: int
) -> None:
    """A change of kind keeps every count for at least its window and at most one bucket more; waits are exact."""
    window, log, now_s = SlidingWindow(), [], 1_000.0
    for gap_s, amount, exact in events:
        now_s += gap_s
        window.add(amount, now_s, LENGTH_S, exact=exact)
        log.append((now_s, amount))
        used = window.used(now_s, LENGTH_S)
        assert used >= sum(amount for at_s, amount in log if at_s + LENGTH_S > now_s)
        assert used <= sum(amount for at_s, amount in log if at_s + LENGTH_S + WIDTH_S > now_s)
    wait_s = window.wait_s(limit, now_s, LENGTH_S)
    if limit and wait_s:
        assert window.used(now_s + wait_s - 0.125, LENGTH_S) >= limit
        assert window.used(now_s + wait_s, LENGTH_S) < limit


@given(st.lists(st.tuples(short_gaps_s, st.booleans(), st.booleans()), max_size=60))
def test_take_back_when_some_events_are_undone_then_the_others_stay(events: list[tuple[float, bool, bool]]) -> None:
    """What is taken back is gone, and only that, in any mix of kinds."""
    window, now_s, given_s = SlidingWindow(), 1_000.0, []
    for gap_s, exact, _ in events:
        now_s += gap_s
        given_s.append(window.add(1, now_s, LENGTH_S, exact=exact))
    window.used(now_s, LENGTH_S)
    for at_s, (_, _, undone) in zip(given_s, events, strict=True):
        if undone:
            window.take_back(1, at_s)
    left = [at_s for at_s, (_, _, undone) in zip(given_s, events, strict=True) if not undone]
    assert window.used(now_s, LENGTH_S) == sum(at_s + LENGTH_S > now_s for at_s in left)


def test_buckets_when_a_hundred_thousand_events_pass_then_the_log_stays_short() -> None:
    """Memory is bounded by the buckets, not by the traffic."""
    window = SlidingWindow()
    for index in range(100_000):
        now_s = 1_000.0 + index / 500
        window.used(now_s, LENGTH_S)
        window.add(10, now_s, LENGTH_S, exact=False)
    assert len(window._times) <= BUCKETS + 1


def test_reset_when_something_is_counted_then_it_tells_when_all_has_left() -> None:
    """The whole limit is back when the last event leaves; an empty window needs no time."""
    window = SlidingWindow()
    assert window.standing(1_000.0, LENGTH_S)[1] == 0.0
    window.add(1, 1_000.0, LENGTH_S, exact=True)
    window.add(1, 1_020.0, LENGTH_S, exact=True)
    assert window.standing(1_030.0, LENGTH_S)[1] == 50.0
    assert window.standing(1_080.0, LENGTH_S)[1] == 0.0


def test_reset_when_the_last_event_is_taken_back_then_the_one_before_decides() -> None:
    """Nothing of an undone event remains, not even its time."""
    window = SlidingWindow()
    window.add(1, 1_000.0, LENGTH_S, exact=True)
    window.take_back(1, window.add(1, 1_020.0, LENGTH_S, exact=True))
    assert window.standing(1_030.0, LENGTH_S)[1] == 30.0
