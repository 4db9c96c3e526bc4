"""`freetheai db copy`: from SQLite to PostgreSQL without losing a row."""

import asyncio

from sqlalchemy import select

from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.schema import METADATA
from freetheai_gateway.store.usage import SqlUsage
from tests.contract.cli.conftest import CommandLine, WithDatabase

RECORDS = 2_345


async def _fill(database: Database) -> dict[str, list[tuple[object, ...]]]:
    accounts = SqlAccounts(database)
    await accounts.create_account(Account("acc_1", "Zoë 🦊", 1.5, discord_id="80351110224678912"))
    await accounts.create_key(ApiKey("key_1", "acc_1", "laptop", "fta_Ab3d", bytes(range(32)), 1.0))
    records = [
        UsageRecord(f"req_{n}", 1_795_392_000.125 + n * 60, n, "acc_1", "key_1", "/v1/messages", f"m/{n % 7}", 200)
        for n in range(RECORDS)
    ]
    await SqlUsage(database).insert(records)
    return await _rows(database)


async def _rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    rows = {}
    for table in METADATA.sorted_tables:
        async with database.read("reading all") as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key))
            rows[table.name] = [tuple(row) for row in found]
    return rows


async def _read_all(url: str) -> dict[str, list[tuple[object, ...]]]:
    database = await Database.open(StoreSettings(url=url), create=False)
    try:
        return await _rows(database)
    finally:
        await database.close()


def test_copy_when_it_goes_to_postgresql_then_every_row_is_the_same(
    command: CommandLine,
    with_database: WithDatabase[dict[str, list[tuple[object, ...]]]],
    empty_postgres_url: str,
) -> None:
    """The target is made and migrated; instants and bytes arrive as they were, to the last bit."""
    before = with_database(_fill)
    done = command("db", "copy", "--to", empty_postgres_url, "--json")
    assert done.object["ok"] is True
    assert done.object["copied"] == {name: len(rows) for name, rows in before.items()}
    assert asyncio.run(_read_all(empty_postgres_url)) == before


def test_copy_when_the_target_has_rows_then_it_is_left_alone(
    command: CommandLine, with_database: WithDatabase[dict[str, list[tuple[object, ...]]]], empty_postgres_url: str
) -> None:
    """A second copy adds nothing and breaks nothing."""
    before = with_database(_fill)
    assert command("db", "copy", "--to", empty_postgres_url).code == 0
    again = command("db", "copy", "--to", empty_postgres_url)
    assert again.code == 1
    assert "already has rows in" in again.err
    assert asyncio.run(_read_all(empty_postgres_url)) == before


def test_copy_when_the_url_is_no_database_then_it_is_a_usage_error(command: CommandLine) -> None:
    assert command("db", "copy", "--to", "mysql://x/y").code == 2
