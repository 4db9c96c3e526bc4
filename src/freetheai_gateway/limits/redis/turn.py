"""One admission on its way: asked, perhaps in line, decided once."""

import asyncio
from typing import TypeAlias

from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.limits.redis.connection import RedisAway
from freetheai_gateway.limits.redis.script import Verdict

Outcome: TypeAlias = list[object] | RedisAway


class Turn:
    """What was asked for, and the outcome to come."""

    __slots__ = ("account_id", "deadline", "id", "images", "limits", "outcome", "wait_s")

    def __init__(self, turn_id: str, account_id: str, limits: Limits, wait_s: float, images: int) -> None:
        self.id = turn_id
        self.account_id = account_id
        self.limits = limits
        self.wait_s = wait_s
        self.images = images
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.deadline: asyncio.TimerHandle | None = None

    @property
    def is_granted(self) -> bool:
        """Whether it was admitted, by an answer that may not have been looked at yet."""
        if not self.outcome.done() or self.outcome.cancelled():
            return False
        outcome = self.outcome.result()
        return not isinstance(outcome, RedisAway) and outcome[0] == Verdict.GRANTED

    def decide(self, outcome: Outcome) -> bool:
        """Set the outcome; `False` where there is one, or the client has left."""
        self.end()
        if self.outcome.done():
            return False
        self.outcome.set_result(outcome)
        return True

    def end(self) -> None:
        """Wait no longer."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
