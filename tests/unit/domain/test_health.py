"""What is counted of a prefix, and what is made of it."""

import pytest

from freetheai_gateway.domain.health import (
    BUCKET_S,
    HALF_HOUR_S,
    HOUR_S,
    REMEMBERED_S,
    Counts,
    PrefixDay,
    PrefixHealth,
    Status,
    Thresholds,
    overall,
    prefix_of,
)

NOW = 1_795_397_400.0
RULES = Thresholds(minimum_requests=10, degraded_from=0.1, down_from=0.5)
UP, DEGRADED, DOWN, UNKNOWN = Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN


def recorded(successes: int, errors: int, *, at: float = NOW) -> PrefixHealth:
    """Make a prefix with so many outcomes at one instant."""
    health = PrefixHealth()
    for number in range(successes + errors):
        health.record(at, succeeded=number < successes)
    return health


@pytest.mark.parametrize(
    ("successes", "errors", "status"),
    [(10, 0, UP), (91, 9, UP), (9, 1, DEGRADED), (51, 49, DEGRADED), (5, 5, DOWN), (0, 10, DOWN), (9, 0, UNKNOWN)],
)
def test_status_when_judged_then_each_threshold_belongs_to_the_worse_side(
    successes: int, errors: int, status: Status
) -> None:
    """A share that is exactly a threshold has reached it; one request too few is no judgement."""
    assert recorded(successes, errors).status(NOW, RULES) is status


def test_status_when_too_few_requests_came_since_then_the_last_one_stays_for_a_day() -> None:
    """A quiet night does not make a provider unknown, a quiet day does."""
    health = recorded(0, 10)
    assert health.status(NOW, RULES) is DOWN
    assert health.status(NOW + HALF_HOUR_S + BUCKET_S, RULES) is DOWN
    assert health.status(NOW + REMEMBERED_S, RULES) is DOWN
    assert health.status(NOW + REMEMBERED_S + 1, RULES) is UNKNOWN


def test_status_when_enough_succeed_again_then_it_recovers() -> None:
    """Errors that are older than half an hour are forgiven."""
    health = recorded(0, 10)
    assert health.status(NOW, RULES) is DOWN
    later = NOW + HALF_HOUR_S + BUCKET_S
    for _ in range(10):
        health.record(later, succeeded=True)
    assert health.status(later, RULES) is UP


def test_counts_when_time_passes_then_outcomes_leave_the_half_hour_before_the_hour() -> None:
    """Each window holds what is younger than it, to a bucket of ten seconds."""
    health = recorded(3, 2)
    assert health.counts(NOW, HALF_HOUR_S) == Counts(3, 2)
    after_half = NOW + HALF_HOUR_S + BUCKET_S
    assert (health.counts(after_half, HALF_HOUR_S), health.counts(after_half, HOUR_S)) == (Counts(0, 0), Counts(3, 2))
    assert health.counts(NOW + HOUR_S + BUCKET_S, HOUR_S) == Counts(0, 0)


def test_record_when_it_goes_on_for_hours_then_an_hour_is_kept() -> None:
    """Memory has a bound, however long the gateway runs."""
    health = PrefixHealth()
    for second in range(0, 3 * int(HOUR_S), 5):
        health.record(NOW + second, succeeded=True)
    last = NOW + 3 * HOUR_S - 5
    assert health.counts(last, 10 * HOUR_S).requests == HOUR_S / 5
    assert health.counts(last, HOUR_S).requests == HOUR_S / 5


def test_record_when_outcomes_differ_then_the_last_of_each_is_known() -> None:
    """When something last went well, and when it last did not."""
    health = PrefixHealth()
    assert (health.last_success_at, health.last_error_at) == (None, None)
    health.record(NOW, succeeded=True)
    health.record(NOW + 5, succeeded=False)
    health.record(NOW + 9, succeeded=False)
    assert (health.last_success_at, health.last_error_at) == (NOW, NOW + 9)


@pytest.mark.parametrize(("counts", "rate"), [(Counts(0, 0), 0.0), (Counts(409, 3), 0.0073), (Counts(0, 7), 1.0)])
def test_error_rate_when_read_then_it_is_a_fraction_of_four_digits(counts: Counts, rate: float) -> None:
    """As the contract shows it."""
    assert counts.error_rate == rate


@pytest.mark.parametrize(
    ("statuses", "joined"),
    [
        ([], UP),
        ([UNKNOWN, UNKNOWN], UP),
        ([UP, UNKNOWN], UP),
        ([UP, DEGRADED], DEGRADED),
        ([UP, DOWN], DEGRADED),
        ([DEGRADED, DOWN], DEGRADED),
        ([DOWN, UNKNOWN], DEGRADED),
        ([DOWN, DOWN], DOWN),
    ],
)
def test_overall_when_prefixes_differ_then_one_that_fails_degrades_and_only_all_bring_down(
    statuses: list[Status], joined: Status
) -> None:
    """What nobody called lately neither lifts nor sinks the whole, but it may still be up."""
    assert overall(statuses) is joined


@pytest.mark.parametrize(("model", "prefix"), [("glm/glm-5.1", "glm"), ("a/b/c", "a"), ("plain", "plain")])
def test_prefix_when_an_id_is_cut_then_it_is_what_stands_before_the_first_slash(model: str, prefix: str) -> None:
    """An id without a slash is its own prefix."""
    assert prefix_of(model) == prefix


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (PrefixDay("2026-11-23", "glm", 0, 0), UNKNOWN),
        (PrefixDay("2026-11-23", "glm", 1, 0), UP),
        (PrefixDay("2026-11-23", "glm", 1, 3), UNKNOWN),
        (PrefixDay("2026-11-23", "glm", 99, 1), UP),
        (PrefixDay("2026-11-23", "glm", 90, 10), DEGRADED),
        (PrefixDay("2026-11-23", "glm", 50, 50), DOWN),
        (PrefixDay("2026-11-23", "glm", 990, 10, down_hours=1), DEGRADED),
    ],
)
def test_day_when_judged_then_an_hour_that_went_badly_does_not_drown_in_it(day: PrefixDay, status: Status) -> None:
    """Ten failures in a row at noon are an outage, however busy the rest of the day was."""
    assert day.status(RULES) is status


def test_waits_when_processes_are_joined_then_their_counts_are_one() -> None:
    """As one process would have seen it; a verdict alone brings no waits along."""
    alone, one, other = PrefixHealth(), PrefixHealth(), PrefixHealth()
    for number in range(100):
        wait_s = 0.01 * (number + 1)
        for health in (alone, one if number % 2 else other):
            health.record(NOW, succeeded=True, wait_s=wait_s)
    joined = PrefixHealth.joined([one.snapshot(), other.snapshot(), alone.snapshot().verdict_only()])
    assert joined.waits(NOW, HOUR_S) == alone.waits(NOW, HOUR_S) is not None
