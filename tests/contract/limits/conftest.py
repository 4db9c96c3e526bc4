"""The limiter under test and its clock; a further backend is one more parameter."""

from collections.abc import AsyncIterator

import pytest

from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.services.ports import Limiter
from freetheai_gateway.testing.clock import FakeClock
from tests.redis_server import redis_limiter


@pytest.fixture
def clock() -> FakeClock:
    """Noon of a UTC day, on a whole minute of both clocks."""
    return FakeClock(wall=1_795_392_000.0 + 43_200.0)


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Limiter]:
    """Every backend of the `Limiter` port; Redis is told the time, as it has one of its own."""
    if request.param == "memory":
        yield MemoryLimiter(clock)
        return
    async with redis_limiter(now=clock.wall) as limiter:
        yield limiter
