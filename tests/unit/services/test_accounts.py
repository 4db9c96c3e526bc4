"""Accounts and keys as operators change them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState, ApiKey
from freetheai_gateway.domain.audit import Action, Note
from freetheai_gateway.ids import KeyForm, key_digest, key_form
from freetheai_gateway.services.accounts import AccountDesk, UnknownAccount, UnknownKey
from freetheai_gateway.services.ports import Page
from freetheai_gateway.testing.clock import FakeClock


class MemoryAccounts:
    """Implements `AccountStore` in two dictionaries, and keeps the notes."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.notes: list[Note | None] = []

    async def create_account(self, account: Account, key: ApiKey | None = None, *, note: Note | None = None) -> None:
        self.accounts[account.id] = account
        if key is not None:
            self.keys[key.id] = key
        self.notes.append(note)

    async def find_account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    async def list_accounts(self, page: Page, *, search: str = "") -> tuple[Sequence[Account], str | None]:
        return list(self.accounts.values()), None

    async def change_account(
        self, account_id: str, fields: AccountFields, *, note: Note | None = None
    ) -> Account | None:
        account = self.accounts.get(account_id)
        if account is None:
            return None
        self.accounts[account_id] = changed = replace(account, **fields)
        self.notes.append(note)
        return changed

    async def create_key(self, key: ApiKey, *, note: Note | None = None) -> None:
        self.keys[key.id] = key
        self.notes.append(note)

    async def find_key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    async def list_keys(self, page: Page, *, account_id: str | None = None) -> tuple[Sequence[ApiKey], str | None]:
        return list(self.keys.values()), None

    async def revoke_key(self, key_id: str, at: float, *, note: Note | None = None) -> ApiKey | None:
        key = self.keys.get(key_id)
        if key is None or key.revoked_at is not None:
            return None
        self.keys[key_id] = revoked = replace(key, revoked_at=at)
        self.notes.append(note)
        return revoked

    async def replace_key(self, old_key_id: str, new_key: ApiKey, at: float, *, note: Note | None = None) -> bool:
        if await self.revoke_key(old_key_id, at, note=note) is None:
            return False
        self.keys[new_key.id] = new_key
        return True


@pytest.fixture
def store() -> MemoryAccounts:
    """Make an empty store."""
    return MemoryAccounts()


@pytest.fixture
def desk(store: MemoryAccounts) -> AccountDesk:
    """Make a desk over the store."""
    return AccountDesk(store, FakeClock(wall=100.0), "cli:ada")


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
    assert (await desk.revoke_key(issued.key.id)).now.revoked_at == 100.0
    for key_id in (issued.key.id, "key_0"):
        with pytest.raises(UnknownKey):
            await desk.revoke_key(key_id)


async def test_account_when_changed_then_the_new_state_is_answered(desk: AccountDesk) -> None:
    """Tier, suspension, restoration; restoring forgets reason and end."""
    account_id = (await desk.open_account("Ada")).account.id
    assert (await desk.change(account_id, {"tier_override": 4})).now.tier_override == 4
    assert (await desk.change(account_id, {"tier_override": None})).now.tier_override is None
    paused = (await desk.suspend(account_id, reason="spam", until=200.0)).now
    assert (paused.state, paused.pause_reason, paused.paused_until) == (AccountState.PAUSED, "spam", 200.0)
    restored = (await desk.restore(account_id)).now
    assert (restored.state, restored.pause_reason, restored.paused_until) == (AccountState.ACTIVE, None, None)
    assert await desk.account(account_id) == restored


async def test_change_when_made_then_its_note_says_who_what_when_and_why(
    desk: AccountDesk, store: MemoryAccounts
) -> None:
    """Every verb gives the store a note of its own, and the answer names it."""
    opened = await desk.open_account("Ada", reason="1")
    added = await desk.add_key(opened.account.id, "phone", reason="2")
    rotated = await desk.rotate_key(added.key.id, reason="3")
    account_id = opened.account.id
    answers = [
        opened.audit_id,
        added.audit_id,
        rotated.audit_id,
        (await desk.revoke_key(rotated.key.id, reason="4")).audit_id,
        (await desk.change(account_id, {"unlimited": True}, reason="5")).audit_id,
        (await desk.suspend(account_id, reason="6")).audit_id,
        (await desk.restore(account_id, reason="7")).audit_id,
    ]
    notes = [note for note in store.notes if note is not None]
    assert [note.id for note in notes] == answers
    assert len(set(answers)) == 7
    assert [note.reason for note in notes] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [note.action for note in notes] == [
        Action.ACCOUNT_CREATED,
        Action.KEY_CREATED,
        Action.KEY_ROTATED,
        Action.KEY_REVOKED,
        Action.ACCOUNT_CHANGED,
        Action.ACCOUNT_SUSPENDED,
        Action.ACCOUNT_RESTORED,
    ]
    assert {(note.actor, note.at) for note in notes} == {("cli:ada", 100.0)}


async def test_account_when_unknown_then_every_change_says_so(desk: AccountDesk) -> None:
    """By its id."""
    for change in (
        desk.change("acc_0", {"tier_override": 1}),
        desk.suspend("acc_0"),
        desk.restore("acc_0"),
        desk.account("acc_0"),
    ):
        with pytest.raises(UnknownAccount, match='there is no account "acc_0"'):
            await change
