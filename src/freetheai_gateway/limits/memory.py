"""The limiter of a single process: counts in memory, every decision in one piece.

Nothing here awaits but a request that waits its turn, so each decision is atomic among the tasks of one loop. Counts
end with the process; the day's are given back to it by `restore_day`, a minute's are not worth keeping.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TypeAlias

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.counters import Counters, Grant, day_number
from freetheai_gateway.domain.limits import UNLIMITED, Delivered, Limits, Refusal, Rule, Standing

WAITING_PER_ACCOUNT = 4
"""How many requests of one account may wait for a slot; the next is refused at once."""

_SWEPT_PER_ADMISSION = 2
"""An admission adds at most one account and looks at two: after a round, idle ones don't outnumber the others."""

_EPOCH = date(1970, 1, 1)

_Turn: TypeAlias = "asyncio.Future[MemoryLease | Refusal]"
_Waiter: TypeAlias = "tuple[_Turn, int]"
"""Who waits, and how many images it asks for."""


class _Account:
    """One account: its counts, and who waits for a slot of it, under the limits that were last heard of."""

    __slots__ = ("counters", "id", "limits", "waiting")

    def __init__(self, account_id: str, counters: Counters) -> None:
        self.id = account_id
        self.counters = counters
        self.limits = UNLIMITED
        self.waiting: list[_Waiter] = []


class MemoryLease:
    """Implements `services.ports.Lease`."""

    __slots__ = ("_is_open", "_limiter", "account", "grant")

    def __init__(self, limiter: "MemoryLimiter", account: _Account, grant: Grant) -> None:
        self._limiter = limiter
        self._is_open = True
        self.account = account
        self.grant = grant

    @property
    def standings(self) -> Sequence[Standing]:
        """Where the account stands; worked out when asked, so that every reset counts from now."""
        return self._limiter.standings_now(self.account.counters, self.grant.limits)

    def settle(self, *, delivered: bool, tokens: int = 0, images: int = 0) -> None:
        """Free the slot, keep or give back the day's reservations, charge tokens; only the first call counts."""
        if self._is_open:
            self._is_open = False
            self._limiter.settle(self, delivered=delivered, tokens=tokens, images=images)


