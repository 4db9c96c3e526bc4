"""Breakers: an upstream that fails request after request is left alone for a while. Sans-IO.

What counts are distinct requests: one request that makes an upstream fail, sent a hundred times, counts once. So a
member with a poisonous prompt takes nothing from the others.
"""

from enum import StrEnum

from freetheai_gateway.domain.gates import Gate


class State(StrEnum):
    """What a breaker lets pass: everything, nothing, one request at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Tally:
    """Distinct requests that failed in a row, the latest `enough` of them at most, within a window."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        self.failed: dict[int, float] = {}
        """When each of them failed, by identity."""

    def reaches(self, enough: int, now: float, window_s: float, identity: int) -> bool:
        """Count one failure of the request with this identity; says whether it is enough."""
        failed = self.failed
        failed[identity] = now
        for known in [known for known, at in failed.items() if at < now - window_s]:
            del failed[known]
        if len(failed) < enough:
            return False
        failed.clear()
        return True

    def clear(self) -> None:
        """Forget, as something succeeded."""
        self.failed.clear()


class Breaker:
    """The breaker of one upstream."""

    __slots__ = ("gate", "tally")

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self.tally = Tally()

    def state(self, now: float) -> State:
        """Name the state."""
        if self.gate.clear:
            return State.CLOSED
        return State.OPEN if now < self.gate.shut_until else State.HALF_OPEN

    def succeeded(self, *, tried: bool) -> None:
        """Note a success; while the breaker is open only that of a try counts, others began before it opened."""
        if self.gate.clear:
            self.tally.clear()
        elif tried:
            self.tally.clear()
            self.gate.open()

    def failed(self, now: float, identity: int, *, tried: bool, enough: int, window_s: float, open_s: float) -> bool:
        """Note a failure; returns whether the breaker opened by it."""
        if not self.gate.clear:
            if tried:
                self.gate.shut(now, open_s, "breaker")
            return False
        if not self.tally.reaches(enough, now, window_s, identity):
            return False
        self.gate.shut(now, open_s, "breaker")
        return True
