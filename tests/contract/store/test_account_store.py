"""The contract of `AccountStore` and `KeyLookup`."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState, ApiKey, Caller
from freetheai_gateway.services.ports import AccountStore, InvalidCursor, KeyLookup, Page, StoreConflict
from freetheai_gateway.store.accounts import SqlAccounts

NewAccount = Callable[..., Account]
NewApiKey = Callable[..., ApiKey]


def test_store_when_typed_then_fulfils_both_ports(accounts: SqlAccounts) -> None:
    """The type checker reads this test: one object serves both ports."""
    ports: tuple[AccountStore, KeyLookup] = (accounts, accounts)
    assert ports


async def test_account_when_created_then_reads_back_as_it_went_in(
    accounts: SqlAccounts, new_account: NewAccount
) -> None:
    """Every field survives, instants to the last bit."""
    account = new_account(
        name="Zoë 🦊",
        created_at=1_795_397_400.123_456_7,
        state=AccountState.PAUSED,
        unlimited=True,
        discord_id="80351110224678912",
        tier_override=0,
        role_tier=3,
        pause_reason="spam",
        paused_until=1_795_397_401.1,
    )
    await accounts.create_account(account)
    assert await accounts.find_account(account.id) == account


async def test_account_when_unknown_then_none(accounts: SqlAccounts) -> None:
    """Nothing is found where nothing is."""
    assert await accounts.find_account("acc_nobody") is None


@pytest.mark.parametrize("field", ["id", "discord_id"])
async def test_account_when_taken_then_conflict(accounts: SqlAccounts, new_account: NewAccount, field: str) -> None:
    """Ids and Discord ids are unique, and the error quotes neither."""
    await accounts.create_account(new_account(**{field: "the_same"}))
    with pytest.raises(StoreConflict) as raised:
        await accounts.create_account(new_account(**{field: "the_same"}))
    assert "the_same" not in str(raised.value)
    assert "INSERT" not in str(raised.value)


async def test_accounts_when_listed_in_pages_then_each_comes_once_in_order(
    accounts: SqlAccounts, new_account: NewAccount
) -> None:
    """Pages follow creation; equal instants are ordered by id; the last page has no cursor."""
    made = [new_account(created_at=1_000.0 + index // 3) for index in range(8)]
    for account in reversed(made):
        await accounts.create_account(account)
    listed: list[Account] = []
    cursor: str | None = None
    for size in (3, 3, 2):
        page, cursor = await accounts.list_accounts(Page(limit=3, after=cursor))
        assert len(page) == size
        listed += page
    assert cursor is None
    assert listed == sorted(made, key=lambda account: (account.created_at, account.id))


async def test_accounts_when_cursor_is_made_up_then_invalid_cursor(accounts: SqlAccounts) -> None:
    """A cursor that no list gave is the caller's mistake, not an empty page."""
    with pytest.raises(InvalidCursor):
        await accounts.list_accounts(Page(after="acc_made_up"))


