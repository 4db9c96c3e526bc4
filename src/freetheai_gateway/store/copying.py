"""Moving everything from one database into another, row by row, and counting both sides afterwards.

The gateway must not run meanwhile: what its journal holds goes into whichever database it opens next, so nothing is
lost, but a row that is written into the old database after its table was read would be left behind. Counting tells.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from sqlalchemy import RowMapping, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import CopyFailed
from freetheai_gateway.store.schema import METADATA, ONLY_ROW

BATCH_ROWS: Final = 1_000
_SINGLE_ROWS: Final = frozenset({"changes", "usage_totals"})
"""Tables whose one row the migrations insert."""


async def copy(source: Database, target: Database) -> Mapping[str, int]:
    """Copy every table; returns the rows of each. One transaction: the target has all of it or nothing.

    Raises `CopyFailed` where the target holds rows already, or where a table changed while it was read.
    """
    copied: dict[str, int] = {}
    async with target.write("copying a database") as connection:
        for table in METADATA.sorted_tables:
            if table.name not in _SINGLE_ROWS and await _count(connection, table):
                raise CopyFailed(f"the target already has rows in {table.name}; copy into an empty database")
        for table in METADATA.sorted_tables:
            await _copy_table(source, connection, table)
            copied[table.name] = await _count(connection, table)
            async with source.read("counting rows") as counting:
                expected = await _count(counting, table)
            if copied[table.name] != expected:
                raise CopyFailed(f"{table.name} changed while it was read; stop the gateway first")
    return copied


async def _copy_table(source: Database, connection: AsyncConnection, table: Table) -> None:
    async for rows in _batches(source, table):
        values = [dict(row) for row in rows]
        if table.name in _SINGLE_ROWS:
            await connection.execute(update(table).where(table.c.id == ONLY_ROW).values(values[0]))
        else:
            await connection.execute(insert(table), values)


async def _batches(database: Database, table: Table) -> AsyncIterator[list[RowMapping]]:
    async with (
        database.read("copying a database") as connection,
        connection.stream(select(table).order_by(*table.primary_key)) as result,
    ):
        async for rows in result.mappings().partitions(BATCH_ROWS):
            yield list(rows)


async def _count(connection: AsyncConnection, table: Table) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table)) or 0)
