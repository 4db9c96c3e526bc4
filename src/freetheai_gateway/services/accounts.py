"""Accounts and keys for operators: made, changed, revoked; called by the command line, the admin API and the bot."""

from dataclasses import dataclass, replace

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey
from freetheai_gateway.ids import key_digest, key_visible, new_id, new_key
from freetheai_gateway.services.ports import AccountStore


class UnknownAccount(LookupError):
    """No account has this id."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f'there is no account "{account_id}"')


class UnknownKey(LookupError):
    """No key has this id, or it is revoked already."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f'there is no key "{key_id}" that is not revoked')


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key; `secret` is the key itself and exists nowhere else."""

    account: Account
    key: ApiKey
    secret: str


class AccountDesk:
    """Issues and changes what authentication reads."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def open_account(self, name: str, *, tier: int | None = None, unlimited: bool = False) -> IssuedKey:
        """Make an account with its first key; `tier` overrides the default tier."""
        account = Account(
            id=new_id("acc"),
            name=name,
            created_at=self._clock.wall(),
            unlimited=unlimited,
            tier_override=tier,
        )
        await self._store.create_account(account)
        return await self._issue(account, name)

    async def add_key(self, account_id: str, name: str) -> IssuedKey:
        """Give an account one more key; counts and bans stay with the account. Raises `UnknownAccount`."""
        return await self._issue(await self.account(account_id), name)

    async def rotate_key(self, key_id: str) -> IssuedKey:
        """Replace a key by a new one in one step. Raises `UnknownKey`."""
        old = await self._store.find_key(key_id)
        if old is None:
            raise UnknownKey(key_id)
        account = await self.account(old.account_id)
        key, secret = self._mint(account.id, old.name)
        if not await self._store.replace_key(key_id, key, self._clock.wall()):
            raise UnknownKey(key_id)
        return IssuedKey(account, key, secret)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke a key; it is refused everywhere in under a second. Raises `UnknownKey`."""
        key = await self._store.find_key(key_id)
        now = self._clock.wall()
        if key is None or not await self._store.revoke_key(key_id, now):
            raise UnknownKey(key_id)
        return replace(key, revoked_at=now)

    async def account(self, account_id: str) -> Account:
        """Read an account. Raises `UnknownAccount`."""
        account = await self._store.find_account(account_id)
        if account is None:
            raise UnknownAccount(account_id)
        return account

    async def set_tier(self, account_id: str, tier: int | None) -> Account:
        """Override an account's tier, or with `None` end the override. Raises `UnknownAccount`."""
        if not await self._store.set_tier(account_id, tier):
            raise UnknownAccount(account_id)
        return await self.account(account_id)

    async def suspend(self, account_id: str, *, reason: str | None = None, until: float | None = None) -> Account:
        """Refuse an account's requests, for ever or until an instant. Raises `UnknownAccount`."""
        if not await self._store.set_state(account_id, AccountState.PAUSED, reason=reason, until=until):
            raise UnknownAccount(account_id)
        return await self.account(account_id)

    async def restore(self, account_id: str) -> Account:
        """Serve an account again. Raises `UnknownAccount`."""
        if not await self._store.set_state(account_id, AccountState.ACTIVE):
            raise UnknownAccount(account_id)
        return await self.account(account_id)

    async def _issue(self, account: Account, name: str) -> IssuedKey:
        key, secret = self._mint(account.id, name)
        await self._store.create_key(key)
        return IssuedKey(account, key, secret)

    def _mint(self, account_id: str, name: str) -> tuple[ApiKey, str]:
        secret = new_key()
        key = ApiKey(
            id=new_id("key"),
            account_id=account_id,
            name=name,
            prefix=key_visible(secret),
            digest=key_digest(secret),
            created_at=self._clock.wall(),
        )
        return key, secret
