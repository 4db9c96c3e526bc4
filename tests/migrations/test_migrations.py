"""Revisions of the database, from nothing to the newest."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import DatabaseOutdated, DatabaseTooNew
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.revisions import HEAD, REVISIONS, Status
from freetheai_gateway.store.schema import METADATA, USAGE_DAYS, USAGE_RECORDS
from freetheai_gateway.store.upgrading import SCRIPTS
from freetheai_gateway.store.usage import SqlUsage
from tests.postgres import empty_postgres_url, postgres_template

__all__ = ["empty_postgres_url", "postgres_template"]

OPEN = """
import asyncio, sys
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.journal import Journal
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage

async def main():
    database = await Database.open(StoreSettings(url=sys.argv[1]), create=True)
    print((await database.status()).current, "alembic" in sys.modules, "sqlalchemy.dialects.postgresql" in sys.modules)
    await database.close()

asyncio.run(main())
"""


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """Name a database that is not there yet."""
    return StoreSettings(url=f"sqlite:///{tmp_path}/freetheai.db")


async def _open_in_process(settings: StoreSettings) -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, settings.url, stdout=PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().strip()


def test_revisions_when_compared_with_the_scripts_then_one_line_in_order() -> None:
    """The constant that lets a start leave Alembic alone tells the truth."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_current_head() == HEAD


async def test_open_when_empty_then_migrated_to_the_tables_of_the_schema(settings: StoreSettings) -> None:
    """The migrations and the schema that the queries use describe the same tables."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, METADATA))

    database = await Database.open(settings, create=True)
    assert await database.status() == Status(HEAD, HEAD)
    async with database.read("comparing") as connection:
        assert await connection.run_sync(differences) == []
        sql = await connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'usage_days'"))
        assert "WITHOUT ROWID" in str(sql)
    await database.close()


def test_schema_when_compared_with_the_record_then_same_fields() -> None:
    """Rows are written and read by the record's field names."""
    assert tuple(USAGE_RECORDS.columns.keys()) == UsageRecord.__struct_fields__
    assert USAGE_DAYS.primary_key.columns.keys() == ["day", "account_id", "model", "provider"]


async def test_open_when_revision_is_old_then_commands_say_so_and_upgrade_mends_it(
    settings: StoreSettings, tmp_path: Path
) -> None:
    """Commands do not migrate behind the gateway's back; `status` and `upgrade` are the way."""
    (tmp_path / "freetheai.db").touch()
    with pytest.raises(DatabaseOutdated, match="freetheai db upgrade"):
        await Database.open(settings, create=False)
    database = await Database.open(settings, create=False, any_revision=True)
    assert await database.status() == Status(None, HEAD)
    await database.upgrade()
    await database.upgrade()
    assert await database.status() == Status(HEAD, HEAD)
    await database.close()
    await (await Database.open(settings, create=False)).close()


@pytest.mark.parametrize("create", [True, False])
async def test_open_when_revision_is_unknown_then_too_new(
    settings: StoreSettings, tmp_path: Path, create: bool
) -> None:
    """An older version leaves a newer database alone and says which is which."""
    await (await Database.open(settings, create=True)).close()
    with closing(sqlite3.connect(tmp_path / "freetheai.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(DatabaseTooNew, match="9999") as raised:
        await Database.open(settings, create=create)
    assert raised.value.head == HEAD


async def test_open_when_two_processes_create_one_file_then_both_succeed(settings: StoreSettings) -> None:
    """Whoever comes second waits, and finds the work done."""
    said = await asyncio.gather(*(_open_in_process(settings) for _ in range(3)))
    assert [line.split()[0] for line in said] == [HEAD] * 3


async def test_open_when_two_nodes_create_one_postgresql_database_then_both_succeed(empty_postgres_url: str) -> None:
    """The migration holds the advisory lock of all writers; its tables are those of the schema."""
    settings = StoreSettings(url=empty_postgres_url)
    said = await asyncio.gather(*(_open_in_process(settings) for _ in range(2)))
    assert [line.split()[0] for line in said] == [HEAD] * 2

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA))

    database = await Database.open(settings, create=False)
    async with database.read("comparing") as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def test_revisions_when_each_follows_the_other_then_what_the_one_before_used_still_works(tmp_path: Path) -> None:
    """Old and new processes run side by side: nothing goes away, and no insert of the older one misses a column."""
    engine = create_engine(f"sqlite:///{tmp_path}/freetheai.db")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    before: dict[str, dict[str, str]] = {}
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        for revision in REVISIONS:
            command.upgrade(config, revision)
            columns = {table: inspect(connection).get_columns(table) for table in inspect(connection).get_table_names()}
            now = {table: {one["name"]: str(one["type"]) for one in found} for table, found in columns.items()}
            for table, known in before.items():
                assert known.items() <= now[table].items()
                added = [one for one in columns[table] if one["name"] not in known]
                assert all(one["nullable"] or one["default"] is not None for one in added)
            before = now
    engine.dispose()


async def test_open_when_current_then_alembic_is_not_imported(settings: StoreSettings) -> None:
    """A start with nothing to migrate pays neither for it nor for another database's dialect."""
    assert (await _open_in_process(settings)).startswith(f"{HEAD} True")
    assert await _open_in_process(settings) == f"{HEAD} False False"


async def test_journal_when_imported_then_needs_no_sqlalchemy() -> None:
    """What has no database to open does not import its driver."""
    program = "import sys, freetheai_gateway.store.journal; print('sqlalchemy' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
    said, _ = await process.communicate()
    assert said == b"False\n"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_prefix_hours_when_upgraded_then_records_from_before_are_in_them(
    kind: str, settings: StoreSettings, request: pytest.FixtureRequest
) -> None:
    """The migration counts as the store does: the same rows come of the same records, whichever was there first."""
    if kind == "postgresql":
        settings = StoreSettings(url=request.getfixturevalue("empty_postgres_url"))
    read = text("SELECT hour, prefix, successes, errors FROM prefix_hours ORDER BY hour, prefix")
    outcomes = [(200, "", 1), (200, "", 0), (502, "provider_error", 2), (503, "restarting", 1), (499, "client", 1)]
    records = [
        UsageRecord(
            request_id=f"req_{model}_{number}_{started}",
            started_at=started,
            duration_ms=1,
            account_id="acc_1",
            key_id="key_1",
            route="/v1/chat/completions",
            model=model,
            status=status,
            code=code,
            attempts=attempts,
        )
        for model in ("glm/glm-5.1", "a/b/c", "plain")
        for started in (1_795_392_000.9, 1_795_395_599.9, 1_795_395_600.0)
        for number, (status, code, attempts) in enumerate(outcomes)
    ]
    database = await Database.open(settings, create=True)
    await SqlUsage(database).insert(records)
    async with database.read("reading") as connection:
        expected = (await connection.execute(read)).all()
    assert len(expected) == 6

    def come_again(connection: Connection) -> None:
        before = REVISIONS[REVISIONS.index("0006") - 1]
        connection.execute(text("DROP TABLE prefix_hours"))
        connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before})
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")

    async with database.write("coming from before") as connection:
        await connection.run_sync(come_again)
    async with database.read("reading") as connection:
        assert (await connection.execute(read)).all() == expected
    await database.close()
