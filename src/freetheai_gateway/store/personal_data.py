"""Reading and erasing what is kept about one person: the port `PersonalStore`.

Which tables name a person is read off the schema: a column `discord_id` or `account_id`. A table that is added later is
exported and erased without a word here.
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from secrets import token_bytes

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    LargeBinary,
    Row,
    Select,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.clock import rfc3339, utc_day
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.audit import HOLDER
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.key_desk.ports import Bar
from freetheai_gateway.services.personal_data import SWEPT_AGAIN_S, Erasure, Kept
from freetheai_gateway.services.ports import Page, UsageRow
from freetheai_gateway.store.accounts import COUNT_CHANGE, key_of
from freetheai_gateway.store.audit import entry_from_row, entry_of, insert_entry
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.schema import (
    ACCOUNTS,
    API_KEYS,
    AUDIT,
    ERASED_ACCOUNTS,
    KEPT_SECRETS,
    METADATA,
    USAGE_DAY_ACCOUNTS,
    USAGE_DAYS,
    USAGE_RECORDS,
)
from freetheai_gateway.store.upserts import insert_or_ignore
from freetheai_gateway.store.usage import SqlUsage

_DAY_S = 86_400
_ROWS_AT_ONCE = 1_000
_HASH_KEY = "member_hash"
_APART = frozenset({ACCOUNTS.name, API_KEYS.name, AUDIT.name, ERASED_ACCOUNTS.name})
"""Tables that are looked at by name; sums and records of usage are erased in steps."""
_USAGE = (USAGE_DAYS, USAGE_DAY_ACCOUNTS, USAGE_RECORDS)
_NAMES_SOMEBODY = ("name", "discord_id")
_SECRETS = frozenset({"nonce"})


class SqlPersonalData:
    """Implements `PersonalStore` on either database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._usage = SqlUsage(database)

    async def read(self, account: Account, most_requests: int, until: float) -> Kept:
        """Read everything that is kept about an account's owner."""
        days = USAGE_DAYS.c
        requests, _ = await self._usage.account_requests(
            account.id, Page(most_requests), since=account.created_at, until=until
        )
        active = [utc_day(day * _DAY_S) for day in await self._usage.active_days(account.id, account.created_at, until)]
        used = select(USAGE_DAYS).where(days.day.in_(active), days.account_id == account.id)
        of_keys = select(API_KEYS).where(API_KEYS.c.account_id == account.id).order_by(API_KEYS.c.created_at)
        changes = select(AUDIT).where(AUDIT.c.account_id == account.id).order_by(AUDIT.c.at)
        return Kept(
            account,
            keys=[key_of(row) for row in await self._rows(of_keys)],
            days=[_day_of(row) for row in await self._rows(used.order_by(days.day, days.model, days.provider))],
            requests=requests,
            audit=[entry_from_row(row) for row in await self._rows(changes)],
            records={
                table.name: [
                    _shown(table, row) for row in await self._rows(select(table).where(_is_of(column, account)))
                ]
                for table, column in _tables_of_a_person()
            },
        )

    async def erase(self, erasure: Erasure) -> bool:
        """Erase who it was, in one transaction, then what was used; `False` where there is no such account."""
        account, note = erasure.account, erasure.note
        async with self._database.write("erasing an account") as connection:
            found = select(ACCOUNTS.c.id).where(ACCOUNTS.c.id == account.id).with_for_update()
            if (await connection.execute(found)).first() is None:
                return False
            for table, column in _tables_of_a_person():
                await connection.execute(delete(table).where(_is_of(column, account)))
            await connection.execute(delete(API_KEYS).where(API_KEYS.c.account_id == account.id))
            await _make_nameless(connection, account)
            await connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id == account.id))
            await connection.execute(insert(ERASED_ACCOUNTS).values(await self._what_is_left(connection, erasure)))
            await insert_entry(connection, entry_of(note, account.id, account.id))
            await connection.execute(COUNT_CHANGE)
        await self._erase_usage(account.id, account.created_at, note.at)
        return True

    async def sweep(self, now: float) -> None:
        """Erase usage that came late, and forget bars that are over."""
        erased = ERASED_ACCOUNTS.c
        recent = select(ERASED_ACCOUNTS).where(erased.at > now - SWEPT_AGAIN_S)
        for row in await self._rows(recent):
            await self._erase_usage(row.account_id, row.first_day, now)
        is_over = (erased.at <= now - SWEPT_AGAIN_S) & (erased.barred_until.is_not(None)) & (erased.barred_until <= now)
        nobody = (erased.at <= now - SWEPT_AGAIN_S) & (erased.member_hash.is_(None))
        async with self._database.write("forgetting erased accounts") as connection:
            await connection.execute(delete(ERASED_ACCOUNTS).where(or_(is_over, nobody)))

    async def _rows(self, statement: Select[tuple[object, ...]]) -> Sequence[Row[tuple[object, ...]]]:
        async with self._database.read("reading what is kept about a person") as connection:
            return (await connection.execute(statement)).all()

    async def _what_is_left(self, connection: AsyncConnection, erasure: Erasure) -> dict[str, object]:
        discord_id = erasure.account.discord_id
        hashed = None
        if discord_id is not None:
            statement = insert_or_ignore(KEPT_SECRETS, self._database.dialect_name)
            await connection.execute(statement.values({"name": _HASH_KEY, "value": token_bytes(32)}))
            hashed = await _hash_of(connection, discord_id)
        return {
            "account_id": erasure.account.id,
            "at": erasure.note.at,
            "first_day": erasure.account.created_at,
            "member_hash": hashed,
            "barred_until": erasure.barred_until,
            "was_suspended": erasure.was_suspended,
        }

    async def _erase_usage(self, account_id: str, since: float, until: float) -> None:
        """Erase day by day, records before the sums that tell where they are, in short transactions.

        Records are looked for beside the writer, so that those that arrive meanwhile are not held up.
        """
        records = USAGE_RECORDS.c
        for day in await self._usage.active_days(account_id, since, until):
            of_day = (records.started_at >= day * _DAY_S, records.started_at < (day + 1) * _DAY_S)
            found = await self._rows(select(records.request_id).where(*of_day, records.account_id == account_id))
            ids = [row.request_id for row in found]
            for start in range(0, len(ids), _ROWS_AT_ONCE):
                some = ids[start : start + _ROWS_AT_ONCE]
                async with self._database.write("erasing an account's records") as connection:
                    await connection.execute(delete(USAGE_RECORDS).where(records.request_id.in_(some)))
            async with self._database.write("erasing an account's sums") as connection:
                for table in (USAGE_DAYS, USAGE_DAY_ACCOUNTS):
                    of_account = (table.c.day == utc_day(day * _DAY_S), table.c.account_id == account_id)
                    await connection.execute(delete(table).where(*of_account))


