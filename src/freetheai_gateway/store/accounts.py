"""Accounts and keys in the database: the ports `AccountStore` and `KeyLookup`."""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey, Caller
from freetheai_gateway.services.ports import InvalidCursor, Page
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.schema import ACCOUNTS, API_KEYS, CHANGES

_FIND_CALLER = (
    select(API_KEYS.c.id.label("key_id"), API_KEYS.c.prefix, ACCOUNTS)
    .join_from(API_KEYS, ACCOUNTS)
    .where(API_KEYS.c.digest == bindparam("digest"), API_KEYS.c.revoked_at.is_(None))
)
_COUNT_CHANGE = update(CHANGES).values(counter=CHANGES.c.counter + 1)


class SqlAccounts:
    """Every change counts up `changes` in its own transaction, which is what `ChangeFeed` looks at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Find who a key belongs to; `None` where it is unknown or revoked."""
        async with self._database.read("finding a caller") as connection:
            row = (await connection.execute(_FIND_CALLER, {"digest": digest})).first()
        return None if row is None else Caller(row.key_id, row.prefix, _account(row))

    async def create_account(self, account: Account) -> None:
        """Insert an account. Raises `StoreConflict` where its id or Discord id is taken."""
        async with self._database.write("creating an account") as connection:
            await connection.execute(insert(ACCOUNTS).values(_values(ACCOUNTS, account)))
            await connection.execute(_COUNT_CHANGE)

    async def find_account(self, account_id: str) -> Account | None:
        """Read an account."""
        async with self._database.read("finding an account") as connection:
            row = (await connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account_id))).first()
        return None if row is None else _account(row)

    async def list_accounts(self, page: Page) -> tuple[Sequence[Account], str | None]:
        """Read accounts by creation, with the cursor of the next page. Raises `InvalidCursor`."""
        async with self._database.read("listing accounts") as connection:
            rows, cursor = await _page(connection, ACCOUNTS, select(ACCOUNTS), page)
        return [_account(row) for row in rows], cursor

    async def set_tier(self, account_id: str, tier_override: int | None) -> bool:
        """Set or clear the operator's tier; `False` where there is no such account."""
        return await self._change(
            "setting a tier", update(ACCOUNTS).where(ACCOUNTS.c.id == account_id).values(tier_override=tier_override)
        )

    async def set_state(
        self, account_id: str, state: AccountState, *, reason: str | None = None, until: float | None = None
    ) -> bool:
        """Suspend or restore; `False` where there is no such account. `until` is a wall-clock instant."""
        return await self._change(
            "setting a state",
            update(ACCOUNTS)
            .where(ACCOUNTS.c.id == account_id)
            .values(state=state.value, pause_reason=reason, paused_until=until),
        )

    async def create_key(self, key: ApiKey) -> None:
        """Insert a key. Raises `StoreConflict` where id or digest are taken or the account does not exist."""
        async with self._database.write("creating a key") as connection:
            await _insert_key(connection, key)
            await connection.execute(_COUNT_CHANGE)

    async def find_key(self, key_id: str) -> ApiKey | None:
        """Read a key, revoked ones too."""
        async with self._database.read("finding a key") as connection:
            row = (await connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id))).first()
        return None if row is None else _key(row)

    async def list_keys(self, page: Page, *, account_id: str | None = None) -> tuple[Sequence[ApiKey], str | None]:
        """Read keys by creation, with the cursor of the next page. Raises `InvalidCursor`."""
        statement = select(API_KEYS)
        if account_id is not None:
            statement = statement.where(API_KEYS.c.account_id == account_id)
        async with self._database.read("listing keys") as connection:
            rows, cursor = await _page(connection, API_KEYS, statement, page)
        return [_key(row) for row in rows], cursor

    async def revoke_key(self, key_id: str, at: float) -> bool:
        """Revoke; `False` where there is no such key or it was revoked before."""
        return await self._change("revoking a key", _revocation(key_id, at))

    async def replace_key(self, old_key_id: str, new_key: ApiKey, at: float) -> bool:
        """Revoke the old key and insert the new one in one transaction; `False` as in `revoke_key`."""
        async with self._database.write("replacing a key") as connection:
            if not _touched(await connection.execute(_revocation(old_key_id, at))):
                return False
            await _insert_key(connection, new_key)
            await connection.execute(_COUNT_CHANGE)
        return True

    async def _change(self, operation: str, statement: Update) -> bool:
        async with self._database.write(operation) as connection:
            if not _touched(await connection.execute(statement)):
                return False
            await connection.execute(_COUNT_CHANGE)
        return True


def _touched(result: CursorResult[tuple[object, ...]]) -> bool:
    return result.rowcount > 0


def _revocation(key_id: str, at: float) -> Update:
    return update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None)).values(revoked_at=at)


async def _insert_key(connection: AsyncConnection, key: ApiKey) -> None:
    await connection.execute(insert(API_KEYS).values(_values(API_KEYS, key)))


async def _page(
    connection: AsyncConnection, table: Table, statement: Select[tuple[object, ...]], page: Page
) -> tuple[Sequence[Row[tuple[object, ...]]], str | None]:
    """Read a page by (created_at, id); the cursor is the last row's id, which never goes away."""
    if page.after is not None:
        last = (await connection.execute(select(table.c.created_at).where(table.c.id == page.after))).first()
        if last is None:
            raise InvalidCursor("the cursor names nothing in this list")
        statement = statement.where(_place(table) > tuple_(last.created_at, page.after))
    statement = statement.order_by(table.c.created_at, table.c.id).limit(page.limit + 1)
    rows = (await connection.execute(statement)).all()
    if len(rows) <= page.limit:
        return rows, None
    return rows[: page.limit], rows[page.limit - 1].id


def _place(table: Table) -> ColumnElement[tuple[object, ...]]:
    return tuple_(table.c.created_at, table.c.id)


def _values(table: Table, thing: Account | ApiKey) -> dict[str, object]:
    return {column.name: getattr(thing, column.name) for column in table.columns}


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        state=AccountState(row.state),
        unlimited=row.unlimited,
        discord_id=row.discord_id,
        tier_override=row.tier_override,
        role_tier=row.role_tier,
        pause_reason=row.pause_reason,
        paused_until=row.paused_until,
    )


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        prefix=row.prefix,
        digest=row.digest,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
