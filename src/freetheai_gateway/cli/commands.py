"""Every command and group of `freetheai`, put together."""

from collections.abc import Sequence
from typing import Annotated

import typer

from freetheai_gateway import __version__
from freetheai_gateway.cli import accounts, db, discord, failures, keys, local, requests
from freetheai_gateway.cli.audit import audit
from freetheai_gateway.cli.check import check
from freetheai_gateway.cli.drill import drill
from freetheai_gateway.cli.models import models
from freetheai_gateway.cli.serve import serve
from freetheai_gateway.cli.usage import usage

NAME = "freetheai"


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Raises only what is a fault of the program."""
    try:
        app(arguments, prog_name=NAME)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else failures.FAILED
    except Exception as error:  # noqa: BLE001 - the one place that turns failures into exit codes; others are raised again
        code = failures.exit_code(error)
    return failures.flushed(code)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the signature of a Typer callback
    if wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Run and look after a FreeTheAi gateway: an AI gateway for a community."""


def _build() -> typer.Typer:
    # Rich in help pages would cost every start of `--help` its import; it draws tables only.
    root = typer.Typer(
        callback=_root,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.command(short_help="Start the gateway.")(serve)
    root.command()(check)
    root.add_typer(keys.app, name="keys")
    root.add_typer(accounts.app, name="accounts")
    root.command()(models)
    root.command()(usage)
    root.add_typer(requests.app, name="requests")
    root.command()(audit)
    root.add_typer(discord.app, name="discord")
    root.add_typer(db.app, name="db")
    root.command()(drill)
    root.add_typer(local.app, name="local")
    return root


app = _build()
