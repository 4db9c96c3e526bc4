"""The guard over refusals."""

from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.ports import RefusalCounter


def test_guard_when_a_key_reaches_its_limit_then_it_is_blocked_until_the_window_ends() -> None:
    """300 a minute by default; the window starts with the first refusal."""
    guard: RefusalCounter = RefusalGuard()
    for index in range(300):
        assert guard.blocked("key_1", index / 10) is None
        guard.count("key_1", index / 10)
    assert guard.blocked("key_1", 30.0) == 30.0
    assert guard.blocked("key_2", 30.0) is None
    assert guard.blocked("key_1", 60.0) is None


def test_guard_when_a_window_has_ended_then_the_next_begins_at_zero() -> None:
    """A block always ends, and old refusals weigh nothing."""
    guard = RefusalGuard(limit=2, window_s=10.0)
    guard.count("key_1", 0.0)
    guard.count("key_1", 9.0)
    guard.count("key_1", 10.0)
    assert guard.blocked("key_1", 10.0) is None
    guard.count("key_1", 11.0)
    assert guard.blocked("key_1", 12.0) == 8.0


def test_guard_when_too_many_keys_are_refused_then_the_one_longest_ago_is_forgotten() -> None:
    """Memory is bounded; a key that is refused all the time stays known."""
    guard = RefusalGuard(limit=2, max_keys=100)
    guard.count("key_busy", 0.0)
    guard.count("key_busy", 0.0)
    for index in range(1_000):
        guard.count(f"key_{index}", 1.0)
        if index % 50 == 0:
            guard.count("key_busy", 1.0)
    assert guard.keys == 100
    assert guard.blocked("key_busy", 1.0) == 59.0


def test_guard_when_only_asked_then_it_keeps_nothing() -> None:
    """Good keys cost no memory."""
    guard = RefusalGuard()
    for index in range(100):
        guard.blocked(f"key_{index}", 0.0)
    assert guard.keys == 0
