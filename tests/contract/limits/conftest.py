"""The limiter under test and its clock; a further backend is one more parameter."""

import pytest

from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.services.ports import Limiter
from freetheai_gateway.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Noon of a UTC day, on a whole minute of both clocks."""
    return FakeClock(wall=1_795_392_000.0 + 43_200.0)


@pytest.fixture(params=["memory"])
def limiter(request: pytest.FixtureRequest, clock: FakeClock) -> Limiter:
    """Every backend of the `Limiter` port."""
    assert request.param == "memory"
    return MemoryLimiter(clock)
