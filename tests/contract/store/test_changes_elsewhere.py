"""Word of a change that another process made, on PostgreSQL: by notification, and by polling while there is none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from tests.background import running
from tests.postgres import SERVER

ACCOUNT = Account("acc_1", "Ada", 1.0)
FOREVER_S = 3_600.0
LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%LISTEN%'"


@pytest.fixture
async def nodes(postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Open one database twice, as two nodes do."""
    settings = StoreSettings(url=postgres_url)
    first, second = await Database.open(settings, create=True), await Database.open(settings, create=True)
    yield first, second
    await first.close()
    await second.close()


@asynccontextmanager
async def _running(feed: ChangeFeed) -> AsyncIterator[None]:
    try:
        async with running(feed.run()):
            yield
    finally:
        await feed.close()


async def _until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.005)


async def test_feed_when_another_node_changes_an_account_then_it_is_told_at_once(
    nodes: tuple[Database, Database],
) -> None:
    """The poll is an hour away: only the notification can bring it, within the contract's second."""
    here, there = nodes
    feed, told = ChangeFeed(here, poll_s=FOREVER_S), []
    feed.subscribe(lambda: told.append(1))
    async with _running(feed):
        await _until(lambda: told == [1])
        await SqlAccounts(there).create_account(ACCOUNT)
        await _until(lambda: told == [1, 1], within_s=1.0)


async def test_feed_when_its_connection_is_cut_then_it_listens_again(nodes: tuple[Database, Database]) -> None:
    """What happened in between is told as soon as there is a connection."""
    here, there = nodes
    feed, told = ChangeFeed(here, poll_s=0.01), []
    feed.subscribe(lambda: told.append(1))
    async with _running(feed):
        await _until(lambda: told == [1])
        operator = await asyncpg.connect(f"{SERVER}/postgres")
        try:
            name = here.url.database  # type: ignore[attr-defined]
            (listener,) = await operator.fetch(LISTENING, name)
            await operator.execute("SELECT pg_terminate_backend($1)", listener["pid"])
            await SqlAccounts(there).create_account(ACCOUNT)
            await _until(lambda: told == [1, 1])

            async def listens() -> bool:
                return len(await operator.fetch(LISTENING, name)) == 1

            await _until(listens)
        finally:
            await operator.close()


async def test_database_when_two_nodes_start_at_once_on_an_empty_one_then_both_find_it_migrated(
    empty_postgres_url: str,
) -> None:
    """The write lock makes the second wait, and find the work done."""
    settings = StoreSettings(url=empty_postgres_url)
    both = await asyncio.gather(*(Database.open(settings, create=True) for _ in range(2)))
    for database in both:
        assert (await database.status()).is_current
        await database.close()
