"""`freetheai local`: the model that runs beside the gateway."""

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_json, print_text, say
from freetheai_gateway.cli.session import locate_config

app = typer.Typer(no_args_is_help=True, help="The model that runs beside the gateway.")


@app.command()
def install(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Download the demonstration model (93 MB).

    It is installed into the Python environment of this command, unless it is there already.
    """
    from freetheai_gateway.upstream.llamacpp.install import install as install_model

    locate_config(config)  # nothing is read from it, but a wrong name is said here as everywhere
    code = install_model(say if as_json else print_text)
    if as_json:
        print_json({"ok": code == 0})
    if code != 0:
        raise typer.Exit(FAILED)
