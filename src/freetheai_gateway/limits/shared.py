"""Limits that are counted in Redis, and what holds while it is away: the operator's choice, said once in the log."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Literal

from freetheai_gateway.domain.limits import UNLIMITED, Delivered, Limits, Refusal, Standing
from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisAway, RedisLimiter
from freetheai_gateway.services.ports import Lease

OnFailure = Literal["local", "allow", "deny"]
RETRY_AFTER_S = 2.0


class SharedLimiter:
    """Implements `services.ports.Limiter`: in Redis while it answers, else `local`, `allow` or `deny`.

    `local` counts on this node alone, the minutes from nothing and the day from the ledger: N nodes then admit up to
    N times a limit until Redis is back. Accounts without limits always pass.
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

    async def admit(self, account_id: str, limits: Limits, *, wait_s: float = 0.0, images: int = 0) -> Lease | Refusal:
        """Admit or refuse one request. Raises `ProviderUnavailable` where `deny` was chosen and Redis is away."""
        if self._redis.up:
            with suppress(RedisAway):  # `run` says so in the log, once
                return await self._redis.admit(account_id, limits, wait_s=wait_s, images=images)
        if self._on_failure == "deny" and _names_any(limits):
            raise ProviderUnavailable(
                "Limits can't be counted right now; try again in a moment.",
                code="limits_unavailable",
                retry_after_s=RETRY_AFTER_S,
            )
        kept = UNLIMITED if self._on_failure == "allow" else limits
        return await self._local.admit(account_id, kept, wait_s=wait_s, images=images)

    async def standings_of(self, accounts: Mapping[str, Limits]) -> Mapping[str, Sequence[Standing]]:
        """Tell where accounts stand now: on all nodes, or while Redis is away on this one."""
        if self._redis.up:
            with suppress(RedisAway):
                return await self._redis.standings_of(accounts)
        return await self._local.standings_of(accounts)

    async def restore_day(self, delivered: Delivered) -> None:
        """Take over a day's delivered answers from the ledger, on both sides."""
        await self._local.restore_day(delivered)
        if self._redis.up:
            with suppress(RedisAway):
                await self._redis.restore_day(delivered)


def _names_any(limits: Limits) -> bool:
    return any(getattr(limits, field.name) is not None for field in fields(limits) if field.name != "window_s")
