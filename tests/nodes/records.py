"""What the database says of a run."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_IDS = "SELECT request_id FROM usage_records"
_SUMS = "SELECT COALESCE(SUM(requests), 0) FROM usage_days"


@dataclass(frozen=True, slots=True)
class Records:
    """Every request that is recorded, and how many the sums per day count."""

    ids: list[str]
    summed: int


def of_sqlite(folder: Path) -> Records:
    """Read the database of a gateway's folder."""
    (path,) = folder.glob("*.db")
    with closing(sqlite3.connect(path)) as database:
        ids = [row[0] for row in database.execute(_IDS)]
        return Records(ids, int(database.execute(_SUMS).fetchone()[0]))


def of_postgres(url: str) -> Records:
    """Read a PostgreSQL database."""

    async def read() -> Records:
        connection = await asyncpg.connect(url)
        try:
            ids = [row[0] for row in await connection.fetch(_IDS)]
            return Records(ids, int(await connection.fetchval(_SUMS)))
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:  # whoever asks may have a loop of its own
        return thread.submit(asyncio.run, read()).result()
