"""What goes wrong with the database and the journal, without any foreign text.

    StoreFailed (services.ports)
    ├── StoreUnavailable (services.ports)   away, locked, full or broken; may succeed later
    │   └── DatabaseUnavailable             with the operation and the driver's error class
    ├── StoreConflict (services.ports)      taken or unknown
    ├── RecordsRefused                      a value that no retry makes storable
    ├── InvalidCursor (services.ports)
    └── StoreSetupFailed                    what ends a start or a command with one sentence
        ├── UnsupportedDatabase
        ├── DatabaseMissing
        ├── DatabaseOutdated
        ├── DatabaseTooNew
        ├── JournalUnavailable
        └── CopyFailed

A driver's message quotes SQL and parameters, so `mapped` lets only its class through.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freetheai_gateway.services.ports import InvalidCursor, StoreConflict, StoreFailed, StoreUnavailable

__all__ = [
    "CopyFailed",
    "DatabaseMissing",
    "DatabaseOutdated",
    "DatabaseTooNew",
    "DatabaseUnavailable",
    "InvalidCursor",
    "JournalUnavailable",
    "RecordsRefused",
    "StoreConflict",
    "StoreFailed",
    "StoreSetupFailed",
    "StoreUnavailable",
    "UnsupportedDatabase",
    "mapped",
]


class DatabaseUnavailable(StoreUnavailable):
    """An operation that found no working database; `cause` is the class of the driver's error."""

    def __init__(self, operation: str, cause: str) -> None:
        super().__init__(f"the database is not available: {operation} ended in {cause}")
        self.operation = operation
        self.cause = cause


class RecordsRefused(StoreFailed):
    """A record holds what the database can't keep, such as a number beyond 64 bits."""


class StoreSetupFailed(StoreFailed):
    """The store can't be used as it is configured; the text is one sentence for the operator."""


class UnsupportedDatabase(StoreSetupFailed):
    """`database.url` names neither an SQLite file nor a PostgreSQL database; only its scheme is told."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            'database.url must name an SQLite file, such as "sqlite:///freetheai.db", or a PostgreSQL database; '
            f'"{scheme}" is not supported'
        )
        self.scheme = scheme


class DatabaseMissing(StoreSetupFailed):
    """Only `serve` creates a database."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no database at {path}; start the gateway once to create it")
        self.path = path


class DatabaseOutdated(StoreSetupFailed):
    """The database has an older revision than this version needs."""

    def __init__(self, current: str | None, head: str) -> None:
        super().__init__(f'the database has revision {current or "none"} and needs {head}; run "freetheai db upgrade"')
        self.current = current
        self.head = head


class DatabaseTooNew(StoreSetupFailed):
    """A newer version of the gateway has changed the database."""

    def __init__(self, current: str, head: str) -> None:
        super().__init__(
            f"the database has revision {current}, which this version does not know (its newest is {head}); "
            "use the version of the gateway that made it, or a newer one"
        )
        self.current = current
        self.head = head


class JournalUnavailable(StoreSetupFailed):
    """The journal's directory can't be used."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"the journal can't be written in {directory}: {reason}")
        self.directory = directory


class CopyFailed(StoreSetupFailed):
    """A database could not be copied; nothing of it is in the target."""


_DATA_EXCEPTION = "22"
"""Class of PostgreSQL's error codes for values (PostgreSQL documentation, appendix A)."""


@contextmanager
def mapped(operation: str) -> Iterator[None]:
    """Turn whatever the database layer raises into this module's errors; `operation` is a static name."""
    from sqlalchemy import exc  # noqa: PLC0415 - the journal imports this module and needs no SQLAlchemy

    try:
        yield
    except exc.IntegrityError:
        raise StoreConflict(f"{operation} contradicts what is stored") from None
    except (exc.DataError, OverflowError, ValueError) as error:
        raise RecordsRefused(f"{operation} was given a value that can't be stored: {type(error).__name__}") from None
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        if str(getattr(cause, "sqlstate", None) or "").startswith(_DATA_EXCEPTION):
            name = type(cause).__name__
            raise RecordsRefused(f"{operation} was given a value that can't be stored: {name}") from None
        raise DatabaseUnavailable(operation, type(cause).__name__) from None
