"""Choosing among upstreams and keys: priority, weight, waiting, stickiness, and what is passed over."""

from collections import Counter
from collections.abc import Sequence
from math import inf

import pytest

from freetheai_gateway.domain.choice import CROWDED, Barred, Draw, choose, find_key, wait_s
from freetheai_gateway.domain.fleet import Seat
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import KeyLimits, Terms
from tests.unit.domain.fleets import WALL, draws, fleet_of, seat

HALF = draws(0.5)
FLEET = {"a": Terms(), "b": Terms(), "c": Terms()}


def _choose(
    seats: Sequence[Seat],
    draw: Draw = HALF,
    *,
    now: float = 0.0,
    barred: Barred | None = None,
    sticky: bytes = b"",
) -> str:
    chosen = choose(seats, now, WALL, draw, barred=barred, sticky=sticky)
    return "" if chosen is None else chosen[0].upstream.provider


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0 - 2**-53])
def test_choice_when_priorities_differ_then_the_lowest_usable_one_counts(draw: float) -> None:
    """The reserve is used only while nothing of the first priority may be called."""
    fleet = fleet_of(a=Terms(), b=Terms())
    first, reserve = seat(fleet, "a"), seat(fleet, "b", priority=2)
    assert _choose((reserve, first), draws(draw)) == "a"
    first.target.gate.shut(0.0, 5.0, "breaker")
    assert _choose((reserve, first), draws(draw)) == "b"


def test_choice_when_nothing_runs_then_shares_follow_the_weights() -> None:
    """Evenly spread draws hit each upstream exactly by its weight."""
    fleet = fleet_of(**FLEET)
    seats = (seat(fleet, "a"), seat(fleet, "b", weight=3.0))
    assert Counter(_choose(seats, draws(n / 1000)) for n in range(1000)) == {"a": 250, "b": 750}


def test_choice_when_one_waits_clearly_less_then_it_overrules_the_draw() -> None:
    """Power of two choices: of the two that were drawn, the less busy one; a small difference means nothing."""
    fleet = fleet_of(**FLEET)
    a, b = seats = (seat(fleet, "a"), seat(fleet, "b"))
    a.target.note_latency(1.0)
    b.target.note_latency(0.9)
    assert _choose(seats, draws(0.0, 0.9)) == "a"
    a.target.in_flight = 3
    assert _choose(seats, draws(0.0, 0.9)) == "b"
    assert _choose(seats, draws(0.0, 0.1)) == "a"
    a.target.in_flight, b.target.latency_s = 0, 0.1
    assert _choose(seats, draws(0.0, 0.9)) == "b"


def test_choice_when_rounding_eats_the_mark_then_the_last_is_taken() -> None:
    """Sums of small weights may round below the draw."""
    fleet = fleet_of(**FLEET)
    seats = [seat(fleet, name, weight=0.1) for name in "abc"]
    assert _choose(seats, draws(1.0)) == "c"


def test_choice_when_a_breaker_is_due_then_its_upstream_is_tried_once() -> None:
    """One request tries; while it does, and for requests that failed already, the others are taken."""
    fleet = fleet_of(**FLEET)
    a, b = seats = (seat(fleet, "a"), seat(fleet, "b"))
    a.target.gate.shut(0.0, 5.0, "breaker")
    assert _choose(seats, draws(0.0), now=4.0) == "b"
    assert _choose(seats, draws(0.9), now=5.0) == "a"
    assert _choose(seats, draws(0.0), now=5.0, barred=Barred()) == "b"
    chosen = choose(seats, 5.0, WALL, draws(0.0))
    assert chosen is not None
    place = Place(*chosen, 5.0, WALL)
    assert _choose(seats, draws(0.0), now=5.0) == "b"
    place.leave()
    assert _choose(seats, draws(0.9), now=5.0) == "a"
    assert b.target.in_flight == 0


def test_choice_when_a_provider_is_full_then_another_is_taken() -> None:
    """Of all models of the provider together."""
    fleet = fleet_of(a=Terms(max_concurrency=1), b=Terms())
    a, b = seats = (seat(fleet, "a"), seat(fleet, "b", priority=2))
    place = Place(a, a.provider.keys[0], 0.0, WALL)
    assert _choose(seats) == "b"
    assert wait_s(a, 0.0, WALL) == inf
    place.leave()
    place.leave()
    assert _choose(seats) == "a"
    assert fleet.in_flight() == {"a": 0, "b": 0}
    assert wait_s(b, 0.0, WALL) == 0.0


