"""Tells within a fraction of a second that any process changed an account or a key.

The counter in `changes` decides; how often it is looked at depends on the database. PostgreSQL sends a notification
with every change (`store/notifications.py`), and the counter is looked at then, and every `poll_s` while there is no
connection to be notified on.

On SQLite `PRAGMA data_version` says whether another connection committed since the last look. It reads the shared
memory of the write-ahead log and takes 3 microseconds, so it runs on the event loop's thread, on a connection of its
own whose busy timeout is zero: a locked file makes it fail and never wait. Usage is committed several times a second,
so that the counter in `changes` decides whether anything was changed that is worth telling.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import select

from freetheai_gateway.log import get_log
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.schema import CHANGES
from freetheai_gateway.store.sqlite import SqliteDatabase

_LOG = get_log("change_feed")


class Signal(Protocol):
    """Says cheaply whether it is worth while to read the counter."""

    async def read(self) -> object:
        """Give a value that differs from the last one if something may have changed."""
        ...

    async def pause(self, at_most_s: float) -> None:
        """Wait until the next look."""
        ...

    async def close(self) -> None:
        """Close its connection."""
        ...


class ChangeFeed:
    """Calls its subscribers after changes, its own process's too. `run` it as a task; call `close` afterwards."""

    def __init__(self, database: Database, *, poll_s: float = 0.25) -> None:
        self._database = database
        self._poll_s = poll_s
        self._signal = _signal_of(database)
        self._seen_signal: object = None
        self._seen_counter: int | None = None
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Have `changed` called on the event loop's thread after every change, and once at the first look."""
        self._subscribers.append(changed)

    async def run(self) -> None:
        """Look for changes until cancelled; errors are logged and tried again."""
        failing = False
        while True:
            try:
                await self.poll_once()
                failing = False
            except Exception as error:  # noqa: BLE001 - a feed that ended would leave revoked keys in the cache
                if not failing:
                    _LOG.error("change_feed_failed", error=type(error).__name__)
                failing = True
            await self._signal.pause(self._poll_s)

    async def poll_once(self) -> bool:
        """Look once; tells whether the subscribers were called."""
        signal = await self._signal.read()
        if signal == self._seen_signal:
            return False
        async with self._database.read("reading the change counter") as connection:
            counter = (await connection.execute(select(CHANGES.c.counter))).scalar_one()
        # Kept only now: where the counter could not be read the next look must try again. A commit after the signal
        # was read moves it once more.
        self._seen_signal = signal
        if counter == self._seen_counter:
            return False
        for changed in self._subscribers:
            changed()
        self._seen_counter = counter
        return True

    async def close(self) -> None:
        """Close the feed's connection."""
        await self._signal.close()


def _signal_of(database: Database) -> Signal:
    if isinstance(database, SqliteDatabase):
        return _DataVersion(database.path)
    from freetheai_gateway.store.notifications import Notifications  # noqa: PLC0415 - imports asyncpg

    return Notifications.of(database)


class _DataVersion:
    """`PRAGMA data_version`, which compares only with what the same connection said before."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=rw"
        self._connection: sqlite3.Connection | None = None
        self._generation = 0

    async def read(self) -> tuple[int, int]:
        """Give a value that differs from the last one if something was committed, or the connection is a new one."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._uri, uri=True, timeout=0, isolation_level=None)
                self._generation += 1
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            await self.close()
            raise
        return self._generation, version

    async def pause(self, at_most_s: float) -> None:
        """Wait as long as one is told: a look costs microseconds."""
        await asyncio.sleep(at_most_s)

    async def close(self) -> None:
        """Close; `read` opens again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
