"""Which idle connection is used, kept, or given up."""

import pytest

from freetheai_gateway.services.ports import Origin
from freetheai_gateway.upstream.http1.pool import IdlePool, PoolLimits

HERE = Origin("https", "here.example", 443)
THERE = Origin("https", "there.example", 443)


@pytest.fixture
def pool() -> IdlePool[str]:
    """Keep two connections of an origin, each for ten seconds."""
    return IdlePool(PoolLimits(idle_s=10.0, idle_per_origin=2))


def test_take_when_several_idle_then_the_last_one_in_comes_first(pool: IdlePool[str]) -> None:
    """The spare ones grow old."""
    pool.put(HERE, "a", now=1.0)
    pool.put(HERE, "b", now=2.0)
    assert [pool.take(HERE, 3.0) for _ in range(3)] == ["b", "a", None]
    assert len(pool) == 0


def test_take_when_only_another_origin_has_one_then_none(pool: IdlePool[str]) -> None:
    """Scheme, host, port and proxy must all be the same."""
    pool.put(THERE, "a", now=1.0)
    assert pool.take(HERE, 1.0) is None
    assert pool.take(Origin("https", "there.example", 443, proxy="http://p"), 1.0) is None
    assert len(pool) == 1


def test_take_when_it_idled_too_long_then_none(pool: IdlePool[str]) -> None:
    """At the limit it is over it."""
    pool.put(HERE, "a", now=1.0)
    assert pool.take(HERE, 11.0) is None
    assert pool.take(HERE, 10.9) == "a"


def test_put_when_the_origin_is_full_then_the_oldest_must_go(pool: IdlePool[str]) -> None:
    """Origins don't compete."""
    assert pool.put(THERE, "x", now=0.0) is None
    assert [pool.put(HERE, name, now=1.0) for name in "abc"] == [None, None, "a"]
    assert len(pool) == 3


def test_remove_when_a_connection_is_gone_then_it_is_forgotten_and_others_stay(pool: IdlePool[str]) -> None:
    """One that is in use is none of the pool's."""
    pool.put(HERE, "a", now=1.0)
    pool.put(HERE, "b", now=1.0)
    pool.remove(HERE, "a")
    pool.remove(HERE, "in use")
    pool.remove(THERE, "unknown origin")
    assert [pool.take(HERE, 1.0), pool.take(HERE, 1.0)] == ["b", None]


def test_expire_when_some_are_old_then_those_must_go_and_the_rest_stays(pool: IdlePool[str]) -> None:
    """Across origins."""
    pool.put(HERE, "old", now=0.0)
    pool.put(HERE, "young", now=5.0)
    pool.put(THERE, "old too", now=0.0)
    assert pool.expire(10.0) == ["old", "old too"]
    assert len(pool) == 1
    assert pool.expire(10.0) == []
    assert pool.take(HERE, 10.0) == "young"
