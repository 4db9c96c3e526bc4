"""The audit list in the database: the port `AuditStore`, and what the account store writes beside its changes."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.domain.audit import AuditEntry, Note
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.services.ports import Page
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.paging import read_page
from freetheai_gateway.store.schema import AUDIT

_SHOWN_OF_A_NEW_ACCOUNT = ("name", "discord_id", "tier_override", "role_tier", "unlimited")
_read_values: Decoder[dict[str, object]] = Decoder(dict[str, object])


class SqlAudit:
    """Reads what the account store writes, and keeps what happens outside the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, entry: AuditEntry) -> None:
        """Keep an entry of something that is not in the database, such as a reload."""
        async with self._database.write("keeping an audit entry") as connection:
            await insert_entry(connection, entry)

    async def list_entries(
        self, page: Page, *, account_id: str | None = None
    ) -> tuple[Sequence[AuditEntry], str | None]:
        """Read entries, the newest first, with the cursor of the next page. Raises `InvalidCursor`."""
        statement = select(AUDIT)
        if account_id is not None:
            statement = statement.where(AUDIT.c.account_id == account_id)
        async with self._database.read("listing audit entries") as connection:
            rows, cursor = await read_page(connection, AUDIT.c.at, statement, page, newest_first=True)
        return [entry_from_row(row) for row in rows], cursor


def entry_of(
    note: Note,
    subject: str,
    account_id: str,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Make the entry of a change to an account or one of its keys."""
    return AuditEntry(
        id=note.id,
        at=note.at,
        actor=note.actor,
        action=note.action.value,
        subject=subject,
        account_id=account_id,
        reason=note.reason,
        before=before or {},
        after=after or {},
    )


async def insert_entry(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Insert an entry in the connection's transaction."""
    await insert_entries(connection, [entry])


async def insert_entries(connection: AsyncConnection, entries: Sequence[AuditEntry]) -> None:
    """Insert entries, of which there must be at least one, in the connection's transaction."""
    await connection.execute(insert(AUDIT), [_row(entry) for entry in entries])


def shown_account(account: Account, names: Iterable[str] = _SHOWN_OF_A_NEW_ACCOUNT) -> dict[str, object]:
    """Pick what an entry says of an account; instants as everywhere in the API."""
    values = {name: getattr(account, name) for name in names}
    if values.get("paused_until") is not None:
        values["paused_until"] = rfc3339(values["paused_until"])
    return values


def shown_key(key: ApiKey) -> dict[str, object]:
    """Pick what an entry says of a key: its name and its visible beginning."""
    return {"name": key.name, "prefix": key.prefix}


def _row(entry: AuditEntry) -> dict[str, object]:
    values = {column.name: getattr(entry, column.name) for column in AUDIT.columns}
    return values | {name: encode(values[name]).decode() for name in ("before", "after")}


def entry_from_row(row: Row[tuple[object, ...]]) -> AuditEntry:
    """Read an entry from its row."""
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        account_id=row.account_id,
        reason=row.reason,
        before=_read_values(row.before),
        after=_read_values(row.after),
    )
