"""`freetheai db`: the database's revision."""

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_json, print_text, say
from freetheai_gateway.cli.session import Session, in_session, read_settings

app = typer.Typer(no_args_is_help=True, help="See and upgrade the revision of the database.")


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
