"""The contract of `AuditStore`, and of the notes that the account store takes."""

from collections.abc import Callable

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey
from freetheai_gateway.domain.audit import Action, AuditEntry, Note
from freetheai_gateway.ids import new_id
from freetheai_gateway.services.ports import AuditStore, InvalidCursor, Page, StoreConflict
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.audit import SqlAudit
from freetheai_gateway.store.database import Database

NewAccount = Callable[..., Account]
NewApiKey = Callable[..., ApiKey]


def note(action: Action, at: float = 1_000.0) -> Note:
    """Make a note; each call a new one."""
    return Note(id=new_id("aud"), at=at, actor="cli:ada", action=action, reason="because")


@pytest.fixture
def audit(database: Database) -> AuditStore:
    """Give the audit store; the type checker sees that it fulfils the port."""
    return SqlAudit(database)


async def test_entry_when_recorded_then_reads_back_as_it_went_in(audit: AuditStore) -> None:
    """Every field survives; what a reload did belongs to no account."""
    entry = AuditEntry(
        id="aud_1",
        at=1_795_397_400.123_456_7,
        actor="discord:77",
        action=Action.CONFIGURATION_RELOADED.value,
        subject="configuration",
        after={"models": ["+new/model"], "größe": None},
    )
    await audit.record(entry)
    assert await audit.list_entries(Page()) == ([entry], None)


async def test_entries_when_listed_in_pages_then_the_newest_come_first_and_each_once(audit: AuditStore) -> None:
    """Entries of one instant are ordered by id."""
    made = [AuditEntry(f"aud_{index}", 1_000.0 + index // 3, "a", "b", "c") for index in range(7)]
    for entry in made:
        await audit.record(entry)
    listed: list[AuditEntry] = []
    cursor: str | None = None
    for size in (3, 3, 1):
        page, cursor = await audit.list_entries(Page(limit=3, after=cursor))
        assert len(page) == size
        listed += page
    assert (cursor, listed) == (None, made[::-1])
    with pytest.raises(InvalidCursor):
        await audit.list_entries(Page(after="aud_made_up"))


async def test_account_when_changed_with_notes_then_each_says_what_was_and_what_is(
    accounts: SqlAccounts, audit: AuditStore, new_account: NewAccount
) -> None:
    """Only the fields that were set; instants can be read."""
    account = new_account(name="Ada", tier_override=2)
    await accounts.create_account(account, note=note(Action.ACCOUNT_CREATED, 1.0))
    await accounts.change_account(account.id, {"tier_override": None}, note=note(Action.ACCOUNT_CHANGED, 2.0))
    suspension = note(Action.ACCOUNT_SUSPENDED, 3.0)
    await accounts.change_account(
        account.id, {"state": AccountState.PAUSED, "paused_until": 1_795_397_400.0}, note=suspension
    )
    entries, _ = await audit.list_entries(Page())
    assert [(entry.action, entry.before, entry.after) for entry in entries] == [
        (
            "account.suspend",
            {"state": "active", "paused_until": None},
            {"state": "paused", "paused_until": "2026-11-23T01:30:00Z"},
        ),
        ("account.change", {"tier_override": 2}, {"tier_override": None}),
        (
            "account.create",
            {},
            {"name": "Ada", "discord_id": None, "tier_override": 2, "role_tier": None, "unlimited": False},
        ),
    ]
    first = entries[0]
    assert (first.id, first.at, first.actor, first.reason) == (suspension.id, 3.0, "cli:ada", "because")
    assert {(entry.subject, entry.account_id) for entry in entries} == {(account.id, account.id)}


async def test_key_when_changed_with_notes_then_the_list_of_its_account_has_them(
    accounts: SqlAccounts, audit: AuditStore, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """By the key's id, with its visible beginning and never its digest; other accounts' are left out."""
    ada, bob = new_account(), new_account()
    first, second, third = (new_api_key(ada.id) for _ in range(3))
    await accounts.create_account(bob, note=note(Action.ACCOUNT_CREATED))
    await accounts.create_account(ada, first, note=note(Action.ACCOUNT_CREATED, 1.0))
    await accounts.create_key(second, note=note(Action.KEY_CREATED, 2.0))
    await accounts.replace_key(second.id, third, 3.0, note=note(Action.KEY_ROTATED, 3.0))
    await accounts.revoke_key(third.id, 4.0, note=note(Action.KEY_REVOKED, 4.0))
    entries, _ = await audit.list_entries(Page(), account_id=ada.id)
    assert [(entry.subject, entry.action, entry.before, entry.after) for entry in entries[:3]] == [
        (third.id, "key.revoke", {"prefix": third.prefix}, {}),
        (
            second.id,
            "key.rotate",
            {"prefix": second.prefix},
            {"key_id": third.id, "name": "laptop", "prefix": third.prefix},
        ),
        (second.id, "key.create", {}, {"name": "laptop", "prefix": second.prefix}),
    ]
    assert [(entry.action, entry.after["key_id"]) for entry in entries[3:]] == [("account.create", first.id)]


async def test_change_when_it_does_not_take_place_then_nothing_is_noted(
    accounts: SqlAccounts, audit: AuditStore, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Change and entry are one transaction."""
    account = new_account()
    key = new_api_key(account.id)
    await accounts.create_account(account, key)
    assert await accounts.change_account("acc_0", {"unlimited": True}, note=note(Action.ACCOUNT_CHANGED)) is None
    assert await accounts.revoke_key("key_0", 1.0, note=note(Action.KEY_REVOKED)) is None
    with pytest.raises(StoreConflict):
        await accounts.replace_key(key.id, key, 2.0, note=note(Action.KEY_ROTATED))
    with pytest.raises(StoreConflict):
        await accounts.create_account(account, note=note(Action.ACCOUNT_CREATED))
    assert await audit.list_entries(Page()) == ([], None)


async def test_note_when_its_id_is_taken_then_the_change_is_undone(
    accounts: SqlAccounts, new_account: NewAccount
) -> None:
    """No change without its entry."""
    account, taken = new_account(), note(Action.ACCOUNT_CREATED)
    await accounts.create_account(account, note=taken)
    with pytest.raises(StoreConflict):
        await accounts.change_account(account.id, {"tier_override": 5}, note=taken)
    assert await accounts.find_account(account.id) == account
