"""Gates and breakers: what passes when."""

from freetheai_gateway.domain.breakers import Breaker, State, Tally
from freetheai_gateway.domain.gates import Gate

ENOUGH = 3


def _fail(breaker: Breaker, identity: int, now: float = 0.0, *, tried: bool = False) -> bool:
    return breaker.failed(now, identity, tried=tried, enough=ENOUGH, window_s=60.0, open_s=5.0)


def _opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for identity in range(ENOUGH):
        _fail(breaker, identity, now)
    assert breaker.state(now) is State.OPEN
    return breaker


def test_gate_when_shut_then_one_at_a_time_tries_after_its_time() -> None:
    """Nobody before, one then, the next only once that one has left."""
    gate = Gate()
    assert gate.wait_s(0.0) == 0.0
    assert not gate.enter()
    gate.shut(0.0, 5.0, "refused")
    assert gate.wait_s(2.0) == 3.0
    assert gate.wait_s(5.0) == 0.0
    assert gate.enter()
    assert gate.wait_s(5.0) > 0.0
    gate.leave()
    assert gate.wait_s(5.0) == 0.0
    gate.open()
    assert gate.clear
    assert gate.reason == ""


def test_gate_when_shut_again_for_less_then_the_longer_time_stands() -> None:
    """Ten calls that ran at once are told different things."""
    gate = Gate()
    gate.shut(0.0, 60.0, "slow down")
    gate.shut(1.0, 2.0, "slow down")
    assert gate.wait_s(1.0) == 59.0


def test_breaker_when_one_request_fails_again_and_again_then_it_stays_closed() -> None:
    """A poisonous prompt takes nothing from the others."""
    breaker = Breaker()
    assert not any(_fail(breaker, identity=7, now=float(n)) for n in range(50))
    assert breaker.state(50.0) is State.CLOSED


def test_breaker_when_distinct_requests_fail_in_a_row_then_it_opens() -> None:
    """And says so once."""
    breaker = Breaker()
    assert [_fail(breaker, identity) for identity in (1, 2, 2, 3, 4)] == [False, False, False, True, False]
    assert breaker.state(1.0) is State.OPEN
    assert breaker.state(5.0) is State.HALF_OPEN


def test_breaker_when_a_success_comes_between_then_counting_begins_anew() -> None:
    """In a row means in a row."""
    breaker = Breaker()
    _fail(breaker, 1)
    _fail(breaker, 2)
    breaker.succeeded(tried=False)
    assert not _fail(breaker, 3)
    assert breaker.state(0.0) is State.CLOSED


def test_breaker_when_failures_are_old_then_they_count_no_more() -> None:
    """Only those within the window."""
    breaker = Breaker()
    _fail(breaker, 1, now=0.0)
    _fail(breaker, 2, now=1.0)
    assert not _fail(breaker, 3, now=61.5)


def test_breaker_when_open_then_only_the_try_decides() -> None:
    """Calls that began before it opened end later and say nothing new."""
    breaker = _opened()
    breaker.succeeded(tried=False)
    assert breaker.state(1.0) is State.OPEN
    _fail(breaker, 9, now=4.0)
    assert breaker.state(5.0) is State.HALF_OPEN
    breaker.gate.enter()
    _fail(breaker, 9, now=6.0, tried=True)
    assert breaker.state(10.9) is State.OPEN
    assert breaker.state(11.0) is State.HALF_OPEN
    breaker.succeeded(tried=True)
    assert breaker.state(11.0) is State.CLOSED


def test_tally_when_enough_then_it_begins_anew_and_never_grows() -> None:
    """It holds what is needed to decide."""
    tally = Tally()
    assert [tally.reaches(2, 0.0, 60.0, identity) for identity in (1, 1, 2, 3, 4)] == [False, False, True, False, True]
