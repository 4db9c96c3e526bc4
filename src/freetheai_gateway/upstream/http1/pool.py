"""Which idle connection carries the next request. Decides only: what it returns, the client closes or uses."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from freetheai_gateway.services.ports import Origin

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections may idle and for how long.

    `idle_s` is below what common servers grant (nginx 75 s, most load balancers 60 s), so that we close first.
    `race_s` is how soon after a request on a reused connection its close counts as the race that repeats it: more
    than one round trip to any upstream, less than most answers take.
    """

    idle_s: float = 30.0
    idle_per_origin: int = 64
    race_s: float = 1.0


class IdlePool(Generic[C]):
    """Idle connections by origin, the last one in first out: the spare ones grow old and are closed."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._idle: dict[Origin, list[tuple[float, C]]] = {}

    def __len__(self) -> int:
        """Count the idle connections."""
        return sum(map(len, self._idle.values()))

    def take(self, origin: Origin, now: float) -> C | None:
        """Choose the connection that idled least; `None` where there is none, or only ones past `idle_s`."""
        idle = self._idle.get(origin)
        if not idle or now - idle[-1][0] >= self._limits.idle_s:
            return None
        return idle.pop()[1]

    def put(self, origin: Origin, connection: C, now: float) -> C | None:
        """Keep a connection; returns the one that must be closed to make room."""
        idle = self._idle.setdefault(origin, [])
        idle.append((now, connection))
        return idle.pop(0)[1] if len(idle) > self._limits.idle_per_origin else None

    def remove(self, origin: Origin, connection: C) -> None:
        """Forget a connection that is gone; one that is in use is none of the pool's."""
        idle = self._idle.get(origin, [])
        idle[:] = [entry for entry in idle if entry[1] is not connection]

    def expire(self, now: float) -> list[C]:
        """Choose what idled for too long; origins without connections are forgotten."""
        expired: list[C] = []
        for origin, idle in tuple(self._idle.items()):
            while idle and now - idle[0][0] >= self._limits.idle_s:
                expired.append(idle.pop(0)[1])
            if not idle:
                del self._idle[origin]
        return expired
