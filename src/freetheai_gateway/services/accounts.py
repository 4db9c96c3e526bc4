"""Accounts and keys for operators: made, changed, revoked; called by the command line, the admin API and the bot."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState, ApiKey
from freetheai_gateway.domain.audit import Action, Note
from freetheai_gateway.ids import key_digest, key_visible, new_id, new_key
from freetheai_gateway.services.ports import AccountStore

T = TypeVar("T")


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
    audit_id: str


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """What was changed, as it is now, and the audit entry that says so."""

    now: T
    audit_id: str


class AccountDesk:
    """Issues and changes what authentication reads; every change is written down as `actor`'s, with its reason."""

    def __init__(self, store: AccountStore, clock: Clock, actor: str) -> None:
        self._store = store
        self._clock = clock
        self._actor = actor

    async def open_account(
        self, name: str, *, tier: int | None = None, unlimited: bool = False, reason: str | None = None
    ) -> IssuedKey:
        """Make an account with its first key; `tier` overrides the default tier."""
        note = self._note(Action.ACCOUNT_CREATED, reason)
        account = Account(id=new_id("acc"), name=name, created_at=note.at, unlimited=unlimited, tier_override=tier)
        key, secret = _mint(account.id, name, note.at)
        await self._store.create_account(account, key, note=note)
        return IssuedKey(account, key, secret, note.id)

    async def add_key(self, account_id: str, name: str, *, reason: str | None = None) -> IssuedKey:
        """Give an account one more key; counts and bans stay with the account. Raises `UnknownAccount`."""
        account = await self.account(account_id)
        note = self._note(Action.KEY_CREATED, reason)
        key, secret = _mint(account_id, name, note.at)
        await self._store.create_key(key, note=note)
        return IssuedKey(account, key, secret, note.id)

    async def rotate_key(self, key_id: str, *, reason: str | None = None) -> IssuedKey:
        """Replace a key by a new one in one step. Raises `UnknownKey`."""
        old = await self._store.find_key(key_id)
        if old is None:
            raise UnknownKey(key_id)
        account = await self.account(old.account_id)
        note = self._note(Action.KEY_ROTATED, reason)
        key, secret = _mint(account.id, old.name, note.at)
        if not await self._store.replace_key(key_id, key, note.at, note=note):
            raise UnknownKey(key_id)
        return IssuedKey(account, key, secret, note.id)

    async def revoke_key(self, key_id: str, *, reason: str | None = None) -> Changed[ApiKey]:
        """Revoke a key; it is refused everywhere in under a second. Raises `UnknownKey`."""
        note = self._note(Action.KEY_REVOKED, reason)
        revoked = await self._store.revoke_key(key_id, note.at, note=note)
        if revoked is None:
            raise UnknownKey(key_id)
        return Changed(revoked, note.id)

    async def account(self, account_id: str) -> Account:
        """Read an account. Raises `UnknownAccount`."""
        account = await self._store.find_account(account_id)
        if account is None:
            raise UnknownAccount(account_id)
        return account

    async def change(self, account_id: str, fields: AccountFields, *, reason: str | None = None) -> Changed[Account]:
        """Set fields of an account, such as `tier_override` (`None` ends it). Raises `UnknownAccount`."""
        return await self._change(account_id, fields, Action.ACCOUNT_CHANGED, reason)

    async def suspend(
        self, account_id: str, *, reason: str | None = None, until: float | None = None
    ) -> Changed[Account]:
        """Refuse an account's requests, for ever or until an instant; the member is told the reason.

        Raises `UnknownAccount`.
        """
        fields: AccountFields = {"state": AccountState.PAUSED, "pause_reason": reason, "paused_until": until}
        return await self._change(account_id, fields, Action.ACCOUNT_SUSPENDED, reason)

    async def restore(self, account_id: str, *, reason: str | None = None) -> Changed[Account]:
        """Serve an account again. Raises `UnknownAccount`."""
        fields: AccountFields = {"state": AccountState.ACTIVE, "pause_reason": None, "paused_until": None}
        return await self._change(account_id, fields, Action.ACCOUNT_RESTORED, reason)

    async def _change(
        self, account_id: str, fields: AccountFields, action: Action, reason: str | None
    ) -> Changed[Account]:
        note = self._note(action, reason)
        account = await self._store.change_account(account_id, fields, note=note)
        if account is None:
            raise UnknownAccount(account_id)
        return Changed(account, note.id)

    def _note(self, action: Action, reason: str | None) -> Note:
        return Note(id=new_id("aud"), at=self._clock.wall(), actor=self._actor, action=action, reason=reason)


def _mint(account_id: str, name: str, at: float) -> tuple[ApiKey, str]:
    secret = new_key()
    key = ApiKey(
        id=new_id("key"),
        account_id=account_id,
        name=name,
        prefix=key_visible(secret),
        digest=key_digest(secret),
        created_at=at,
    )
    return key, secret
