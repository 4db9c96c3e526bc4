"""One SQLite file: a single connection that writes, a few that read, and nothing of the driver's words outside.

SQLite has one writer at a time. All writes of a process therefore queue for one connection in memory, first come
first served, instead of polling the file's lock; against other processes `BEGIN IMMEDIATE` and the busy timeout
decide. Readers run in WAL mode and neither wait for the writer nor hold it up.
"""

import asyncio
import sqlite3
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import DatabaseMissing, DatabaseUnavailable, mapped
from freetheai_gateway.store.location import StoreSettings, sqlite_path

_LOCK_RETRY_S = 0.02


class SqliteDatabase(Database):
    """One file; relative paths count from the working directory."""

    def __init__(self, settings: StoreSettings) -> None:
        self.path = sqlite_path(settings.url)
        url = URL.create("sqlite+aiosqlite", database=str(self.path))
        wait_s = self._wait_s = settings.busy_timeout_s
        writer = create_async_engine(
            url, pool_size=1, max_overflow=0, pool_timeout=wait_s, connect_args={"timeout": wait_s}
        )
        reader = create_async_engine(
            url,
            pool_size=settings.readers,
            max_overflow=0,
            pool_timeout=wait_s,
            connect_args={"timeout": wait_s},
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        _prepare_writer(writer, durable=settings.durable)
        _prepare_reader(reader)
        super().__init__(reader, writer)

    async def prepare(self, *, create: bool) -> None:
        """Make the file, or say that there is none. Raises `DatabaseMissing` and `DatabaseUnavailable`."""
        if create:
            await asyncio.to_thread(_create_file, self.path, self._wait_s)
        elif not self.path.exists():
            raise DatabaseMissing(self.path)

    async def take_write_lock(self, connection: AsyncConnection) -> None:
        """Need nothing: the one write connection begins its transactions with the file's lock."""


def _create_file(path: Path, wait_s: float) -> None:
    """Make an empty database in WAL mode, readable by its owner only; an existing one is kept.

    The change to WAL needs the file for itself and does not always honour the busy timeout, so that two processes
    that create one database at once need this loop.
    """
    with mapped("creating the database"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    deadline = monotonic() + wait_s
    while not _enter_wal_mode(path):
        if monotonic() > deadline:
            raise DatabaseUnavailable("creating the database", "OperationalError")
        sleep(_LOCK_RETRY_S)


def _enter_wal_mode(path: Path) -> bool:
    with mapped("creating the database"):
        connection = sqlite3.connect(path, timeout=_LOCK_RETRY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            connection.close()
    return True


def _prepare_writer(engine: AsyncEngine, *, durable: bool) -> None:
    synchronous = "FULL" if durable else "NORMAL"

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions of its own, deferred ones at that.
        connection.isolation_level = None
        _pragma(connection, "foreign_keys=ON", f"synchronous={synchronous}")

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        # A deferred transaction that reads first and writes later fails at once when another process wrote between.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine.sync_engine, "invalidate")
    def given_up(connection: DBAPIConnection | None, _: ConnectionPoolEntry, __: BaseException | None) -> None:
        # Whoever wrote was cancelled in mid-statement. To close a connection does not end its transaction while a
        # cursor is left that has not been freed (sqlite3_close_v2), and until then nobody else could write.
        if connection is not None:
            connection.rollback()


def _prepare_reader(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        _pragma(connection, "query_only=ON")


def _pragma(connection: DBAPIConnection, *settings: str) -> None:
    cursor = connection.cursor()
    for setting in settings:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
