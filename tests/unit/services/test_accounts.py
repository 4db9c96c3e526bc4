"""Accounts and keys as operators change them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey
from freetheai_gateway.ids import KeyForm, key_digest, key_form
from freetheai_gateway.services.accounts import AccountDesk, UnknownAccount, UnknownKey
from freetheai_gateway.services.ports import Page
from freetheai_gateway.testing.clock import FakeClock


class MemoryAccounts:
    """Implements `AccountStore` in two dictionaries."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}

    async def create_account(self, account: Account) -> None:
        self.accounts[account.id] = account

    async def find_account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    async def list_accounts(self, page: Page) -> tuple[Sequence[Account], str | None]:
        return list(self.accounts.values()), None

    async def set_tier(self, account_id: str, tier_override: int | None) -> bool:
        return self._change(account_id, tier_override=tier_override)

    async def set_state(
        self, account_id: str, state: AccountState, *, reason: str | None = None, until: float | None = None
    ) -> bool:
        return self._change(account_id, state=state, pause_reason=reason, paused_until=until)

    async def create_key(self, key: ApiKey) -> None:
        self.keys[key.id] = key

    async def find_key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    async def list_keys(self, page: Page, *, account_id: str | None = None) -> tuple[Sequence[ApiKey], str | None]:
        return list(self.keys.values()), None

    async def revoke_key(self, key_id: str, at: float) -> bool:
        key = self.keys.get(key_id)
        if key is None or key.revoked_at is not None:
            return False
        self.keys[key_id] = replace(key, revoked_at=at)
        return True

    async def replace_key(self, old_key_id: str, new_key: ApiKey, at: float) -> bool:
        if not await self.revoke_key(old_key_id, at):
            return False
        await self.create_key(new_key)
        return True

    def _change(self, account_id: str, **fields: object) -> bool:
        account = self.accounts.get(account_id)
        if account is None:
            return False
        self.accounts[account_id] = replace(account, **fields)  # type: ignore[arg-type]
        return True


@pytest.fixture
def store() -> MemoryAccounts:
    """Make an empty store."""
    return MemoryAccounts()


@pytest.fixture
def desk(store: MemoryAccounts) -> AccountDesk:
    """Make a desk over the store."""
    return AccountDesk(store, FakeClock(wall=100.0))


async def test_account_when_opened_then_it_has_one_key_of_which_only_the_digest_is_kept(
    desk: AccountDesk, store: MemoryAccounts
) -> None:
    """The secret is in the answer and nowhere else."""
    issued = await desk.open_account("Ada", tier=3, unlimited=True)
    assert key_form(issued.secret) is KeyForm.WELL_FORMED
    account = store.accounts[issued.account.id]
    assert (account.name, account.tier_override, account.unlimited, account.created_at) == ("Ada", 3, True, 100.0)
    (key,) = store.keys.values()
    assert (key.account_id, key.name) == (account.id, "Ada")
    assert (key.prefix, key.digest) == (issued.secret[:8], key_digest(issued.secret))
    assert issued.secret not in repr(store.keys)
    assert (account.id[:4], key.id[:4]) == ("acc_", "key_")


async def test_key_when_added_then_it_belongs_to_the_same_account(desk: AccountDesk, store: MemoryAccounts) -> None:
    """Counts and bans stay with the account."""
    first = await desk.open_account("Ada")
    second = await desk.add_key(first.account.id, "phone")
    assert second.account == first.account
    assert len(store.keys) == 2
    assert second.secret != first.secret
    with pytest.raises(UnknownAccount, match='there is no account "acc_0"'):
        await desk.add_key("acc_0", "x")


async def test_key_when_rotated_then_the_old_one_ends_and_the_name_stays(
    desk: AccountDesk, store: MemoryAccounts
) -> None:
    """One step; a key can't be rotated twice."""
    old = await desk.open_account("Ada")
    new = await desk.rotate_key(old.key.id)
    assert (new.key.name, new.key.account_id) == ("Ada", old.account.id)
    assert store.keys[old.key.id].revoked_at == 100.0
    for key_id in (old.key.id, "key_0"):
        with pytest.raises(UnknownKey, match="not revoked"):
            await desk.rotate_key(key_id)
    assert len(store.keys) == 2


async def test_key_when_revoked_then_it_is_only_once(desk: AccountDesk) -> None:
    """The answer says when."""
    issued = await desk.open_account("Ada")
    assert (await desk.revoke_key(issued.key.id)).revoked_at == 100.0
    for key_id in (issued.key.id, "key_0"):
        with pytest.raises(UnknownKey):
            await desk.revoke_key(key_id)


async def test_account_when_changed_then_the_new_state_is_answered(desk: AccountDesk) -> None:
    """Tier, suspension, restoration; restoring forgets reason and end."""
    account_id = (await desk.open_account("Ada")).account.id
    assert (await desk.set_tier(account_id, 4)).tier_override == 4
    assert (await desk.set_tier(account_id, None)).tier_override is None
    paused = await desk.suspend(account_id, reason="spam", until=200.0)
    assert (paused.state, paused.pause_reason, paused.paused_until) == (AccountState.PAUSED, "spam", 200.0)
    restored = await desk.restore(account_id)
    assert (restored.state, restored.pause_reason, restored.paused_until) == (AccountState.ACTIVE, None, None)
    assert await desk.account(account_id) == restored


async def test_account_when_unknown_then_every_change_says_so(desk: AccountDesk) -> None:
    """By its id."""
    for change in (desk.set_tier("acc_0", 1), desk.suspend("acc_0"), desk.restore("acc_0"), desk.account("acc_0")):
        with pytest.raises(UnknownAccount, match='there is no account "acc_0"'):
            await change
