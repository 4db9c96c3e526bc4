"""The settings and the store of one command, opened and closed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from freetheai_gateway.services.accounts import AccountDesk
    from freetheai_gateway.services.personal_data import PersonalData
    from freetheai_gateway.settings import Loaded, Settings
    from freetheai_gateway.store.accounts import SqlAccounts
    from freetheai_gateway.store.audit import SqlAudit
    from freetheai_gateway.store.database import Database
    from freetheai_gateway.store.usage import SqlUsage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with while it runs."""

    settings: Settings
    database: Database
    accounts: SqlAccounts
    desk: AccountDesk
    usage: SqlUsage
    audit: SqlAudit
    personal: PersonalData


def locate_config(option: Path | None) -> Path | None:
    """Decide which configuration file counts; `None` = the built-in defaults. Raises `SettingsInvalid`."""
    from freetheai_gateway.settings import find_config

    return find_config(option, os.environ, Path.cwd())


def load_config(option: Path | None) -> Loaded:
    """Read the configuration that counts. Raises `SettingsInvalid`."""
    from freetheai_gateway.settings import load

    return load(locate_config(option), os.environ)


def read_settings(option: Path | None) -> Settings:
    """Read the settings of the configuration that counts. Raises `SettingsInvalid`."""
    return load_config(option).settings


def in_session(settings: Settings, work: Callable[[Session], Awaitable[T]], *, any_revision: bool = False) -> T:
    """Open the database, do the work, close it. Never creates a database: raises `DatabaseMissing`.

    `any_revision` allows an older one, for the commands that show or upgrade it.
    """
    import asyncio

    async def run() -> T:
        session = await _open(settings, any_revision=any_revision)
        try:
            return await work(session)
        finally:
            await session.database.close()

    return asyncio.run(run())


async def _open(settings: Settings, *, any_revision: bool) -> Session:
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.accounts import AccountDesk
    from freetheai_gateway.services.personal_data import PersonalData
    from freetheai_gateway.store.accounts import SqlAccounts
    from freetheai_gateway.store.audit import SqlAudit
    from freetheai_gateway.store.database import Database
    from freetheai_gateway.store.location import StoreSettings
    from freetheai_gateway.store.personal_data import SqlPersonalData
    from freetheai_gateway.store.usage import SqlUsage

    store = StoreSettings(url=settings.database.url, durable=settings.journal.fsync)
    database = await Database.open(store, create=False, any_revision=any_revision)
    accounts = SqlAccounts(database)
    clock, actor = SystemClock(), f"cli:{_user()}"
    desk = AccountDesk(accounts, clock, actor)
    personal = PersonalData(accounts, SqlPersonalData(database), clock, actor)
    return Session(settings, database, accounts, desk, SqlUsage(database), SqlAudit(database), personal)


def _user() -> str:
    """Name the user of this machine who runs the command; a container may have none but a number."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())
