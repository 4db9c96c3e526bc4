"""What keys and providers may be used for before they are passed over."""

from freetheai_gateway.domain.key_limits import DAY_S, Budget, KeyMeter
from freetheai_gateway.domain.pools import KeyLimits

MIDNIGHT = 20_000 * DAY_S


def test_key_when_its_minute_is_used_then_it_waits_for_the_first_to_leave() -> None:
    """A sliding minute, so that no window of the vendor's holds more."""
    meter = KeyMeter(KeyLimits(requests_per_minute=2))
    meter.take(0.0, MIDNIGHT)
    assert meter.wait_s(10.0, MIDNIGHT) == 0.0
    meter.take(10.0, MIDNIGHT)
    assert meter.wait_s(20.0, MIDNIGHT) == 40.0
    assert meter.wait_s(60.0, MIDNIGHT) == 0.0


def test_key_when_its_tokens_are_used_then_it_waits() -> None:
    """Charged when the reply is complete; zero tokens are none."""
    meter = KeyMeter(KeyLimits(tokens_per_minute=100))
    meter.charge(0, 0.0, MIDNIGHT)
    meter.charge(99, 0.0, MIDNIGHT)
    assert meter.wait_s(0.0, MIDNIGHT) == 0.0
    meter.charge(1, 0.0, MIDNIGHT)
    assert 59.0 < meter.wait_s(0.5, MIDNIGHT) <= 60.0


def test_key_when_its_day_is_used_then_it_waits_until_the_vendors_day_begins() -> None:
    """Eight in the morning, UTC, is midnight in California."""
    limits = KeyLimits(requests_per_day=1, day_starts_s=8 * 3600)
    meter = KeyMeter(limits)
    wall = MIDNIGHT + 7 * 3600
    meter.take(0.0, wall)
    assert meter.wait_s(0.0, wall) == 3600.0
    assert meter.wait_s(3600.0, wall + 3600) == 0.0
    by_tokens = KeyMeter(KeyLimits(tokens_per_day=10))
    by_tokens.charge(10, 0.0, MIDNIGHT)
    assert by_tokens.wait_s(0.0, MIDNIGHT) == DAY_S


def test_budget_when_spent_then_it_waits_for_the_next_day() -> None:
    """What one call brings on top is spent, and the next day begins at nothing."""
    budget = Budget(1_000)
    budget.spend(999, MIDNIGHT)
    assert budget.wait_s(MIDNIGHT) == 0.0
    budget.spend(500, MIDNIGHT + 60)
    assert budget.wait_s(MIDNIGHT + 60) == DAY_S - 60
    assert budget.wait_s(MIDNIGHT + DAY_S) == 0.0
    assert budget.spent_micro_usd(MIDNIGHT + DAY_S) == 0
