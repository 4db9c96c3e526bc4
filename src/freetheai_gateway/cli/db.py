"""`freetheai db`: the database's revision."""

from typing import Annotated

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_json, print_text, say
from freetheai_gateway.cli.session import Session, in_session, read_settings

app = typer.Typer(no_args_is_help=True, help="See, upgrade or move the database.")


@app.command()
def status(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show whether the database fits this version.

    The exit code is 1 where it has to be upgraded first.
    """
    found = in_session(read_settings(config), lambda session: session.database.status(), any_revision=True)
    if as_json:
        print_json({"current": found.current, "head": found.head, "ok": found.is_current})
    elif found.is_current:
        print_text(f"The database has revision {found.head}, which is the newest.")
    else:
        print_text(f"The database has revision {found.current or 'none'}, this version needs {found.head}.")
    if not found.is_current:
        say("Upgrade it: freetheai db upgrade")
        raise typer.Exit(FAILED)


@app.command()
def upgrade(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Bring the database to the revision this version needs."""

    async def work(session: Session) -> tuple[str | None, str]:
        before = await session.database.status()
        await session.database.upgrade()
        return before.current, before.head

    before, head = in_session(read_settings(config), work, any_revision=True)
    if as_json:
        print_json({"current": head, "head": head, "ok": True})
    elif before == head:
        print_text(f"The database has revision {head} already; nothing was to be done.")
    else:
        print_text(f"The database was upgraded from revision {before or 'none'} to {head}.")


@app.command()
def copy(
    *,
    to: Annotated[str, typer.Option(help="The other database, such as postgresql://user:password@host/name.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy everything into another, empty database, and count both.

    Stop the gateway first, then name the new database in the configuration. What is still in the journal goes into it
    at the next start.
    """
    from freetheai_gateway.settings.forms import database_url
    from freetheai_gateway.settings.marks import BadValue
    from freetheai_gateway.store.copying import copy as copy_database
    from freetheai_gateway.store.database import Database
    from freetheai_gateway.store.location import StoreSettings

    try:
        url = database_url(to)
    except BadValue as error:
        raise typer.BadParameter(error.message, param_hint="--to") from None

    async def work(session: Session) -> dict[str, int]:
        target = await Database.open(StoreSettings(url=url), create=True)
        try:
            return dict(await copy_database(session.database, target))
        finally:
            await target.close()

    copied = in_session(read_settings(config), work)
    if as_json:
        print_json({"ok": True, "copied": copied})
        return
    for table, rows in copied.items():
        print_text(f"{table:15} {rows:>10}")
    print_text("Everything is there. Set database.url to the new database and start the gateway.")
