"""Roles and membership: what Discord says of a member becomes their account's tier and state."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState
from freetheai_gateway.domain.audit import GATEWAY, Action, Note
from freetheai_gateway.ids import new_id
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.ports import DeskStore
from freetheai_gateway.services.ports import AccountStore

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class MembershipRules:
    """`[discord.membership]`, and which tiers roles and paid subscriptions give. Durations in seconds."""

    is_required: bool = True
    recheck_s: float = 6 * HOUR_S
    """How long what Discord said is good without asking again."""
    keep_s: float = 72 * HOUR_S
    """How long the last state holds while Discord can't be asked."""
    role_tiers: Mapping[str, int] = field(default_factory=dict)
    """Role ids to tier levels; other roles mean nothing."""
    sku_tiers: Mapping[str, int] = field(default_factory=dict)
    """SKU ids of the application's subscriptions to tier levels."""

    def tier_of(self, member: Applicant) -> int | None:
        """Find the highest tier that any role or subscription gives."""
        by_role = [self.role_tiers[role] for role in member.roles if role in self.role_tiers]
        by_sku = [self.sku_tiers[sku] for sku in member.entitlements if sku in self.sku_tiers]
        return max(by_role + by_sku, default=None)


class Membership:
    """Keeps accounts in step with the server, and writes down who left and who came back."""

    def __init__(self, accounts: AccountStore, store: DeskStore, rules: MembershipRules, clock: Clock) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self.rules = rules

    def ranked(self, member: Applicant) -> Applicant:
        """Add the tier that a member's roles and subscriptions give."""
        return replace(member, tier=self.rules.tier_of(member))

    async def refresh(self, account: Account, member: Applicant) -> Account:
        """Take over what Discord shows of a member who is in the server; gives the account as it is then.

        Whoever comes back after leaving is served again; an operator's suspension stays.
        """
        fields = changed_fields(account, member.tier)
        if not fields:
            return account
        fields["member_seen_at"] = self._clock.wall()
        came_back = account.state is AccountState.LEFT
        note = self._note(Action.ACCOUNT_RESTORED, "came back to the Discord server") if came_back else None
        return await self._accounts.change_account(account.id, fields, note=note) or account

    def is_stale(self, account: Account) -> bool:
        """Whether it is worth a write to keep that the member was seen now."""
        seen_at = account.member_seen_at
        return seen_at is None or self._clock.wall() - seen_at > self.rules.recheck_s / 4

    async def seen(self, account: Account) -> None:
        """Keep that the member is in the server now."""
        await self._store.note_seen(account.id, self._clock.wall())

    async def left(self, account: Account) -> None:
        """Suspend an account whose owner is not in the server; an operator's suspension stays what it is."""
        now = self._clock.wall()
        if account.state is not AccountState.ACTIVE or not self.rules.is_required:
            await self._store.note_seen(account.id, now)
            return
        fields: AccountFields = {"state": AccountState.LEFT, "member_seen_at": now}
        note = self._note(Action.ACCOUNT_SUSPENDED, "left the Discord server")
        await self._accounts.change_account(account.id, fields, note=note)

    def _note(self, action: Action, reason: str) -> Note:
        return Note(new_id("aud"), self._clock.wall(), GATEWAY, action, reason)


def changed_fields(account: Account, role_tier: int | None) -> AccountFields:
    """List what differs between the account and a member who is in the server and whose roles give this tier."""
    fields: AccountFields = {}
    if account.role_tier != role_tier:
        fields["role_tier"] = role_tier
    if account.state is AccountState.LEFT:
        fields["state"] = AccountState.ACTIVE
    return fields
