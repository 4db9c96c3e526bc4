"""The limiter under test and its clock; a further backend is one more parameter."""

from collections.abc import AsyncIterator

import pytest

from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisLimiter, RedisSettings
from freetheai_gateway.log import get_log
from freetheai_gateway.services.ports import Limiter
from freetheai_gateway.testing.clock import FakeClock
from tests.redis import redis_prefix

__all__ = ["redis_prefix"]


@pytest.fixture
def clock() -> FakeClock:
    """Noon of a UTC day, on a whole minute of both clocks."""
    return FakeClock(wall=1_795_392_000.0 + 43_200.0)


@pytest.fixture
async def redis_limiter(redis_prefix: str, clock: FakeClock) -> AsyncIterator[RedisLimiter]:
    """A limiter whose Redis is told the time; its leases outlast every test."""
    settings = RedisSettings(prefix=redis_prefix, deadline_s=10.0, lease_s=2 * 86_400.0)
    limiter = RedisLimiter(settings, clock, get_log("limits"), told_time=clock)
    await limiter.start()
    assert limiter.is_up
    yield limiter
    await limiter.aclose()


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest, clock: FakeClock) -> Limiter:
    """Every backend of the `Limiter` port."""
    if request.param == "memory":
        return MemoryLimiter(clock)
    limiter: RedisLimiter = request.getfixturevalue("redis_limiter")
    return limiter
