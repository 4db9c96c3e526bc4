"""What a vendor allows one key, and what an operator allows one provider to cost, counted. Sans-IO.

Requests count when they are sent, tokens when the reply is complete: with several calls at once a key may run over its
token limit by what they bring. Minutes slide; days begin when the vendor's do.
"""

from freetheai_gateway.domain.limits import EXACT_REQUESTS
from freetheai_gateway.domain.pools import KeyLimits
from freetheai_gateway.domain.windows import SlidingWindow

MINUTE_S = 60.0
DAY_S = 86_400.0


class KeyMeter:
    """What one key was used for. `now` is monotonic, `wall` names the day."""

    __slots__ = ("_day", "_limits", "_requests", "_requests_today", "_tokens", "_tokens_today")

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._requests = SlidingWindow()
        self._tokens = SlidingWindow()
        self._day = 0
        self._requests_today = 0
        self._tokens_today = 0

    def wait_s(self, now: float, wall: float) -> float:
        """Tell the seconds until one more request is allowed: 0 = now."""
        limits = self._limits
        self._turn_day(wall)
        wait = 0.0
        if limits.requests_per_minute:
            wait = self._requests.wait_s(limits.requests_per_minute, now, MINUTE_S)
        if limits.tokens_per_minute:
            wait = max(wait, self._tokens.wait_s(limits.tokens_per_minute, now, MINUTE_S))
        if _is_spent(self._requests_today, limits.requests_per_day) or _is_spent(
            self._tokens_today, limits.tokens_per_day
        ):
            wait = max(wait, DAY_S - (wall - limits.day_starts_s) % DAY_S)
        return wait

    def take(self, now: float, wall: float) -> None:
        """Count a request that is sent now."""
        limit = self._limits.requests_per_minute
        self._turn_day(wall)
        self._requests_today += 1
        if limit:
            self._requests.add(1, now, MINUTE_S, exact=limit <= EXACT_REQUESTS)

    def charge(self, tokens: int, now: float, wall: float) -> None:
        """Count what a reply used."""
        self._turn_day(wall)
        self._tokens_today += tokens
        if self._limits.tokens_per_minute and tokens:
            self._tokens.add(tokens, now, MINUTE_S, exact=False)

    def _turn_day(self, wall: float) -> None:
        day = int((wall - self._limits.day_starts_s) // DAY_S)
        if day != self._day:
            self._day = day
            self._requests_today = self._tokens_today = 0


def _is_spent(used: int, limit: int) -> bool:
    return bool(limit) and used >= limit


class Budget:
    """What a provider cost on the UTC day."""

    __slots__ = ("_day", "_spent_micro_usd", "limit_micro_usd")

    def __init__(self, limit_micro_usd: int) -> None:
        self.limit_micro_usd = limit_micro_usd
        self._day = 0
        self._spent_micro_usd = 0

    def wait_s(self, wall: float) -> float:
        """Tell the seconds until money may be spent again: 0 = now."""
        return DAY_S - wall % DAY_S if self.spent_micro_usd(wall) >= self.limit_micro_usd else 0.0

    def spent_micro_usd(self, wall: float) -> int:
        """Tell what was spent on this day."""
        return self._spent_micro_usd if int(wall // DAY_S) == self._day else 0

    def spend(self, micro_usd: int, wall: float) -> None:
        """Count a cost."""
        self._spent_micro_usd = self.spent_micro_usd(wall) + micro_usd
        self._day = int(wall // DAY_S)
