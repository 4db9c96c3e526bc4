"""What a vendor allows one key, and what an operator allows one provider to cost, counted. Sans-IO.

Requests count when they are sent, tokens when the reply is complete: with several calls at once a key may run over its
token limit by what they bring. Minutes slide; days begin when the vendor's do.

Several processes may tell each other what they counted (`DayTotal`). One that is cut off from the others takes it that
they count as much as itself: each of its own events weighs `weight` times.
"""

from freetheai_gateway.domain.limits import EXACT_REQUESTS
from freetheai_gateway.domain.pools import KeyLimits
from freetheai_gateway.domain.windows import SlidingWindow

MINUTE_S = 60.0
DAY_S = 86_400.0


class DayTotal:
    """An amount of one day: what is known that all processes counted, and what only this one knows yet."""

    __slots__ = ("day", "known", "unsent")

    def __init__(self) -> None:
        self.day = 0
        self.known = 0
        self.unsent = 0

    def turn(self, day: int) -> None:
        """Begin anew on another day."""
        if day != self.day:
            self.day = day
            self.known = self.unsent = 0

    def total(self, weight: int) -> int:
        """Sum it up."""
        return self.known + self.unsent * weight

    def hear(self, day: int, sent: int, total: int) -> int:
        """Take over what all have counted, `sent` of it from here; returns what came from elsewhere since the last."""
        if day != self.day:
            return 0
        elsewhere = max(0, total - self.known - sent)
        self.known = total
        self.unsent -= sent
        return elsewhere


class KeyMeter:
    """What one key was used for. `now` is monotonic, `wall` names the day."""

    __slots__ = ("_limits", "_requests", "_tokens", "requests_today", "tokens_today", "weight")

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._requests = SlidingWindow()
        self._tokens = SlidingWindow()
        self.requests_today = DayTotal()
        self.tokens_today = DayTotal()
        self.weight = 1

    def wait_s(self, now: float, wall: float) -> float:
        """Tell the seconds until one more request is allowed: 0 = now."""
        limits = self._limits
        self.turn(wall)
        wait = 0.0
        if limits.requests_per_minute:
            wait = self._requests.wait_s(limits.requests_per_minute, now, MINUTE_S)
        if limits.tokens_per_minute:
            wait = max(wait, self._tokens.wait_s(limits.tokens_per_minute, now, MINUTE_S))
        if _is_spent(self.requests_today.total(self.weight), limits.requests_per_day) or _is_spent(
            self.tokens_today.total(self.weight), limits.tokens_per_day
        ):
            wait = max(wait, DAY_S - (wall - limits.day_starts_s) % DAY_S)
        return wait

    def take(self, now: float, wall: float) -> None:
        """Count a request that is sent now."""
        self.turn(wall)
        self.requests_today.unsent += 1
        self._count_requests(self.weight, now)

    def charge(self, tokens: int, now: float, wall: float) -> None:
        """Count what a reply used."""
        self.turn(wall)
        self.tokens_today.unsent += tokens
        self._count_tokens(tokens * self.weight, now)

    def hear(self, requests: int, tokens: int, now: float) -> None:
        """Count within the minute what other processes counted just now."""
        self._count_requests(requests, now)
        self._count_tokens(tokens, now)

    def _count_requests(self, requests: int, now: float) -> None:
        limit = self._limits.requests_per_minute
        if limit and requests:
            self._requests.add(requests, now, MINUTE_S, exact=limit <= EXACT_REQUESTS)

    def _count_tokens(self, tokens: int, now: float) -> None:
        if self._limits.tokens_per_minute and tokens:
            self._tokens.add(tokens, now, MINUTE_S, exact=False)

    def turn(self, wall: float) -> None:
        """Begin another day where one has begun."""
        day = int((wall - self._limits.day_starts_s) // DAY_S)
        self.requests_today.turn(day)
        self.tokens_today.turn(day)


def _is_spent(used: int, limit: int) -> bool:
    return bool(limit) and used >= limit


class Budget:
    """What a provider cost on the UTC day."""

    __slots__ = ("limit_micro_usd", "today", "weight")

    def __init__(self, limit_micro_usd: int) -> None:
        self.limit_micro_usd = limit_micro_usd
        self.today = DayTotal()
        self.weight = 1

    def wait_s(self, wall: float) -> float:
        """Tell the seconds until money may be spent again: 0 = now."""
        return DAY_S - wall % DAY_S if self.spent_micro_usd(wall) >= self.limit_micro_usd else 0.0

    def spent_micro_usd(self, wall: float) -> int:
        """Tell what was spent on this day."""
        return self.today.total(self.weight) if int(wall // DAY_S) == self.today.day else 0

    def turn(self, wall: float) -> None:
        """Begin another day where one has begun."""
        self.today.turn(int(wall // DAY_S))

    def spend(self, micro_usd: int, wall: float) -> None:
        """Count a cost."""
        self.turn(wall)
        self.today.unsent += micro_usd

    def restore(self, micro_usd: int, wall: float) -> None:
        """Take over what the ledger says that all processes have spent today."""
        self.turn(wall)
        self.today.known = max(self.today.known, micro_usd)
