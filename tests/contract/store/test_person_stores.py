"""The contracts of `SessionStore` and `PersonalStore`, on either database."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from freetheai_gateway.clock import utc_day
from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey
from freetheai_gateway.domain.audit import Action, Note
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_id
from freetheai_gateway.services.login import Session, SessionStore
from freetheai_gateway.services.personal_data import Erasure, PersonalStore
from freetheai_gateway.services.ports import InvalidCursor, Page
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.audit import SqlAudit
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.key_desk import SqlKeyDesk
from freetheai_gateway.store.personal_data import SqlPersonalData
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.store.web_sessions import SqlSessions
from tests.contract.store.conftest import NOON

NewAccount = Callable[..., Account]
NewApiKey = Callable[..., ApiKey]
NewRecord = Callable[..., UsageRecord]
ADA = "800000000000000001"


def session(name: str, *, attempt: str = "", at: float = NOON, discord_id: str = ADA) -> Session:
    """Make a session of half an hour."""
    digest, login = sha256(name.encode()).digest(), sha256(f"attempt {attempt or name}".encode()).digest()
    return Session(digest, login, discord_id, "Ada", at, at + 1_800)


async def test_session_when_opened_then_found_with_account_and_key_until_it_ends(
    database: Database, accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey
) -> None:
    sessions: SessionStore = SqlSessions(database)
    ada = new_account(discord_id=ADA)
    key = new_api_key(ada.id)
    one = session("one")
    assert await sessions.open(one)
    found = await sessions.find(one.digest, NOON)
    assert found is not None
    assert (found.session, found.account, found.key) == (one, None, None)
    await accounts.create_account(ada, key)
    found = await sessions.find(one.digest, NOON)
    assert found is not None
    assert (found.account, found.key and found.key.id) == (ada, key.id)
    assert await sessions.account_of(ADA) == ada
    assert await sessions.find(one.digest, NOON + 1_800) is None
    await sessions.close(one.digest)
    assert await sessions.find(one.digest, NOON) is None


async def test_session_when_its_attempt_was_used_then_not_opened(database: Database) -> None:
    sessions = SqlSessions(database)
    assert await sessions.open(session("one", attempt="a"))
    assert not await sessions.open(session("two", attempt="a"))
    assert await sessions.find(session("two").digest, NOON) is None


async def test_sessions_when_the_account_is_suspended_then_all_of_it_end_and_no_others(
    database: Database, accounts: SqlAccounts, new_account: NewAccount
) -> None:
    sessions, ada = SqlSessions(database), new_account(discord_id=ADA)
    await accounts.create_account(ada)
    others = session("other", discord_id="9")
    assert [await sessions.open(each) for each in (session("one"), others)] == [True, True]
    await accounts.change_account(ada.id, {"state": AccountState.PAUSED})
    assert await sessions.find(session("one").digest, NOON) is None
    assert await sessions.find(others.digest, NOON) is not None


async def test_person_when_erased_then_all_is_read_before_and_nothing_after(
    database: Database, accounts: SqlAccounts, new_account: NewAccount, new_api_key: NewApiKey, new_record: NewRecord
) -> None:
    """The row by row look is in the tests of signing in; this one holds on every database."""
    personal: PersonalStore = SqlPersonalData(database)
    sessions, usage, audit, desk = SqlSessions(database), SqlUsage(database), SqlAudit(database), SqlKeyDesk(database)
    ada, eve = new_account(discord_id=ADA), new_account(name="Eve")
    await accounts.create_account(
        ada, new_api_key(ada.id), note=Note(new_id("aud"), NOON, "cli:x", Action.ACCOUNT_CREATED)
    )
    await accounts.create_account(eve)
    await sessions.open(session("one"))
    await usage.insert([new_record(account_id=each.id, started_at=NOON) for each in (ada, ada, eve)])
    kept = await personal.read(ada, 10, NOON)
    assert (len(kept.keys), len(kept.requests), len(kept.audit)) == (1, 2, 1)
    assert sum(day.requests for day in kept.days) == 2
    assert [set(row) for row in kept.records["web_sessions"]] == [{"discord_id", "name", "created_at", "expires_at"}]
    note = Note(new_id("aud"), NOON + 60, "cli:x", Action.ACCOUNT_ERASED)
    erasure = Erasure(ada, note, NOON + 86_400, was_suspended=False)
    assert await personal.erase(erasure)
    assert not await personal.erase(erasure)
    left = await personal.read(ada, 10, NOON)
    assert (left.keys, left.requests, left.days, left.records["web_sessions"]) == ([], [], [], [])
    entries, _ = await audit.list_entries(Page(), account_id=ada.id)
    assert [(entry.action, "name" in entry.after) for entry in entries] == [
        ("account.erase", False),
        ("account.create", False),
    ]
    assert len((await personal.read(eve, 10, NOON)).requests) == 1
    bar = await desk.bar_of(ADA, NOON + 61)
    assert bar is not None
    assert (bar.until, bar.was_suspended) == (NOON + 86_400, False)
    assert await desk.bar_of(ADA, NOON + 86_401) is None
    assert await desk.bar_of("900000000000000009", NOON + 61) is None
    await personal.sweep(NOON + 5 * 86_400)


async def test_requests_when_paged_then_equal_instants_are_neither_lost_nor_told_twice(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """Over several days, with nothing on some of them."""
    statuses, day = (200, 200, 502, 499, 404), 86_400.0
    records = [new_record(account_id="acc_a", started_at=NOON, status=status) for status in statuses]
    records += [new_record(account_id="acc_a", started_at=NOON - 3 * day - number % 2) for number in range(3)]
    await usage.insert([*records, new_record(account_id="acc_b", started_at=NOON - day)])
    within = {"since": NOON - 9 * day, "until": NOON + day}
    seen: list[UsageRecord] = []
    cursor = None
    while True:
        page, cursor = await usage.account_requests("acc_a", Page(2, cursor), **within)
        seen += page
        if cursor is None:
            break
    assert seen == sorted(records, key=lambda record: (record.started_at, record.request_id), reverse=True)
    days = [utc_day(NOON), utc_day(NOON - 3 * day)]
    assert await usage.account_statuses("acc_a", days) == {"client_errors": 1, "canceled": 1, "server_errors": 1}
    assert set((await usage.account_statuses("acc_b", days)).values()) == {0}
    assert await usage.active_days("acc_a", NOON - 9 * day, NOON) == [int(NOON // day) - 3, int(NOON // day)]
    with pytest.raises(InvalidCursor):
        await usage.account_requests("acc_b", Page(2, records[0].request_id), **within)
