"""Roles and membership: what a signed payload says of a member becomes their account's tier and state."""

from collections.abc import Iterable, Mapping

from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.ports import AccountStore


class Membership:
    """Keeps accounts in step with the server. `tiers` maps role ids to tier levels; other roles mean nothing."""

    def __init__(self, accounts: AccountStore, tiers: Mapping[str, int]) -> None:
        self._accounts = accounts
        self._tiers = tiers

    async def refresh(self, account: Account | None, member: Applicant) -> Account | None:
        """Take over what a payload shows of a member who is in the server; gives the account as it is then.

        Whoever comes back after leaving is served again; an operator's suspension stays.
        """
        if account is None:
            return None
        fields = changed_fields(account, tier_of_roles(member.roles, self._tiers))
        if not fields:
            return account
        return await self._accounts.change_account(account.id, fields)


def tier_of_roles(roles: Iterable[str], tiers: Mapping[str, int]) -> int | None:
    """Find the highest tier that any of the roles gives."""
    return max((tiers[role] for role in roles if role in tiers), default=None)


def changed_fields(account: Account, role_tier: int | None) -> AccountFields:
    """List what differs between the account and a member who is in the server with these roles."""
    fields: AccountFields = {}
    if account.role_tier != role_tier:
        fields["role_tier"] = role_tier
    if account.state is AccountState.LEFT:
        fields["state"] = AccountState.ACTIVE
    return fields
