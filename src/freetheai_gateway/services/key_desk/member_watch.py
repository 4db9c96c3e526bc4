"""Is the owner of this account still in the server? Asked of Discord now and then, and never while a request waits.

A request of an account that was not seen for some hours goes through on what was last known, and has Discord asked
behind it: one question at a time, at most a few a second, one for each account. Only Discord's own "unknown member"
means that somebody left. Whatever else goes wrong is the gateway's or Discord's trouble: the last state holds, the
questions become rarer, and only after `keep_s` of that are requests answered 503, never 403.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, AccountState
from freetheai_gateway.errors import MembershipUnknown
from freetheai_gateway.log import Log
from freetheai_gateway.services.admit import has_left
from freetheai_gateway.services.directory import Site
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.membership import Membership
from freetheai_gateway.services.key_desk.ports import DeliveryFailed
from freetheai_gateway.services.ports import AccountStore, StoreFailed

UNKNOWN_MEMBER, UNKNOWN_GUILD = 10007, 10004
PACE_S = 0.5
"""Between two questions: far below what Discord allows a bot."""
LEFT_RECHECK_S = 60.0
"""Whoever left may come back at any moment, and asks by using the key again."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 600.0
"""After a failure; twice as long after each that follows."""
RETRY_AFTER_S = 60.0
MOST_WAITING = 1_000
MOST_REMEMBERED = 20_000

Sleep = Callable[[float], Awaitable[None]]


_OURS = frozenset({0, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""No answer at all, or one that is about the bot."""


class Members(Protocol):
    """Asks Discord."""

    async def find_member(self, discord_id: str) -> Applicant:
        """Find a member of the server. Raises `DeliveryFailed`; its code says why."""
        ...


class MemberWatch:
    """`check` is called for each request of an account that has a Discord id; `run` asks in the background."""

    def __init__(
        self,
        members: Members,
        membership: Membership,
        accounts: AccountStore,
        clock: Clock,
        log: Log,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._members = members
        self._membership = membership
        self._accounts = accounts
        self._clock = clock
        self._log = log
        self._sleep = sleep
        self._recheck_s = membership.rules.recheck_s
        self._keep_s = membership.rules.keep_s
        self._is_required = membership.rules.is_required
        self._seen: OrderedDict[str, float] = OrderedDict()
        """When this process last had an answer, by account: newer than what a cached account says."""
        self._waiting: OrderedDict[str, Account] = OrderedDict()
        self._wake = asyncio.Event()
        self._failing_since: float | None = None
        self._pause_s = FIRST_PAUSE_S

    def check(self, account: Account, site: Site) -> None:
        """Raise `MembershipRequired` or `MembershipUnknown` where the account is not served; never waits."""
        now = self._clock.wall()
        is_gone = account.state is AccountState.LEFT
        good_for_s = LEFT_RECHECK_S if is_gone else self._recheck_s
        if now - (account.member_seen_at or 0.0) >= good_for_s and now - self._seen.get(account.id, 0.0) >= good_for_s:
            self._ask_for(account)
            since = self._failing_since
            if since is not None and now - since >= self._keep_s and self._is_required:
                raise MembershipUnknown(
                    "The gateway can't ask Discord at the moment who is in the server; this is not your fault. "
                    "Try again later.",
                    retry_after_s=RETRY_AFTER_S,
                )
        if is_gone and self._is_required:
            raise has_left(site)

    async def run(self) -> None:
        """Ask for ever, one after the other."""
        while True:
            await self._wake.wait()
            await self._sleep(await self.ask_next())

    async def ask_next(self) -> float:
        """Ask for the one that waits longest; gives the seconds until the next may be asked for."""
        if not self._waiting:
            self._wake.clear()
            return 0.0
        account_id = next(iter(self._waiting))
        try:
            await self._ask(account_id)
        except (DeliveryFailed, StoreFailed) as error:
            return self._failed(account_id, error)
        self._waiting.pop(account_id, None)
        self._remember(account_id)
        return PACE_S

    @property
    def waiting(self) -> int:
        """How many accounts wait to be asked for."""
        return len(self._waiting)

    def _ask_for(self, account: Account) -> None:
        if account.id not in self._waiting and len(self._waiting) < MOST_WAITING:
            self._waiting[account.id] = account
            self._wake.set()

    async def _ask(self, account_id: str) -> None:
        account = await self._accounts.find_account(account_id)
        if account is None or account.discord_id is None or self._was_seen_elsewhere(account):
            return
        try:
            member = await self._members.find_member(account.discord_id)
        except DeliveryFailed as failed:
            if _is_outage(failed):
                raise
            self._answered()
            if failed.code == UNKNOWN_MEMBER:
                await self._membership.left(account)
            else:  # Discord is well and has no answer for this account: no word about others, and none about leaving
                self._log.warning("discord_member_unknown", status=failed.status, discord_code=failed.code)
        else:
            self._answered()
            refreshed = await self._membership.refresh(account, self._membership.ranked(member))
            if refreshed is account:
                await self._membership.seen(account)

    def _was_seen_elsewhere(self, account: Account) -> bool:
        """Whether another node, or a command of the member, was first."""
        good_for_s = LEFT_RECHECK_S if account.state is AccountState.LEFT else self._recheck_s
        return self._clock.wall() - (account.member_seen_at or 0.0) < good_for_s

    def _answered(self) -> None:
        if self._failing_since is not None:
            self._log.info("discord_members_known_again")
        self._failing_since = None
        self._pause_s = FIRST_PAUSE_S

    def _failed(self, account_id: str, error: DeliveryFailed | StoreFailed) -> float:
        """Let the next in the queue be tried after a pause; the bound counts from the first failure."""
        self._waiting.move_to_end(account_id)
        if self._failing_since is None and isinstance(error, DeliveryFailed):
            self._failing_since = self._clock.wall()
        status, code = (error.status, error.code) if isinstance(error, DeliveryFailed) else (0, 0)
        self._log.warning("discord_members_unknown", error=type(error).__name__, status=status, discord_code=code)
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s

    def _remember(self, account_id: str) -> None:
        self._seen[account_id] = self._clock.wall()
        self._seen.move_to_end(account_id)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)


def _is_outage(failed: DeliveryFailed) -> bool:
    """Whether Discord, the way to it or the bot is in trouble, and not the one account that was asked about."""
    is_theirs = failed.status in _OURS or failed.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return is_theirs or failed.code == UNKNOWN_GUILD
