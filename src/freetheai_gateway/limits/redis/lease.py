"""A request that Redis has admitted, and how its words are read."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from freetheai_gateway.domain.limits import Limits, Refusal, Rule, Standing
from freetheai_gateway.limits.redis.script import MICRO

if TYPE_CHECKING:
    from freetheai_gateway.limits.redis.limiter import RedisLimiter

RULES: Final = tuple(Rule)
_LIMIT_OF: Final[tuple[Callable[[Limits], int | None], ...]] = (
    lambda limits: limits.requests_per_minute,
    lambda limits: limits.tokens_per_minute,
    lambda limits: limits.concurrency,
    lambda limits: limits.daily_requests,
    lambda limits: limits.images_per_day,
    lambda limits: None if limits.image_cooldown_s is None else 1,
)


class RedisLease:
    """Implements `services.ports.Lease`."""

    __slots__ = ("_answered_at_s", "_is_open", "_limiter", "_uses", "account_id", "limits", "name")

    def __init__(self, limiter: "RedisLimiter", account_id: str, limits: Limits, reply: Sequence[object]) -> None:
        self._limiter = limiter
        self._is_open = True
        self._answered_at_s = limiter.now_s()
        self._uses = reply[2:]
        self.account_id = account_id
        self.limits = limits
        self.name = cast("bytes", reply[1])
        """What Redis knows it by."""

    @property
    def standings(self) -> Sequence[Standing]:
        """Where the account stood at the admission; resets count from now."""
        return read_standings(self._uses, self.limits, self._limiter.now_s() - self._answered_at_s)

    def settle(self, *, delivered: bool, tokens: int = 0, images: int = 0) -> None:
        """Free the slot, keep or give back the day's reservations, charge tokens; only the first call counts."""
        if self._is_open:
            self._is_open = False
            self._limiter.release(self, delivered=delivered, tokens=tokens, images=images)


def read_standings(uses: Sequence[object], limits: Limits, age_s: float = 0.0) -> tuple[Standing, ...]:
    """Read use and reset of every rule, `age_s` after the answer; only the rules that the account has."""
    standings = []
    for index, rule in enumerate(RULES):
        limit = _LIMIT_OF[index](limits)
        if limit is not None:
            used, reset_s = int(uses[2 * index]), int(uses[2 * index + 1]) / MICRO  # type: ignore[call-overload]
            if rule is not Rule.CONCURRENCY:
                reset_s = max(0.0, reset_s - age_s)
            standings.append(Standing(rule, limit, used, reset_s))
    return tuple(standings)


def read_refusal(reply: Sequence[object]) -> Refusal:
    """Read the rule that said no."""
    rule, limit, used, wait = (int(word) for word in reply[1:5])  # type: ignore[call-overload]
    return Refusal(RULES[rule], limit, used, wait / MICRO)