async def bar_of(connection: AsyncConnection, discord_id: str, now: float) -> Bar | None:
    """Find why a person whose account was erased is given no new one; `None` where nothing stands against it."""
    hashed = await _hash_of(connection, discord_id)
    if hashed is None:
        return None
    erased = ERASED_ACCOUNTS.c
    holds = or_(erased.barred_until.is_(None), erased.barred_until > now)
    statement = (
        select(erased.barred_until, erased.was_suspended)
        .where(erased.member_hash == hashed, holds)
        .order_by(erased.was_suspended.desc(), erased.at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Bar(row.barred_until, row.was_suspended)


async def _hash_of(connection: AsyncConnection, discord_id: str) -> bytes | None:
    """Hash an id with the key that the first erasure made; `None` where nobody was erased yet."""
    statement = select(KEPT_SECRETS.c.value).where(KEPT_SECRETS.c.name == _HASH_KEY)
    key: bytes | None = await connection.scalar(statement)
    return None if key is None else hmac.digest(key, discord_id.encode(), sha256)


def _tables_of_a_person() -> Iterator[tuple[Table, Column[str]]]:
    for table in METADATA.sorted_tables:
        if table.name in _APART or table in _USAGE:
            continue
        for name in ("discord_id", "account_id"):
            if name in table.c:
                yield table, table.c[name]
                break


def _is_of(column: Column[str], account: Account) -> ColumnElement[bool]:
    return column == (account.discord_id if column.name == "discord_id" else account.id)


def _shown(table: Table, row: Row[tuple[object, ...]]) -> dict[str, object]:
    """Show a row: no digests, and instants as everywhere in the API."""
    shown: dict[str, object] = {}
    for column in table.columns:
        value = row._mapping[column]  # noqa: SLF001 - SQLAlchemy's documented name
        if isinstance(column.type, LargeBinary) or column.name in _SECRETS:
            continue
        is_instant = isinstance(column.type, Double) and (column.name == "at" or column.name.endswith("_at"))
        shown[column.name] = rfc3339(value) if is_instant and value is not None else value
    return shown


async def _make_nameless(connection: AsyncConnection, account: Account) -> None:
    """Take what names the person out of the entries of their account; that something was done, and when, stays."""
    for row in (await connection.execute(select(AUDIT).where(AUDIT.c.account_id == account.id))).all():
        entry = entry_from_row(row)
        values = {
            "actor": HOLDER if entry.actor == f"discord:{account.discord_id}" else entry.actor,
            "reason": None,
            "before": encode(_nameless(entry.before)).decode(),
            "after": encode(_nameless(entry.after)).decode(),
        }
        await connection.execute(update(AUDIT).where(AUDIT.c.id == row.id).values(values))


def _nameless(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in _NAMES_SOMEBODY}


def _day_of(row: Row[tuple[object, ...]]) -> UsageRow:
    return UsageRow(**{column.name: row._mapping[column] for column in USAGE_DAYS.columns})  # noqa: SLF001
