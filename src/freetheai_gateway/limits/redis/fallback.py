"""What holds while Redis is away, as the operator chose it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from freetheai_gateway.domain.limits import UNLIMITED, Delivered, Limits, Refusal, Standing
from freetheai_gateway.errors import LimitsUnavailable
from freetheai_gateway.limits.memory import MemoryLease, MemoryLimiter
from freetheai_gateway.limits.redis.settings import OnFailure

_RETRY_AFTER_S = 5.0


class Fallback:
    """`local`: this process enforces the limits alone; `allow`: nobody does; `deny`: nothing with limits passes."""

    def __init__(self, on_failure: OnFailure, local: MemoryLimiter) -> None:
        self._on_failure = on_failure
        self._local = local

    @property
    def running(self) -> int:
        """Requests that were admitted here and not settled."""
        return self._local.running

    async def admit(self, account_id: str, limits: Limits, wait_s: float, images: int) -> MemoryLease | Refusal:
        """Decide without Redis. Raises `LimitsUnavailable`."""
        if self._on_failure == "allow":
            limits = UNLIMITED
        elif self._on_failure == "deny" and _names_any(limits):
            raise LimitsUnavailable("Limits can't be counted now; try again in a moment.", retry_after_s=_RETRY_AFTER_S)
        return await self._local.admit(account_id, limits, wait_s=wait_s, images=images)

    async def standings_of(self, accounts: Mapping[str, Limits]) -> dict[str, Sequence[Standing]]:
        """Tell what this process knows."""
        return await self._local.standings_of(accounts)

    async def restore_day(self, delivered: Delivered) -> None:
        """Begin where the day stood when Redis went."""
        await self._local.restore_day(delivered)


def _names_any(limits: Limits) -> bool:
    return any(getattr(limits, field.name) is not None for field in fields(limits) if field.name != "window_s")
