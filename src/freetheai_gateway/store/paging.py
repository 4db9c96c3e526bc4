"""Reading lists page by page: by instant and id, so that rows of one instant are neither lost nor told twice."""

from collections.abc import Sequence

from sqlalchemy import Column, Row, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.services.ports import InvalidCursor, Page


async def read_page(
    connection: AsyncConnection,
    instant: Column[float],
    statement: Select[tuple[object, ...]],
    page: Page,
    *,
    newest_first: bool = False,
) -> tuple[Sequence[Row[tuple[object, ...]]], str | None]:
    """Read a page in the order of (`instant`, id); the cursor is the last row's id.

    Raises `InvalidCursor`, also where that row was erased meanwhile.
    """
    table = instant.table
    place = tuple_(instant, table.c.id)
    if page.after is not None:
        last = (await connection.execute(select(instant).where(table.c.id == page.after))).first()
        if last is None:
            raise InvalidCursor("the cursor names nothing in this list")
        there = tuple_(last[0], page.after)
        statement = statement.where(place < there if newest_first else place > there)
    order = (instant.desc(), table.c.id.desc()) if newest_first else (instant, table.c.id)
    rows = (await connection.execute(statement.order_by(*order).limit(page.limit + 1))).all()
    if len(rows) <= page.limit:
        return rows, None
    return rows[: page.limit], rows[page.limit - 1].id
