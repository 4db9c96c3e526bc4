"""Limits that are counted in Redis, and what holds while it is away: the operator's choice, said once in the log."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal

from freetheai_gateway.domain.limits import UNLIMITED, Limits, Refusal, Standing
from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisAway, RedisLimiter
from freetheai_gateway.limits.redis.connection import RedisRefused
from freetheai_gateway.log import get_log
from freetheai_gateway.services.ports import Lease

OnFailure = Literal["local", "allow", "deny"]
RETRY_AFTER_S = 2.0
_LOG = get_log("limits")


class SharedLimiter:
    """Implements `services.ports.Limiter`: in Redis while it answers, else `local`, `allow` or `deny`.

    `local` counts on this node alone, from nothing: N nodes then admit up to N times a limit until Redis is back.
    """

    def __init__(self, redis: RedisLimiter, local: MemoryLimiter, on_failure: OnFailure) -> None:
        self._redis = redis
        self._local = local
        self._on_failure = on_failure

    @property
    def up(self) -> bool:
        """Whether limits are counted where they should be."""
        return self._redis.up

    @property
    def running(self) -> int:
        """Requests of this node that hold a slot."""
        return self._redis.running + self._local.running

    async def admit(self, account_id: str, limits: Limits, *, wait_s: float = 0.0) -> Lease | Refusal:
        """Admit or refuse one request. Raises `ProviderUnavailable` where `deny` was chosen and Redis is away."""
        if self._redis.up:
            try:
                return await self._redis.admit(account_id, limits, wait_s=wait_s)
            except RedisAway:
                pass  # `run` says so in the log, once
            except RedisRefused as error:
                _LOG.error("limits_backend_refused", cause=str(error))
        if self._on_failure == "deny":
            raise ProviderUnavailable(
                "Limits can't be counted right now; try again in a moment.",
                code="limits_unavailable",
                retry_after_s=RETRY_AFTER_S,
            )
        kept = UNLIMITED if self._on_failure == "allow" else limits
        return await self._local.admit(account_id, kept, wait_s=wait_s)

    async def standings(self, account_id: str, limits: Limits) -> Sequence[Standing]:
        """Tell where an account stands now: on all nodes, or while Redis is away on this one."""
        if self._redis.up:
            with suppress(RedisAway, RedisRefused):
                return await self._redis.standings(account_id, limits)
        return self._local.standing(account_id, limits)

    def restore_day(self, day: str, successes: Mapping[str, int]) -> None:
        """Take over a day's delivered answers from the ledger, on both sides."""
        self._redis.restore_day(day, successes)
        self._local.restore_day(day, successes)
