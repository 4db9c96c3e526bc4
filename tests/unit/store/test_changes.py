"""The change feed."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.typing import EventDict

from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.usage import SqlUsage
from tests.background import running

Until = Callable[[Callable[[], bool]], Awaitable[None]]
ACCOUNT = Account("acc_1", "Ada", 1.0)
KEY = ApiKey("key_1", "acc_1", "laptop", "fta_Ab3d", b"1" * 32, 1.0)

SUSPEND = """
import asyncio, sys
from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings

async def main():
    database = await Database.open(StoreSettings(url=sys.argv[1]), create=False)
    print(await SqlAccounts(database).change_account("acc_1", {"state": AccountState.PAUSED}) is not None, flush=True)
    await database.close()

asyncio.run(main())
"""


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Give a feed that has looked once."""
    feed = ChangeFeed(database, poll_s=0.01)
    assert await feed.poll_once()
    yield feed
    await feed.close()


async def test_feed_when_accounts_or_keys_change_then_each_change_is_told(feed: ChangeFeed, database: Database) -> None:
    """Every mutation moves the counter, those that change nothing do not."""
    accounts = SqlAccounts(database)
    new_key = ApiKey("key_2", "acc_1", "laptop", "fta_Ab3d", b"2" * 32, 1.0)
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: accounts.create_account(ACCOUNT),
        lambda: accounts.create_key(KEY),
        lambda: accounts.change_account("acc_1", {"tier_override": 2}),
        lambda: accounts.change_account("acc_1", {"state": AccountState.PAUSED}),
        lambda: accounts.replace_key("key_1", new_key, 2.0),
        lambda: accounts.revoke_key("key_2", 3.0),
    ]
    for change in changes:
        await change()
        assert await feed.poll_once()
        assert not await feed.poll_once()
    assert await accounts.revoke_key("key_2", 4.0) is None
    assert await accounts.change_account("acc_0", {"unlimited": True}) is None
    assert not await accounts.replace_key("key_2", KEY, 4.0)
    assert not await feed.poll_once()


async def test_feed_when_usage_is_inserted_then_nothing_is_told(feed: ChangeFeed, database: Database) -> None:
    """Usage is committed all the time and must not empty the key cache."""
    await SqlUsage(database).insert([UsageRecord("req_1", 1.0, 1, "acc_1", "key_1", "/", "m", 200)])
    assert not await feed.poll_once()


async def test_feed_when_another_process_changes_an_account_then_told(
    feed: ChangeFeed, database: Database, until: Until, tmp_path: Path
) -> None:
    """The command line's change reaches the gateway's cache."""
    await SqlAccounts(database).create_account(ACCOUNT)
    told: list[int] = []
    async with running(feed.run()):
        feed.subscribe(lambda: told.append(1))
        await until(lambda: told == [1])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUSPEND, f"sqlite:///{tmp_path}/freetheai.db", stdout=PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"True\n"
        async with asyncio.timeout(1):  # the contract: seen everywhere in under one second
            await until(lambda: told == [1, 1])
        assert await process.wait() == 0


async def test_feed_when_the_counter_can_not_be_read_then_tries_again(
    feed: ChangeFeed, database: Database, until: Until, logged: list[EventDict]
) -> None:
    """An error is logged once and the change that fell into it is told after it."""
    told: list[int] = []
    feed.subscribe(lambda: told.append(1))
    async with database.write("breaking") as connection:
        await connection.execute(text("ALTER TABLE changes RENAME TO away"))
    async with running(feed.run()):
        await until(lambda: bool(logged))
        async with database.write("mending") as connection:
            await connection.execute(text("UPDATE away SET counter = counter + 1"))
            await connection.execute(text("ALTER TABLE away RENAME TO changes"))
        await until(lambda: told == [1])
    assert [(event["event"], event["error"]) for event in logged] == [("change_feed_failed", "DatabaseUnavailable")]


async def test_feed_when_another_connection_holds_the_write_lock_then_looks_all_the_same(
    feed: ChangeFeed, database: Database
) -> None:
    """A look never waits for a writer."""
    async with database.write("holding the lock") as connection:
        await connection.execute(text("UPDATE changes SET counter = counter + 1"))
        assert not await feed.poll_once()
    assert await feed.poll_once()