async def test_account_when_created_with_a_key_then_both_or_neither_are_there(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """One transaction: a key whose digest is taken leaves no account without a key behind."""
    ada, bob = new_account(), new_account()
    key = new_api_key(ada.id)
    await accounts.create_account(ada, key)
    assert await accounts.find_caller(key.digest) == Caller(key.id, key.prefix, ada)
    with pytest.raises(StoreConflict):
        await accounts.create_account(bob, new_api_key(bob.id, digest=key.digest))
    assert await accounts.find_account(bob.id) is None


@pytest.mark.parametrize(
    ("search", "found"),
    [("ADA", ["Ada", "ada's bot"]), ("acc_bob", ["Bob"]), ("acc_b", []), ("77", ["Ada"]), ("%", ["100%"]), ("_", [])],
)
async def test_accounts_when_searched_then_names_that_hold_it_and_the_id_that_it_is(
    accounts: SqlAccounts, new_account: NewAccount, search: str, found: list[str]
) -> None:
    """Whatever the case; what means something to SQL means itself."""
    await accounts.create_account(new_account(name="Ada", discord_id="77", created_at=1.0))
    await accounts.create_account(new_account(name="Bob", id="acc_bob", created_at=2.0))
    await accounts.create_account(new_account(name="ada's bot", created_at=3.0))
    await accounts.create_account(new_account(name="100%", created_at=4.0))
    page, _ = await accounts.list_accounts(Page(), search=search)
    assert [account.name for account in page] == found


async def test_account_when_changed_then_the_new_one_is_answered_and_kept(
    accounts: SqlAccounts, new_account: NewAccount
) -> None:
    """Only the fields that are named; `None` is a value; an unknown account is none."""
    account = new_account(tier_override=2)
    await accounts.create_account(account)
    changes: list[AccountFields] = [
        {"tier_override": 4},
        {"state": AccountState.PAUSED, "pause_reason": "spam", "paused_until": 2_000.5},
        {"unlimited": True, "tier_override": None},
    ]
    for fields in changes:
        account = replace(account, **fields)
        assert await accounts.change_account(account.id, fields) == account
        assert await accounts.find_account(account.id) == account
    assert await accounts.change_account("acc_nobody", {"tier_override": 4}) is None


async def test_key_when_created_then_its_digest_finds_the_caller(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """The digest leads to key and account together; another digest leads nowhere."""
    account = new_account(state=AccountState.PAUSED)
    key = new_api_key(account.id)
    await accounts.create_account(account)
    await accounts.create_account(new_account())
    await accounts.create_key(key)
    assert await accounts.find_caller(key.digest) == Caller(key.id, key.prefix, account)
    assert await accounts.find_key(key.id) == key
    assert await accounts.find_caller(b"\x00" * 32) is None


async def test_key_when_digest_taken_or_account_unknown_then_conflict(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Digests are unique and keys belong to accounts."""
    account = new_account()
    await accounts.create_account(account)
    key = new_api_key(account.id)
    await accounts.create_key(key)
    with pytest.raises(StoreConflict):
        await accounts.create_key(new_api_key(account.id, digest=key.digest))
    with pytest.raises(StoreConflict):
        await accounts.create_key(new_api_key("acc_nobody"))


async def test_key_when_revoked_then_found_no_more_and_only_once(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """A revoked key finds no caller, keeps its row, and can't be revoked again."""
    account = new_account()
    key = new_api_key(account.id)
    await accounts.create_account(account)
    await accounts.create_key(key)
    assert await accounts.revoke_key(key.id, 5_000.25) == replace(key, revoked_at=5_000.25)
    assert await accounts.revoke_key(key.id, 6_000.0) is None
    assert await accounts.revoke_key("key_nothing", 6_000.0) is None
    assert await accounts.find_caller(key.digest) is None
    assert await accounts.find_key(key.id) == replace(key, revoked_at=5_000.25)


async def test_key_when_replaced_then_old_ends_and_new_works(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Replacing works once; the second attempt on the same key inserts nothing."""
    account = new_account()
    old, new, late = (new_api_key(account.id) for _ in range(3))
    await accounts.create_account(account)
    await accounts.create_key(old)
    assert await accounts.replace_key(old.id, new, 5_000.0)
    assert not await accounts.replace_key(old.id, late, 6_000.0)
    assert await accounts.find_caller(old.digest) is None
    assert await accounts.find_caller(new.digest) is not None
    assert await accounts.find_key(late.id) is None


async def test_key_when_replacement_conflicts_then_old_one_stays(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Revoking and inserting are one transaction: a member never loses the old key for nothing."""
    account = new_account()
    old = new_api_key(account.id)
    await accounts.create_account(account)
    await accounts.create_key(old)
    with pytest.raises(StoreConflict):
        await accounts.replace_key(old.id, new_api_key(account.id, digest=old.digest), 5_000.0)
    assert await accounts.find_caller(old.digest) is not None


async def test_key_when_replaced_by_many_at_once_then_one_wins(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Of concurrent replacements of one key exactly one takes place."""
    account = new_account()
    old = new_api_key(account.id)
    await accounts.create_account(account)
    await accounts.create_key(old)
    new = [new_api_key(account.id) for _ in range(10)]
    won = await asyncio.gather(*(accounts.replace_key(old.id, key, 5_000.0) for key in new))
    assert sum(won) == 1
    callers = [await accounts.find_caller(key.digest) for key in new]
    assert [caller is not None for caller in callers] == won


async def test_keys_when_listed_by_account_then_only_its_own(
    accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    """Lists go by creation and may be narrowed to one account; revoked keys are in them."""
    ada, bob = new_account(), new_account()
    await accounts.create_account(ada)
    await accounts.create_account(bob)
    keys = [new_api_key((ada, bob)[index % 2].id, created_at=1_000.0 + index) for index in range(6)]
    for key in keys:
        await accounts.create_key(key)
    first, cursor = await accounts.list_keys(Page(limit=2), account_id=ada.id)
    rest, end = await accounts.list_keys(Page(limit=2, after=cursor), account_id=ada.id)
    assert [*first, *rest] == keys[::2]
    assert end is None
    everything, _ = await accounts.list_keys(Page())
    assert everything == keys
