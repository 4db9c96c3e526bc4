"""How providers stand, as operators see it."""

from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import KeyLimits, PoolPolicy, Terms
from freetheai_gateway.domain.standings import KeyStanding, UpstreamStanding, standings_of
from tests.unit.domain.fleets import WALL, seat


def test_standings_when_all_is_well_then_they_say_so() -> None:
    """A provider that nothing is wrong with, and one that was never called."""
    fleet = Fleet({"a": Terms(max_concurrency=5, daily_budget_micro_usd=2_000_000), "b": Terms()}, PoolPolicy())
    one = seat(fleet, "a")
    place = Place(one, one.provider.keys[0], 0.0, WALL)
    place.came_alive(0.5)
    place.charge(0, 500_000, 0.0, WALL)
    a, b = standings_of(fleet, 1.0, WALL)
    assert (a.name, a.in_flight, a.max_concurrency, a.spent_usd, a.daily_budget_usd) == ("a", 1, 5, 0.5, 2.0)
    assert a.keys == (KeyStanding(1, "in_use", 0.0),)
    assert a.upstreams == (UpstreamStanding("m", "closed", 1, 0.5, 0.0, ()),)
    assert (b.in_flight, b.max_concurrency, b.spent_usd, b.upstreams) == (0, None, None, ())


def test_standings_when_keys_rest_or_are_spent_then_they_say_for_how_long() -> None:
    """By number, never by name."""
    terms = Terms(keys=("k1", "k2", "k3"), key_limits=KeyLimits(requests_per_minute=1))
    fleet = Fleet({"a": terms}, PoolPolicy())
    one = seat(fleet, "a")
    first, second, third = one.provider.keys
    first.gate.shut(0.0, 600.0, "refused")
    Place(one, second, 0.0, WALL).leave()
    one.target.cooling["k3"] = Gate()
    one.target.cooling["k3"].shut(0.0, 30.0, "slow down")
    one.target.gate.shut(0.0, 5.0, "breaker")
    (a,) = standings_of(fleet, 1.0, WALL)
    assert a.keys == (
        KeyStanding(1, "resting", 599.0),
        KeyStanding(2, "spent", 59.0),
        KeyStanding(third.index + 1, "in_use", 0.0),
    )
    assert a.upstreams == (UpstreamStanding("m", "open", 0, None, 4.0, (3,)),)
    assert "k1" not in repr(a)
    (later,) = standings_of(fleet, 40.0, WALL)
    assert (later.upstreams[0].breaker, later.upstreams[0].cooling_keys) == ("half_open", ())
