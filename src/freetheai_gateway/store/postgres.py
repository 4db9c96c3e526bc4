"""PostgreSQL through asyncpg: a pool of connections, one writer at a time across all nodes.

Transactions of `write` begin by taking one advisory lock, as SQLite's `BEGIN IMMEDIATE` takes the file's. Writes are
few (batches of usage, changes of accounts), and with it two nodes that replay one journal count nothing twice and
never meet in a deadlock.
"""

from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings

_POOL: Final = 5
WRITE_LOCK: Final = 0x6674615F77726974
"""The advisory lock's number; an arbitrary one that is ours (`fta_writ`)."""
_TAKE_LOCK = text(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


class PostgresDatabase(Database):
    """A database on a server; its tables are made in the first schema of the search path."""

    def __init__(self, settings: StoreSettings) -> None:
        url = make_url(settings.url).set(drivername="postgresql+asyncpg")
        if "sslmode" in url.query:  # libpq's word, which hosting companies print; the driver calls it `ssl`
            url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
        self.url: Final = url
        wait_s = settings.busy_timeout_s
        engine = create_async_engine(
            url,
            pool_size=_POOL,
            max_overflow=0,
            pool_timeout=wait_s,
            pool_pre_ping=True,  # a server that was restarted costs nobody an error
            connect_args={"timeout": wait_s, "command_timeout": settings.command_timeout_s},
        )
        super().__init__(engine.execution_options(isolation_level="AUTOCOMMIT"), engine)

    async def prepare(self, *, create: bool) -> None:
        """Need nothing: the operator makes the database, and the first start its tables."""

    async def take_write_lock(self, connection: AsyncConnection) -> None:
        """Take the lock of all nodes, until the transaction ends."""
        await connection.execute(_TAKE_LOCK)
