"""What is known of providers, and what of it a reload keeps."""

from freetheai_gateway.domain.attempts import RetryBudget, backoff_s
from freetheai_gateway.domain.failures import HTTP, Mishap
from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.domain.outcomes import find_rule
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import KeyLimits, PoolPolicy, Terms, Upstream
from tests.unit.domain.fleets import WALL, fleet_of, seat

POLICY = PoolPolicy(breaker_failures=2)
REFUSED = Mishap(HTTP, status=401)
FORBIDDEN = Mishap(HTTP, status=403)
BROKEN = Mishap(HTTP, status=500)
ASKED_TO_WAIT = Mishap(HTTP, status=429, retry_after_s=30.0)


def _placed(fleet: Fleet, now: float = 0.0, key: int = 0) -> Place:
    one = seat(fleet, "a")
    return Place(one, one.provider.keys[key], now, WALL)


def _fail(place: Place, mishap: Mishap, now: float = 0.0, identity: int = 1) -> bool:
    place.leave()
    return place.failed(mishap, find_rule(mishap), now, identity, POLICY)


def test_key_when_refused_then_it_rests_for_every_model_until_one_request_succeeds() -> None:
    """One at a time tries after the rest."""
    fleet = fleet_of(a=Terms(keys=("k1", "k2")))
    _fail(_placed(fleet), REFUSED)
    gate = fleet.providers["a"].keys[0].gate
    assert gate.wait_s(0.0) == POLICY.dead_key_s
    place = _placed(fleet, now=POLICY.dead_key_s)
    assert gate.wait_s(POLICY.dead_key_s) > 0.0
    place.came_alive(601.0)
    assert gate.clear
    assert fleet.providers["a"].keys[1].gate.clear


def test_key_when_forbidden_then_two_different_requests_must_say_so() -> None:
    """One alone may have been refused for what it says; then the key rests for this model only."""
    fleet = fleet_of(a=Terms())
    key, target = fleet.providers["a"].keys[0], fleet.providers["a"].target("m")
    _fail(_placed(fleet), FORBIDDEN, identity=1)
    _fail(_placed(fleet), FORBIDDEN, identity=1)
    assert not target.cooling
    _placed(fleet).succeeded()
    _fail(_placed(fleet), FORBIDDEN, identity=2)
    assert not target.cooling
    _fail(_placed(fleet), FORBIDDEN, identity=3)
    assert target.cooling[key.fingerprint].wait_s(0.0) == POLICY.dead_key_s
    assert key.gate.clear


def test_key_when_forbidden_for_two_models_then_it_rests_for_every_one() -> None:
    """It is the key, or the account, and no model that it may not use."""
    fleet = fleet_of(a=Terms())
    gate = fleet.providers["a"].keys[0].gate
    for model in ("m", "n"):
        assert gate.clear
        for identity in (1, 2):
            place = Place(fleet.seat(Upstream("a", model)), fleet.providers["a"].keys[0], 0.0, WALL)
            _fail(place, FORBIDDEN, identity=identity)
    assert gate.wait_s(0.0) == POLICY.dead_key_s


def test_key_when_told_to_slow_down_then_it_cools_for_this_model_only() -> None:
    """For as long as it was told; forgotten once it succeeded."""
    fleet = fleet_of(a=Terms())
    provider = fleet.providers["a"]
    _fail(_placed(fleet), ASKED_TO_WAIT)
    cooling = provider.target("m").cooling
    assert {key: gate.wait_s(0.0) for key, gate in cooling.items()} == {"": 30.0}
    assert provider.keys[0].gate.clear
    assert not provider.target("other").cooling
    _placed(fleet, now=30.0).came_alive(31.0)
    assert not provider.target("m").cooling


def test_key_when_told_to_wait_for_a_day_then_it_is_tried_sooner() -> None:
    """An upstream may be wrong about itself."""
    fleet = fleet_of(a=Terms())
    _fail(_placed(fleet), Mishap(HTTP, status=429, retry_after_s=86_400.0))
    assert fleet.providers["a"].target("m").cooling[""].wait_s(0.0) == POLICY.max_cooldown_s


