"""Which revision a database has, compared with what this version knows; without importing Alembic."""

from dataclasses import dataclass

from sqlalchemy import Connection, column, inspect, select, table

from freetheai_gateway.store.errors import DatabaseTooNew

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision in `migrations/versions`, oldest first (a test compares). Alembic costs 0.3 s to import, so that a
start must be able to tell without it that there is nothing to do."""
HEAD = REVISIONS[-1]

_VERSION = table("alembic_version", column("version_num"))


@dataclass(frozen=True, slots=True)
class Status:
    """The revision that the database has (`None`: no tables yet) and the one this version needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.current == self.head


def read_status(connection: Connection) -> Status:
    """Read the revision. Raises `DatabaseTooNew` where this version does not know it."""
    if not inspect(connection).has_table(_VERSION.name):
        return Status(None, HEAD)
    current: str | None = connection.scalar(select(_VERSION.c.version_num))
    if current is not None and current not in REVISIONS:
        raise DatabaseTooNew(current, HEAD)
    return Status(current, HEAD)
