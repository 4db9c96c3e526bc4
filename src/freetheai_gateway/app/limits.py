"""Which limiter a configuration asks for, and what keeps it alive."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from freetheai_gateway.clock import Clock
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisLimiter, parse_target
from freetheai_gateway.limits.redis.limiter import RedisSettings
from freetheai_gateway.limits.shared import SharedLimiter
from freetheai_gateway.settings.tree import Settings

MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Backend:
    """A limiter with its upkeep; without Redis there is none."""

    limiter: MemoryLimiter | SharedLimiter
    run: Callable[[], Coroutine[object, object, None]] | None = None
    close: Callable[[], Coroutine[object, object, None]] | None = None
    on_heal: Callable[[Callable[[], None]], None] | None = None

    @property
    def up(self) -> bool:
        """Whether limits are counted where they should be."""
        return isinstance(self.limiter, MemoryLimiter) or self.limiter.up


def build_backend(settings: Settings, clock: Clock) -> Backend:
    """Build the limiter of `[limits]`; Redis is connected to by `run`."""
    memory = MemoryLimiter(clock)
    if settings.limits.backend == MEMORY:
        return Backend(memory)
    redis = RedisLimiter(RedisSettings(parse_target(settings.limits.backend), deadline_s=settings.limits.deadline_s))
    return Backend(SharedLimiter(redis, memory, settings.limits.on_failure), redis.run, redis.close, redis.on_heal)
