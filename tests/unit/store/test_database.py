"""Opening, locking and failing of the database."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import DatabaseMissing, DatabaseUnavailable, UnsupportedDatabase
from freetheai_gateway.store.location import StoreSettings, sqlite_path
from freetheai_gateway.store.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///freetheai.db", "freetheai.db"),
        ("sqlite:////var/lib/freetheai.db", "/var/lib/freetheai.db"),
        ("sqlite:///with space/50%25?.db", "with space/50%25?.db"),
    ],
)
def test_url_when_sqlite_then_names_a_file(url: str, path: str) -> None:
    """Three slashes and a path, taken letter by letter."""
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    ["postgresql://user:secret@host/db", "sqlite://secret", "sqlite:///", "sqlite:///:memory:", "secret.db", ""],
)
def test_url_when_something_else_then_one_sentence_without_secrets(url: str) -> None:
    """What is not supported is told by its scheme only."""
    with pytest.raises(UnsupportedDatabase, match="must name an SQLite file") as raised:
        sqlite_path(url)
    assert "secret" not in str(raised.value)


async def test_open_when_missing_and_not_to_create_then_names_the_file(tmp_path: Path) -> None:
    """Only `serve` creates a database; nothing appears on the disk."""
    path = tmp_path / "freetheai.db"
    with pytest.raises(DatabaseMissing, match=str(path)):
        await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=False)
    assert not path.exists()


async def test_open_when_created_then_private_and_in_wal_mode(tmp_path: Path) -> None:
    """The file and its folder are made; only the owner may read it; reads do not wait for writes."""
    path = tmp_path / "new folder" / "free?the#ai%41.db"
    database = await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    async with database.read("reading a setting") as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
    await database.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
async def test_writer_when_durable_then_waits_for_the_disk(tmp_path: Path, durable: bool, synchronous: int) -> None:
    """NORMAL loses nothing to `kill -9`; FULL nothing to a power cut. Foreign keys hold in both."""
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/freetheai.db", durable=durable)
    database = await Database.open(settings, create=True)
    async with database.write("reading settings") as connection:
        assert await connection.scalar(text("PRAGMA synchronous")) == synchronous
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
    await database.close()


@pytest.mark.parametrize("create", [True, False])
async def test_open_when_file_is_no_database_then_unavailable(tmp_path: Path, create: bool) -> None:
    """A file of something else is refused, not overwritten, in words that are ours."""
    path = tmp_path / "freetheai.db"
    path.write_bytes(b"this is my diary\n" * 100)
    with pytest.raises(DatabaseUnavailable) as raised:
        await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=create)
    assert raised.value.cause == "DatabaseError"
    assert path.read_bytes().startswith(b"this is my diary")


async def test_open_when_place_can_not_be_made_then_unavailable(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable):
        await Database.open(StoreSettings(url=f"sqlite:///{tmp_path}/file/freetheai.db"), create=True)


async def test_write_when_another_process_holds_the_lock_then_unavailable_and_reads_go_on(tmp_path: Path) -> None:
    """After the busy timeout a write fails with our error; readers never noticed, and the next write works."""
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/freetheai.db", busy_timeout_s=0.05)
    database = await Database.open(settings, create=True)
    assert isinstance(database, SqliteDatabase)
    accounts = SqlAccounts(database)
    account = Account("acc_secret", "Ada", 1.0)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable) as raised:
            await accounts.create_account(account)
        assert await accounts.find_account(account.id) is None
        other.execute("ROLLBACK")
    assert "acc_secret" not in str(raised.value)
    assert "INSERT" not in str(raised.value)
    await accounts.create_account(account)
    assert await accounts.find_account(account.id) == account
    await database.close()


async def test_write_when_another_process_holds_the_lock_for_a_moment_then_waits(database: Database) -> None:
    """The busy timeout bridges what another process's short transaction takes."""
    assert isinstance(database, SqliteDatabase)
    accounts = SqlAccounts(database)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(accounts.create_account(Account("acc_1", "Ada", 1.0)))
            assert await accounts.find_account("acc_1") is None
            assert not writing.done()
            other.execute("COMMIT")
    assert await accounts.find_account("acc_1") is not None


async def test_write_when_cancelled_then_rolled_back_and_the_next_one_works(database: Database) -> None:
    """A client that leaves in mid-transaction neither commits half of it nor keeps the lock."""
    accounts = SqlAccounts(database)
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.write("waiting") as connection:
            await connection.execute(text("UPDATE changes SET counter = 77"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(write_and_wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await accounts.create_account(Account("acc_1", "Ada", 1.0))
    async with database.read("reading the counter") as connection:
        assert await connection.scalar(text("SELECT counter FROM changes")) == 1


async def test_reads_when_more_than_connections_then_all_answer(database: Database) -> None:
    """Reads queue for the few connections there are."""
    accounts = SqlAccounts(database)
    await accounts.create_account(Account("acc_1", "Ada", 1.0))
    found = await asyncio.gather(*(accounts.find_account("acc_1") for _ in range(20)))
    assert {account.id for account in found if account} == {"acc_1"}


async def test_reader_when_it_writes_then_refused(database: Database) -> None:
    """All writes go through the one writer; a slip is an error at once."""
    with pytest.raises(DatabaseUnavailable):
        async with database.read("writing by mistake") as connection:
            await connection.execute(text("UPDATE changes SET counter = 77"))
