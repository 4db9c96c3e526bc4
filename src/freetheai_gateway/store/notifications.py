"""PostgreSQL's notifications of changes: a connection that listens, opened again whenever it is lost.

A trigger on `changes` sends one with every change of any process. What was sent while nobody listened is lost, so
each new connection counts as a signal, and so does every look for which there is none.
"""

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import URL

from freetheai_gateway.log import get_log
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    import asyncpg

CHANNEL: Final = "freetheai_changes"
"""Where the trigger of migration 0002 sends."""
_CONNECT_S = 5.0
_RETRY_S = 1.0
_ASSURANCE_S = 5.0
"""Longest pause between looks at the counter while a connection listens."""
_LOG = get_log("notifications")


class Notifications:
    """A `Signal` of the change feed."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._numbers = count(1)
        self._number = 0
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._try_again_at = 0.0

    @classmethod
    def of(cls, database: Database) -> Self:
        """Make the signal of a PostgreSQL database."""
        assert isinstance(database, PostgresDatabase)
        return cls(database.url)

    async def read(self) -> int:
        """Give a number that rises with every notification, and with every look while nobody listens."""
        self._arrived.clear()
        if self._connection is None or self._connection.is_closed():
            await self._listen()
            self._number = next(self._numbers)
        return self._number

    async def pause(self, at_most_s: float) -> None:
        """Wait for a notification, or as long as one is told where none can come."""
        listens = self._connection is not None and not self._connection.is_closed()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ASSURANCE_S if listens else at_most_s):
                await self._arrived.wait()
                return
        self._number = next(self._numbers)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _listen(self) -> None:
        """Open the connection; where that fails the counter is polled, and the next try waits a little."""
        import asyncpg  # noqa: PLC0415 - the engine has imported it; SQLite never comes here

        now = asyncio.get_running_loop().time()
        if now < self._try_again_at:
            return
        self._try_again_at = now + _RETRY_S
        try:
            connection = await asyncpg.connect(**_arguments(self._url), timeout=_CONNECT_S)
            await connection.add_listener(CHANNEL, self._notified)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _LOG.warning("notifications_away", error=type(error).__name__)
            return
        connection.add_termination_listener(self._lost)
        self._connection = connection

    def _notified(self, *_: object) -> None:
        self._number = next(self._numbers)
        self._arrived.set()

    def _lost(self, *_: object) -> None:
        self._arrived.set()


def _arguments(url: URL) -> dict[str, object]:
    """Give the driver what the URL says, as SQLAlchemy does for the pool."""
    given: dict[str, object] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "database": url.database,
    }
    return {name: value for name, value in (given | dict(url.query)).items() if value is not None}
