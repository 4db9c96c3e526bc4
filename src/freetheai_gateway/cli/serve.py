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
    from freetheai_gateway.settings.defaults import listening_on
    from freetheai_gateway.settings.load import find_config, load
    from freetheai_gateway.settings.problems import problems_as_text
    from freetheai_gateway.settings.tree import Settings

    loaded = load(find_config(config, os.environ, Path.cwd()), os.environ)
    if loaded.warnings:
        typer.echo(problems_as_text(loaded.warnings, loaded.source), err=True)
    settings = listening_on(loaded.settings, host=host, port=port)

    async def announce(gateway: Gateway) -> None:
        if welcome is None:
            lines = [words.headline(gateway)]
        else:
            lines = await words.welcome(gateway, welcome, has_config=loaded.source is not None)
        print("\n".join(lines), flush=True)  # noqa: T201 - a pipe that is closed must not end the server

    def read_again() -> Settings:
        return listening_on(load(loaded.source, os.environ).settings, host=host, port=port)

    run(settings, announce, read_again)
