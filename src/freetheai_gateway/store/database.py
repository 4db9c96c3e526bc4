"""The open database, whichever it is: who reads, who writes, and which revision its tables have.

The stores of this package run their statements on it. A transaction of `write` holds the database's one write lock
from its start: what it reads cannot change before it commits, in this process or in another.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from freetheai_gateway.store.errors import DatabaseOutdated, mapped
from freetheai_gateway.store.location import StoreSettings, is_postgres
from freetheai_gateway.store.revisions import Status, read_status

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Database(ABC):
    """`open` it, `close` it. A kind of database brings its two engines, which may share their connections."""

    def __init__(self, reader: "AsyncEngine", writer: "AsyncEngine") -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def open(settings: StoreSettings, *, create: bool, any_revision: bool = False) -> "Database":
        """Open the database; `create` makes its file and tables and migrates them to the newest revision.

        Without `create` a missing file raises `DatabaseMissing` and an older revision `DatabaseOutdated`, unless
        `any_revision` allows it (for the commands that show or upgrade it). Raises `UnsupportedDatabase`,
        `DatabaseTooNew` and `DatabaseUnavailable` too.
        """
        database = _choose(settings)
        try:
            await database.prepare(create=create)
            await database.check_revision(create=create, any_revision=any_revision)
        except BaseException:
            await database.close()
            raise
        return database

    async def check_revision(self, *, create: bool, any_revision: bool) -> None:
        """Compare the revision with what is needed, and migrate where that is allowed."""
        if any_revision and not create:
            return
        status = await self.status()
        if status.is_current:
            return
        if not create:
            raise DatabaseOutdated(status.current, status.head)
        await self.upgrade()

    @property
    def dialect_name(self) -> str:
        """The database's kind in SQLAlchemy's words: `sqlite` or `postgresql`."""
        return self._writer.dialect.name

    @abstractmethod
    async def prepare(self, *, create: bool) -> None:
        """Make what must be there before the first statement."""

    @abstractmethod
    async def take_write_lock(self, connection: "AsyncConnection") -> None:
        """Take the write lock for the transaction that this connection has just begun."""

    @asynccontextmanager
    async def read(self, operation: str) -> AsyncIterator["AsyncConnection"]:
        """Lend a connection for one statement; every statement sees what is committed when it starts."""
        with mapped(operation):
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, operation: str) -> AsyncIterator["AsyncConnection"]:
        """Lend a connection in a transaction that holds the write lock from its start."""
        with mapped(operation):
            async with self._writer.begin() as connection:
                await self.take_write_lock(connection)
                yield connection

    async def close(self) -> None:
        """Close every connection, and end the threads that some drivers have."""
        await self._reader.dispose()
        await self._writer.dispose()

    async def status(self) -> Status:
        """Compare the database's revision with the newest. Raises `DatabaseTooNew`."""
        async with self.read("reading the revision") as connection:
            return await connection.run_sync(read_status)

    async def upgrade(self) -> None:
        """Migrate to the newest revision; two processes may do this at once."""
        from freetheai_gateway.store.upgrading import upgrade  # noqa: PLC0415 - imports Alembic (0.3 s)

        async with self.write("upgrading the database") as connection:
            await connection.run_sync(upgrade)


def _choose(settings: StoreSettings) -> Database:
    """Import what the URL needs and nothing else: each driver costs a start its own time."""
    if is_postgres(settings.url):
        from freetheai_gateway.store.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(settings)
    from freetheai_gateway.store.sqlite import SqliteDatabase  # noqa: PLC0415

    return SqliteDatabase(settings)