def test_choice_when_a_budget_is_spent_then_the_provider_is_passed_over_and_no_breaker_opens() -> None:
    """Until midnight, UTC."""
    fleet = fleet_of(a=Terms(daily_budget_micro_usd=10), b=Terms())
    a, _ = seats = (seat(fleet, "a"), seat(fleet, "b", priority=2))
    place = Place(a, a.provider.keys[0], 0.0, WALL)
    place.charge(1000, 11, 0.0, WALL)
    place.leave()
    assert _choose(seats) == "b"
    assert a.target.gate.clear
    assert wait_s(a, 0.0, WALL) == 86_400.0


def test_choice_when_upstreams_were_tried_then_they_come_last_and_barred_ones_never() -> None:
    """A second attempt goes elsewhere first, whatever the priority."""
    fleet = fleet_of(**FLEET)
    a, b, c = seats = (seat(fleet, "a"), seat(fleet, "b"), seat(fleet, "c", priority=2))
    barred = Barred()
    barred.tried.add(a)
    barred.seats.add(b)
    assert _choose(seats, barred=barred) == "c"
    c.target.gate.shut(0.0, 5.0, "breaker")
    assert _choose(seats, barred=barred) == "a"
    barred.seats.add(a)
    assert _choose(seats, barred=barred) == ""


def test_choice_when_nothing_is_usable_then_there_is_none() -> None:
    """An empty pool, or keys that all rest."""
    fleet = fleet_of(a=Terms(keys=("k1", "k2")), b=Terms(keys=()))
    a = seat(fleet, "a")
    for key in a.provider.keys:
        key.gate.shut(0.0, 600.0, "refused")
    assert _choose(()) == ""
    assert _choose((a, seat(fleet, "b"))) == ""
    assert wait_s(a, 0.0, WALL) == 600.0


def test_keys_take_turns() -> None:
    """Each as often as the others, and those that rest not at all."""
    fleet = fleet_of(a=Terms(keys=("k1", "k2", "k3")))
    a = seat(fleet, "a")

    def used(times: int) -> Counter[str]:
        keys = (find_key(a.provider, a.target, 0.0, WALL) for _ in range(times))
        return Counter(key.fingerprint for key in keys if key is not None)

    assert used(9) == {"k1": 3, "k2": 3, "k3": 3}
    a.provider.keys[0].gate.shut(0.0, 9.0, "refused")
    a.target.cooling["k2"] = Gate()
    a.target.cooling["k2"].shut(0.0, 9.0, "slow down")
    assert used(4) == {"k3": 4}
    other = a.provider.target("other model")
    key = find_key(a.provider, other, 0.0, WALL, barred=None)
    assert key is not None
    assert key.fingerprint in {"k2", "k3"}


def test_keys_when_one_is_over_its_limit_then_the_others_are_used() -> None:
    """What the vendor allows one key."""
    fleet = fleet_of(a=Terms(keys=("k1", "k2"), key_limits=KeyLimits(requests_per_minute=1)))
    a = seat(fleet, "a")
    seen = []
    while (chosen := choose([a], 0.0, WALL, draws(0.5))) is not None:
        Place(*chosen, 0.0, WALL).leave()
        seen.append(chosen[1].fingerprint)
    assert sorted(seen) == ["k1", "k2"]
    assert 0.0 < wait_s(a, 0.0, WALL) <= 60.0


def test_conversation_when_sticky_then_it_goes_where_it_was_and_others_spread() -> None:
    """The same upstream and key every time; many conversations share by weight."""
    fleet = fleet_of(a=Terms(keys=("k1", "k2")), b=Terms(keys=("k1", "k2")))
    seats = (seat(fleet, "a"), seat(fleet, "b", weight=3.0))
    homes: Counter[str] = Counter()
    for n in range(400):
        name = b"conversation %d" % n
        places = {
            (chosen[0].upstream.provider, chosen[1].fingerprint)
            for _ in range(3)
            if (chosen := choose(seats, 0.0, WALL, draws(n / 400), sticky=name)) is not None
        }
        assert len(places) == 1
        homes[places.pop()[0]] += 1
    assert 60 < homes["a"] < 140


def test_conversation_when_its_upstream_is_crowded_or_gone_then_it_goes_elsewhere() -> None:
    """A cache is worth something, not everything."""
    fleet = fleet_of(**FLEET)
    seats = (seat(fleet, "a"), seat(fleet, "b"))
    name = next(name for name in (b"%d" % n for n in range(99)) if _choose(seats, sticky=name) == "a")
    seats[0].target.in_flight = CROWDED + 1
    assert _choose(seats, draws(0.0, 0.9), sticky=name) == "b"
    seats[0].target.in_flight = CROWDED
    assert _choose(seats, draws(0.9), sticky=name) == "a"
    seats[0].target.gate.shut(0.0, 5.0, "breaker")
    assert _choose(seats, sticky=name) == "b"