def test_breaker_when_a_busy_upstream_answers_then_it_lives() -> None:
    """A 429 between failures shows that somebody is at home."""
    fleet = fleet_of(a=Terms())
    assert not _fail(_placed(fleet), BROKEN, identity=1)
    _fail(_placed(fleet), ASKED_TO_WAIT, identity=2)
    assert not _fail(_placed(fleet), BROKEN, identity=3)
    assert _fail(_placed(fleet), BROKEN, identity=4)


def test_breaker_when_content_came_but_every_stream_breaks_then_it_opens() -> None:
    """First content is no success yet, it only ends a try."""
    fleet = fleet_of(a=Terms())
    for identity in (1, 2):
        place = _placed(fleet)
        place.came_alive(0.1)
        _fail(place, Mishap("closed"), identity=identity)
    assert not fleet.providers["a"].target("m").gate.clear


def test_latency_is_a_moving_average() -> None:
    """The first one counts whole."""
    fleet = fleet_of(a=Terms())
    target = fleet.providers["a"].target("m")
    _placed(fleet).came_alive(1.0)
    assert target.latency_s == 1.0
    _placed(fleet).came_alive(2.0)
    assert target.latency_s == 1.2


def test_reload_when_a_provider_is_the_same_then_everything_known_is_kept() -> None:
    """Calls that run are still counted, resting keys rest under their new number, spent money is spent."""
    old_terms = Terms(keys=("k1", "k2"), place="x", daily_budget_micro_usd=100, key_limits=KeyLimits(1))
    old = Fleet({"a": old_terms}, POLICY)
    place = _placed(old, key=1)
    place.charge(0, 100, 0.0, WALL)
    _fail(_placed(old, key=1), REFUSED)
    for identity in (1, 2):
        _fail(_placed(old), BROKEN, identity=identity)
    new_terms = Terms(keys=("k3", "k2"), place="x", daily_budget_micro_usd=50, key_limits=KeyLimits(1))
    new = Fleet({"a": new_terms}, POLICY, old).providers["a"]
    assert [key.gate.clear for key in new.keys] == [True, False]
    assert [key.index for key in new.keys] == [0, 1]
    assert new.keys[1].meter is old.providers["a"].keys[1].meter is not None
    assert new.keys[0].meter is not None
    assert not new.target("m").gate.clear
    assert new.budget is not None
    assert new.budget.wait_s(WALL) > 0.0
    assert new.load.running == 1
    place.leave()
    assert new.load.running == 0


def test_reload_when_a_provider_moved_then_only_its_running_calls_are_kept() -> None:
    """Another address is another upstream."""
    old = Fleet({"a": Terms(keys=("k1",), place="x")}, POLICY)
    place = _placed(old)
    _fail(_placed(old), REFUSED)
    new = Fleet({"a": Terms(keys=("k1",), place="y", key_limits=KeyLimits(5)), "b": Terms()}, POLICY, old)
    assert new.providers["a"].keys[0].gate.clear
    assert new.providers["a"].keys[0].meter is not None
    assert new.in_flight() == {"a": 1, "b": 0}
    place.leave()


def test_seat_is_the_same_for_the_same_upstream() -> None:
    """What one request learns the next one knows."""
    fleet = fleet_of(a=Terms())
    upstream = Upstream("a", "m")
    assert fleet.seat(upstream) is fleet.seat(upstream)
    assert fleet.seats([upstream]) == [fleet.seat(upstream)]


def test_retry_budget_when_everything_fails_then_repeats_are_a_share_of_the_requests() -> None:
    """A burst first, then every second request may be repeated once."""
    policy = PoolPolicy(retry_burst=10, retry_share=0.5)
    budget = RetryBudget(policy.retry_burst)
    taken = 0
    for _ in range(100):
        budget.earn(policy)
        taken += budget.take() + budget.take()
    assert 55 <= taken <= 61


def test_backoff_doubles_and_half_of_it_is_chance() -> None:
    """Within bounds however often."""
    policy = PoolPolicy(backoff_s=0.1)
    assert [round(backoff_s(n, policy, 0.0), 3) for n in (1, 2, 3)] == [0.05, 0.1, 0.2]
    assert round(backoff_s(1, policy, 1.0), 3) == 0.1
    assert backoff_s(99, policy, 0.0) < 60.0
