"""Which limiter a configuration asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.settings.tree import Settings

if TYPE_CHECKING:
    from freetheai_gateway.limits.redis import RedisLimiter, RedisPools, RedisSettings
    from freetheai_gateway.limits.shared import SharedLimiter

MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Backend:
    """A limiter, and what it keeps up a connection with; without Redis there is nothing to keep."""

    limiter: "MemoryLimiter | SharedLimiter"
    redis: "RedisLimiter | None" = None

    @property
    def up(self) -> bool:
        """Whether limits are counted where they should be."""
        return self.redis is None or self.redis.up


def build_backend(settings: Settings, clock: Clock) -> Backend:
    """Build the limiter of `[limits]`; Redis is connected to by `redis.run`."""
    memory = MemoryLimiter(clock)
    limits = settings.limits
    if limits.backend == MEMORY:
        return Backend(memory)
    from freetheai_gateway.limits.redis import RedisLimiter  # noqa: PLC0415 - 25 ms that memory does not need
    from freetheai_gateway.limits.shared import SharedLimiter  # noqa: PLC0415

    redis = RedisLimiter(_redis(settings))
    return Backend(SharedLimiter(redis, memory, limits.on_failure), redis)


def build_pools(settings: Settings, fleet: Callable[[], Fleet], clock: Clock) -> "RedisPools | None":
    """Build what tells other gateways of the providers; `None` without Redis, where there is nobody to tell."""
    if settings.limits.backend == MEMORY:
        return None
    from freetheai_gateway.limits.redis import RedisPools  # noqa: PLC0415

    return RedisPools(_redis(settings), fleet, clock)


def _redis(settings: Settings) -> "RedisSettings":
    from freetheai_gateway.limits.redis import RedisSettings, parse_target  # noqa: PLC0415

    limits = settings.limits
    return RedisSettings(parse_target(limits.backend), deadline_s=limits.deadline_s)
