"""Accounts and keys in the database: the ports `AccountStore` and `KeyLookup`."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Row, Table, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.domain.accounts import Account, AccountFields, AccountState, ApiKey, Caller
from freetheai_gateway.domain.audit import Note
from freetheai_gateway.services.ports import Page
from freetheai_gateway.store.audit import entry_of, insert_entry, shown_account, shown_key
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.paging import read_page
from freetheai_gateway.store.schema import ACCOUNTS, API_KEYS, CHANGES, WEB_SESSIONS

_FIND_CALLER = (
    select(API_KEYS.c.id.label("key_id"), API_KEYS.c.prefix, ACCOUNTS)
    .join_from(API_KEYS, ACCOUNTS)
    .where(API_KEYS.c.digest == bindparam("digest"), API_KEYS.c.revoked_at.is_(None))
)
COUNT_CHANGE = update(CHANGES).values(counter=CHANGES.c.counter + 1)


class SqlAccounts:
    """Every change counts up `changes` in its own transaction, which is what `ChangeFeed` looks at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Find who a key belongs to; `None` where it is unknown or revoked."""
        async with self._database.read("finding a caller") as connection:
            row = (await connection.execute(_FIND_CALLER, {"digest": digest})).first()
        return None if row is None else Caller(row.key_id, row.prefix, account_of(row))

    async def create_account(self, account: Account, key: ApiKey | None = None, *, note: Note | None = None) -> None:
        """Insert an account and its first key. Raises `StoreConflict` where an id, digest or Discord id is taken."""
        async with self._database.write("creating an account") as connection:
            await connection.execute(insert(ACCOUNTS).values(row_values(ACCOUNTS, account)))
            if key is not None:
                await _insert_key(connection, key)
            if note is not None:
                first_key = {} if key is None else {"key_id": key.id}
                after = {**shown_account(account), **first_key}
                await insert_entry(connection, entry_of(note, account.id, account.id, after=after))
            await connection.execute(COUNT_CHANGE)

    async def find_account(self, account_id: str) -> Account | None:
        """Read an account."""
        async with self._database.read("finding an account") as connection:
            row = (await connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account_id))).first()
        return None if row is None else account_of(row)

    async def list_accounts(self, page: Page, *, search: str = "") -> tuple[Sequence[Account], str | None]:
        """Read accounts by creation, with the cursor of the next page. Raises `InvalidCursor`."""
        statement = select(ACCOUNTS)
        if search:
            named = ACCOUNTS.c.name.icontains(search, autoescape=True)
            statement = statement.where(or_(named, ACCOUNTS.c.id == search, ACCOUNTS.c.discord_id == search))
        async with self._database.read("listing accounts") as connection:
            rows, cursor = await read_page(connection, ACCOUNTS.c.created_at, statement, page)
        return [account_of(row) for row in rows], cursor

    async def change_account(
        self, account_id: str, fields: AccountFields, *, note: Note | None = None
    ) -> Account | None:
        """Set fields of an account; returns it as it is afterwards, `None` where there is no such account."""
        this_one = ACCOUNTS.c.id == account_id
        async with self._database.write("changing an account") as connection:
            row = (await connection.execute(select(ACCOUNTS).where(this_one).with_for_update())).first()
            if row is None:
                return None
            before = account_of(row)
            after = replace(before, **fields)
            await connection.execute(update(ACCOUNTS).where(this_one).values(row_values(ACCOUNTS, after)))
            if after.state is AccountState.PAUSED and after.discord_id is not None:
                of_this_person = WEB_SESSIONS.c.discord_id == after.discord_id
                await connection.execute(delete(WEB_SESSIONS).where(of_this_person))
            if note is not None:
                was, now_is = shown_account(before, fields), shown_account(after, fields)
                entry = entry_of(note, account_id, account_id, before=was, after=now_is)
                await insert_entry(connection, entry)
            await connection.execute(COUNT_CHANGE)
        return after

    async def create_key(self, key: ApiKey, *, note: Note | None = None) -> None:
        """Insert a key. Raises `StoreConflict` where id or digest are taken or the account does not exist."""
        async with self._database.write("creating a key") as connection:
            await _insert_key(connection, key)
            if note is not None:
                await insert_entry(connection, entry_of(note, key.id, key.account_id, after=shown_key(key)))
            await connection.execute(COUNT_CHANGE)

    async def find_key(self, key_id: str) -> ApiKey | None:
        """Read a key, revoked ones too."""
        async with self._database.read("finding a key") as connection:
            row = (await connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id))).first()
        return None if row is None else key_of(row)

    async def list_keys(self, page: Page, *, account_id: str | None = None) -> tuple[Sequence[ApiKey], str | None]:
        """Read keys by creation, with the cursor of the next page. Raises `InvalidCursor`."""
        statement = select(API_KEYS)
        if account_id is not None:
            statement = statement.where(API_KEYS.c.account_id == account_id)
        async with self._database.read("listing keys") as connection:
            rows, cursor = await read_page(connection, API_KEYS.c.created_at, statement, page)
        return [key_of(row) for row in rows], cursor

    async def revoke_key(self, key_id: str, at: float, *, note: Note | None = None) -> ApiKey | None:
        """Revoke; returns the revoked key, `None` where there is no such key or it was revoked before."""
        async with self._database.write("revoking a key") as connection:
            key = await revoke(connection, key_id, at)
            if key is None:
                return None
            if note is not None:
                entry = entry_of(note, key_id, key.account_id, before={"prefix": key.prefix})
                await insert_entry(connection, entry)
            await connection.execute(COUNT_CHANGE)
        return key

    async def replace_key(self, old_key_id: str, new_key: ApiKey, at: float, *, note: Note | None = None) -> bool:
        """Revoke the old key and insert the new one in one transaction; `False` where there is none to revoke."""
        async with self._database.write("replacing a key") as connection:
            old = await revoke(connection, old_key_id, at)
            if old is None:
                return False
            await _insert_key(connection, new_key)
            if note is not None:
                after = {"key_id": new_key.id, **shown_key(new_key)}
                entry = entry_of(note, old_key_id, old.account_id, before={"prefix": old.prefix}, after=after)
                await insert_entry(connection, entry)
            await connection.execute(COUNT_CHANGE)
        return True


async def revoke(connection: AsyncConnection, key_id: str, at: float) -> ApiKey | None:
    """Revoke a key that is in force."""
    statement = (
        update(API_KEYS)
        .where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(API_KEYS)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else key_of(row)


async def _insert_key(connection: AsyncConnection, key: ApiKey) -> None:
    await connection.execute(insert(API_KEYS).values(row_values(API_KEYS, key)))


def row_values(table: Table, thing: Account | ApiKey) -> dict[str, object]:
    """Lay an account or a key out as its row."""
    return {column.name: getattr(thing, column.name) for column in table.columns}


def account_of(row: Row[tuple[object, ...]]) -> Account:
    """Read an account from its row."""
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
        checked_in_on=row.checked_in_on,
        member_seen_at=row.member_seen_at,
        is_unlisted=row.is_unlisted,
    )


def key_of(row: Row[tuple[object, ...]]) -> ApiKey:
    """Read a key from its row."""
    return ApiKey(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        prefix=row.prefix,
        digest=row.digest,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
