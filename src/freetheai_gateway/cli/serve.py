"""`freetheai serve`."""

from pathlib import Path
from typing import Annotated

import typer

from freetheai_gateway.cli.options import ConfigOption


def serve(
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on instead of server.host.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Port to listen on instead of server.port; 0 = any free one."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Processes instead of server.workers; more than one needs limits.backend on Redis."
        ),
    ] = None,
    welcome: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep a key without limits in this file, and print requests that work when pasted."
        ),
    ] = None,
) -> None:
    """Start the gateway; SIGTERM or Ctrl-C ends it after the running requests."""
    import os  # lint: imports inside, as everywhere in this package, so that --help starts fast

    from freetheai_gateway.app import welcome as words
    from freetheai_gateway.app.gateway import Gateway
    from freetheai_gateway.app.serving import serve as run
    from freetheai_gateway.cli.failures import explained
    from freetheai_gateway.settings.defaults import listening_on
    from freetheai_gateway.settings.load import find_config, load
    from freetheai_gateway.settings.problems import problems_as_text
    from freetheai_gateway.settings.rules import with_workers
    from freetheai_gateway.settings.tree import Settings

    def read_as_asked(read: Settings) -> Settings:
        return with_workers(listening_on(read, host=host, port=port), workers)

    loaded = load(find_config(config, os.environ, Path.cwd()), os.environ)
    if loaded.warnings:
        typer.echo(problems_as_text(loaded.warnings, loaded.source), err=True)
    settings = read_as_asked(loaded.settings)

    async def announce(gateway: Gateway) -> None:
        if welcome is None:
            lines = [words.headline(gateway)]
        else:
            lines = await words.welcome(gateway, welcome, has_config=loaded.source is not None)
        print("\n".join(lines), flush=True)  # noqa: T201 - a pipe that is closed must not end the server

    def read_again() -> Settings:
        return read_as_asked(load(loaded.source, os.environ).settings)

    code = run(settings, announce, read_again, explained)
    if code:
        raise typer.Exit(code)
