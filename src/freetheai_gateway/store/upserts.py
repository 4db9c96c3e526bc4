"""`INSERT … ON CONFLICT` for the dialects that spell it alike, and inserts of many rows that do not hold up the loop.

SQLAlchemy prepares the parameters of an `execute` row by row on the event loop's thread: 6.5 ms for 500 usage records,
against 1.1 ms when the compiled text is run with ready tuples. Hence `ManyRows`.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert = sqlite.Insert | postgresql.Insert


def insert_new(table: Table, dialect_name: str) -> "Insert":
    """Insert a row whose key is free."""
    if dialect_name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 35 ms that SQLite does not need

        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_or_ignore(table: Table, dialect_name: str) -> "Insert":
    """Insert a row unless its key is taken."""
    return insert_new(table, dialect_name).on_conflict_do_nothing()


def insert_or_add(table: Table, dialect_name: str) -> "Insert":
    """Insert a row, or add its numbers to the row that has its key: what a roll-up needs."""
    statement = insert_new(table, dialect_name)
    sums = {column.name: column + statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)


class ManyRows:
    """An insert of every column of a table, run for many objects that have attributes of the columns' names."""

    __slots__ = ("_sql", "_values_of")

    def __init__(self, statement: "Insert", connection: AsyncConnection) -> None:
        compiled = statement.compile(dialect=connection.dialect)
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positiontup is not None
        self._sql = str(compiled)
        self._values_of = attrgetter(*compiled.positiontup)

    async def run(self, connection: AsyncConnection, rows: Iterable[object]) -> None:
        """Insert the rows, of which there must be at least one."""
        await connection.exec_driver_sql(self._sql, [self._values_of(row) for row in rows])
