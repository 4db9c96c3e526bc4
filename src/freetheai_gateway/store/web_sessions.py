"""Sessions of the pages: the port `SessionStore`."""

from sqlalchemy import Row, Select, and_, bindparam, delete, insert, select

from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.services.login import Session, Visitor
from freetheai_gateway.store.accounts import account_of
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.schema import ACCOUNTS, API_KEYS, WEB_SESSIONS

MOST_PER_PERSON = 10
"""Browsers that one person may be signed in with; the session that was opened first goes first."""


def _find() -> Select[tuple[object, ...]]:
    """Find a session with the account of its Discord id and that account's key in force, in one row."""
    sessions = WEB_SESSIONS.c
    key_in_force = and_(API_KEYS.c.account_id == ACCOUNTS.c.id, API_KEYS.c.revoked_at.is_(None))
    joined = WEB_SESSIONS.outerjoin(ACCOUNTS, ACCOUNTS.c.discord_id == sessions.discord_id)
    return (
        select(
            *ACCOUNTS.c,
            sessions.digest.label("session_digest"),
            sessions.login,
            sessions.discord_id.label("session_discord_id"),
            sessions.name.label("session_name"),
            sessions.created_at.label("session_created_at"),
            sessions.expires_at,
            API_KEYS.c.id.label("key_id"),
            API_KEYS.c.name.label("key_name"),
            API_KEYS.c.created_at.label("key_created_at"),
            API_KEYS.c.prefix,
            API_KEYS.c.digest,
        )
        .select_from(joined.outerjoin(API_KEYS, key_in_force))
        .where(sessions.digest == bindparam("session"), sessions.expires_at > bindparam("now"))
        .order_by(API_KEYS.c.created_at)
        .limit(1)
    )


_FIND = _find()


class SqlSessions:
    """Implements `SessionStore` on either database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: Session) -> bool:
        """Keep a session; `False` where its attempt was used already."""
        sessions = WEB_SESSIONS.c
        of_this_person = sessions.discord_id == session.discord_id
        newest = (
            select(sessions.digest)
            .where(of_this_person)
            .order_by(sessions.created_at.desc(), sessions.digest)
            .limit(MOST_PER_PERSON)
        )
        async with self._database.write("opening a session") as connection:
            used = select(sessions.digest).where(sessions.login == session.login)
            if (await connection.execute(used)).first() is not None:
                return False
            values = {column.name: getattr(session, column.name) for column in WEB_SESSIONS.columns}
            await connection.execute(insert(WEB_SESSIONS).values(values))
            await connection.execute(delete(WEB_SESSIONS).where(of_this_person, sessions.digest.not_in(newest)))
            await connection.execute(delete(WEB_SESSIONS).where(sessions.expires_at <= session.created_at))
        return True

    async def find(self, digest: bytes, now: float) -> Visitor | None:
        """Find who a session belongs to; `None` where it is unknown, ended or expired."""
        async with self._database.read("finding a session") as connection:
            row = (await connection.execute(_FIND, {"session": digest, "now": now})).first()
        return None if row is None else _visitor(row)

    async def close(self, digest: bytes) -> None:
        """End a session."""
        async with self._database.write("ending a session") as connection:
            await connection.execute(delete(WEB_SESSIONS).where(WEB_SESSIONS.c.digest == digest))

    async def account_of(self, discord_id: str) -> Account | None:
        """Read the account of a Discord id."""
        statement = select(ACCOUNTS).where(ACCOUNTS.c.discord_id == discord_id)
        async with self._database.read("finding a member's account") as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else account_of(row)


def _visitor(row: Row[tuple[object, ...]]) -> Visitor:
    session = Session(
        row.session_digest,
        row.login,
        row.session_discord_id,
        row.session_name,
        row.session_created_at,
        row.expires_at,
    )
    if row.id is None:
        return Visitor(session)
    key = None
    if row.key_id is not None:
        key = ApiKey(row.key_id, row.id, row.key_name, row.prefix, row.digest, row.key_created_at)
    return Visitor(session, account_of(row), key)