class MemoryLimiter:
    """Implements `services.ports.Limiter` for one process; refuses exactly, and fails never.

    A waiting request is decided anew when a slot frees, by all rules and under the account's newest limits. Callers
    bound a wait by `wait_s` and never by `asyncio.wait_for`, which can lose a lease between two tasks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._round: deque[_Account] = deque()
        """Every account once, in the order in which the sweep looks at them."""
        self._running = 0

    @property
    def running(self) -> int:
        """Requests that were admitted and not settled, of all accounts."""
        return self._running

    @property
    def accounts(self) -> int:
        """Accounts that are kept in memory: those with something counted, and at most as many idle ones."""
        return len(self._accounts)

    def standing(self, account_id: str, limits: Limits) -> Sequence[Standing]:
        """Tell where an account stands now, one entry per limit that it has."""
        account = self._accounts.get(account_id)
        return self.standings_now(account.counters if account else Counters(), limits)

    def standings_now(self, counters: Counters, limits: Limits) -> Sequence[Standing]:
        """Tell where these counts stand now."""
        return counters.standings(limits, self._clock.monotonic(), self._clock.wall())

    async def standings_of(self, accounts: Mapping[str, Limits]) -> dict[str, Sequence[Standing]]:
        """Tell where each of these accounts stands now (see `services.ports.Limiter`)."""
        return {account_id: self.standing(account_id, limits) for account_id, limits in accounts.items()}

    async def restore_day(self, delivered: Delivered) -> None:
        """Take over what was delivered on a UTC day (see `services.ports.Limiter`).

        To be called before serving, and when a reload brings the first daily cap. Every account that is given costs
        memory until midnight.
        """
        number = (date.fromisoformat(delivered.day) - _EPOCH).days
        if number != day_number(self._clock.wall()):
            return
        answers, images = delivered.answers, delivered.images
        for account_id in answers.keys() | images.keys():
            account = self._accounts.get(account_id) or self._track(account_id)
            account.counters.restore_day(number, answers.get(account_id, 0), images.get(account_id, 0))

    async def admit(
        self, account_id: str, limits: Limits, *, wait_s: float = 0.0, images: int = 0
    ) -> MemoryLease | Refusal:
        """Admit or refuse one request; a refusal consumes nothing (see `services.ports.Limiter`)."""
        if len(self._round) >= _SWEPT_PER_ADMISSION:  # with one account there is nothing to gain
            self._sweep()
        account = self._accounts.get(account_id) or self._track(account_id)
        if account.waiting:
            # Raised limits let those in first who have waited; after this a free slot means that nobody waits.
            account.limits = limits
            self._serve(account)
        outcome = self._decide(account, limits, images)
        if wait_s > 0 and isinstance(outcome, Refusal) and outcome.rule is Rule.CONCURRENCY:
            return await self._wait(account, limits, wait_s, images, outcome)
        return outcome

    def settle(self, lease: MemoryLease, *, delivered: bool, tokens: int, images: int) -> None:
        """End a request; its lease calls this once."""
        self._running -= 1
        now_s = self._clock.monotonic()
        lease.account.counters.settle(lease.grant, now_s, delivered=delivered, tokens=tokens, images=images)
        if lease.account.waiting:
            self._serve(lease.account)

    def _track(self, account_id: str) -> _Account:
        account = self._accounts[account_id] = _Account(account_id, Counters())
        self._round.append(account)
        return account

    def _decide(self, account: _Account, limits: Limits, images: int) -> MemoryLease | Refusal:
        outcome = account.counters.admit(limits, self._clock.monotonic(), self._clock.wall(), images)
        if isinstance(outcome, Refusal):
            return outcome
        self._running += 1
        return MemoryLease(self, account, outcome)

    async def _wait(
        self, account: _Account, limits: Limits, wait_s: float, images: int, refusal: Refusal
    ) -> MemoryLease | Refusal:
        # Those who were cancelled in this turn of the loop are still listed until their task runs.
        if sum(not turn.done() for turn, _ in account.waiting) >= WAITING_PER_ACCOUNT:
            return refusal
        loop = asyncio.get_running_loop()
        turn: _Turn = loop.create_future()
        account.limits = limits
        waiter = (turn, images)
        account.waiting.append(waiter)
        deadline = loop.call_later(wait_s, self._expire, account, waiter)
        try:
            return await turn
        except BaseException:  # cancelled, or closed with the loop
            self._abandon(account, waiter)
            raise
        finally:
            deadline.cancel()

    def _serve(self, account: _Account) -> None:
        """Decide anew about those who wait, in their order, as long as a slot is free."""
        while account.waiting and account.counters.has_slot(account.limits):
            turn, images = account.waiting.pop(0)
            if not turn.done():
                turn.set_result(self._decide(account, account.limits, images))

    def _expire(self, account: _Account, waiter: _Waiter) -> None:
        turn, images = waiter
        if not turn.done():
            account.waiting.remove(waiter)
            turn.set_result(self._decide(account, account.limits, images))

    def _abandon(self, account: _Account, waiter: _Waiter) -> None:
        """Leave nothing of a wait that was cancelled, also when the slot was granted in the same turn of the loop."""
        turn = waiter[0]
        if waiter in account.waiting:
            account.waiting.remove(waiter)
        elif not turn.cancelled() and isinstance(lease := turn.result(), MemoryLease):
            self._running -= 1
            account.counters.withdraw(lease.grant)
            self._serve(account)

    def _sweep(self) -> None:
        """Look at the next accounts of the round and drop the idle ones."""
        accounts = self._round
        now_s, wall_s = self._clock.monotonic(), self._clock.wall()
        for _ in range(_SWEPT_PER_ADMISSION):
            account = accounts.popleft()
            if not account.waiting and account.counters.is_idle(now_s, wall_s):
                del self._accounts[account.id]
            else:
                self._round.append(account)
