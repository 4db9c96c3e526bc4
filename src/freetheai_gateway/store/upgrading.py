"""Alembic, kept out of every start that has nothing to migrate: only `Database.upgrade` imports this module."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from freetheai_gateway.store.revisions import HEAD, read_status

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Migrate to the newest revision inside the connection's transaction; does nothing where that is done.

    The caller's transaction holds the database's write lock, so that of two processes that start at once the second
    finds the work done. Raises `DatabaseTooNew`.
    """
    if read_status(connection).is_current:
        return
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
