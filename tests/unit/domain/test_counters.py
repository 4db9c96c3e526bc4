"""The counters of one account, where the port cannot see: clocks that jump, and what makes an account idle."""

from freetheai_gateway.domain.counters import Counters, Grant, day_number
from freetheai_gateway.domain.limits import UNLIMITED, Limits, Refusal, Rule, Standing
from freetheai_gateway.domain.windows import BUCKETS

NOW_S = 1_000.0
DAY = 20_000
NOON_S = DAY * 86_400.0 + 43_200.0
ALL = Limits(requests_per_minute=5, tokens_per_minute=100, concurrency=2, daily_requests=1)


def granted(counters: Counters, limits: Limits, now_s: float = NOW_S, wall_s: float = NOON_S) -> Grant:
    outcome = counters.admit(limits, now_s, wall_s)
    assert isinstance(outcome, Grant)
    return outcome


def test_day_when_the_wall_clock_is_set_back_over_midnight_then_it_is_not_handed_out_again() -> None:
    """The later day goes on, and the wait lasts until its end."""
    counters = Counters()
    limits = Limits(daily_requests=1)
    counters.settle(granted(counters, limits), NOW_S, delivered=True, tokens=0)
    yesterday_s = DAY * 86_400.0 - 5.0
    assert counters.admit(limits, NOW_S, yesterday_s) == Refusal(Rule.DAILY_REQUESTS, 1, 1, 86_405.0)


def test_restore_when_storage_lags_behind_then_the_count_is_never_lowered() -> None:
    """The larger of both counts stands; an older day says nothing."""
    counters = Counters()
    counters.restore_day(DAY, 7)
    counters.restore_day(DAY, 5)
    assert counters.delivered == 7
    counters.restore_day(DAY, 9)
    counters.restore_day(DAY - 1, 100)
    assert counters.delivered == 9


def test_idle_when_anything_could_still_matter_then_not() -> None:
    """Running requests, either window and the day's answers each keep an account."""
    counters = Counters()
    assert counters.is_idle(NOW_S, NOON_S)
    grant = granted(counters, ALL)
    assert not counters.is_idle(NOW_S + 600.0, NOON_S)
    counters.settle(grant, NOW_S + 100.0, delivered=False, tokens=1)
    assert not counters.is_idle(NOW_S + 159.0, NOON_S)
    assert counters.is_idle(NOW_S + 160.5, NOON_S)


def test_idle_when_answers_count_today_then_only_from_midnight_on() -> None:
    """A daily count must last the day."""
    counters = Counters()
    limits = Limits(daily_requests=1)
    counters.settle(granted(counters, limits), NOW_S, delivered=True, tokens=0)
    assert not counters.is_idle(NOW_S + 43_199.0, NOON_S + 43_199.0)
    assert counters.is_idle(NOW_S + 43_200.0, NOON_S + 43_200.0)


def test_limits_when_they_change_under_a_running_request_then_it_settles_by_those_it_came_with() -> None:
    """A reservation is given back even if the cap is gone by now, and none is given back that was never made."""
    counters = Counters()
    capped, uncapped = granted(counters, ALL), granted(counters, UNLIMITED)
    counters.settle(capped, NOW_S, delivered=False, tokens=0)
    counters.settle(uncapped, NOW_S, delivered=True, tokens=10**6)
    assert (counters.running, counters.reserved, counters.delivered) == (0, 0, 0)
    granted(counters, ALL)


def test_standings_when_nothing_was_counted_then_everything_is_left() -> None:
    """A fresh account has all of its limits."""
    assert Counters().standings(ALL, NOW_S, NOON_S) == (
        Standing(Rule.REQUESTS_PER_MINUTE, 5, 0, 0.0),
        Standing(Rule.TOKENS_PER_MINUTE, 100, 0, 0.0),
        Standing(Rule.CONCURRENCY, 2, 0, 0.0),
        Standing(Rule.DAILY_REQUESTS, 1, 0, 43_200.0),
    )


def test_remaining_when_more_is_used_than_a_lowered_limit_then_it_is_zero() -> None:
    """What is left is never negative."""
    assert Standing(Rule.TOKENS_PER_MINUTE, 10, 25, 1.0).remaining == 0


def test_day_number_at_midnight_then_the_new_day_has_begun() -> None:
    """Days are half-open: midnight belongs to the later one."""
    assert day_number(DAY * 86_400.0 - 0.001) == DAY - 1
    assert day_number(DAY * 86_400.0) == DAY


def test_memory_when_the_limit_is_above_600_then_requests_are_kept_in_buckets() -> None:
    """5,000 requests at as many instants take no more than a bucketed window may."""
    counters, limits = Counters(), Limits(requests_per_minute=10_000)
    for index in range(5_000):
        now_s = NOW_S + index / 100
        counters.settle(granted(counters, limits, now_s), now_s, delivered=True, tokens=0)
    assert len(counters._requests._times) <= BUCKETS + 1
    assert counters.standings(limits, NOW_S + 50, NOON_S)[0].used == 5_000
