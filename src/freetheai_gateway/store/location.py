"""Where the data lies: the frozen value that `app` fills from `[database]`, and the reading of its URL."""

from dataclasses import dataclass
from pathlib import Path

from freetheai_gateway.store.errors import UnsupportedDatabase

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`url` is `sqlite:///` + a path, where a relative one counts from the working directory, or `postgresql://…`.

    `durable` makes every commit wait for the disk (`synchronous=FULL`). It belongs with `JournalSettings.fsync`:
    without it a power cut may take the last commits back, after the journal that held them was deleted. `kill -9`
    loses nothing in either mode.
    """

    url: str = "sqlite:///freetheai.db"
    durable: bool = False
    busy_timeout_s: float = 5.0
    """How long an operation waits for another process's lock, and for the one write connection."""
    readers: int = 2
    """Connections, and so threads, that answer reads of an SQLite file."""
    command_timeout_s: float = 30.0
    """How long one statement of PostgreSQL may take."""


def is_postgres(url: str) -> bool:
    """Whether a database URL names a PostgreSQL server."""
    return url.startswith("postgresql://")


def sqlite_path(url: str) -> Path:
    """Give the file that a database URL names. Raises `UnsupportedDatabase`."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise UnsupportedDatabase("a URL without ://")
    path = url.removeprefix(_SQLITE)
    if path == url:
        raise UnsupportedDatabase(f"{scheme}://" if scheme != "sqlite" else "sqlite:// without a path")
    if not path or path.startswith(":memory:"):
        raise UnsupportedDatabase("a database in memory")
    return Path(path)
