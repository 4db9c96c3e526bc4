"""`freetheai requests`: what is kept of one request."""

from typing import Annotated

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_fields, say
from freetheai_gateway.cli.session import in_session, read_settings

app = typer.Typer(no_args_is_help=True, help="Look up what is kept of a request; never its content.")


@app.command()
def show(
    *,
    request: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST", help="Id of the request, req_…; its header x-request-id and the log name it."
        ),
    ],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show times, tokens, cost and outcome of a request."""
    from freetheai_gateway.services.admin_view import record_fields

    record = in_session(read_settings(config), lambda session: session.usage.find(request))
    if record is None:
        say(
            f'Error: there is no record of request "{request}". Requests that were refused are in the log only, '
            "and a record may take half a second to arrive."
        )
        raise typer.Exit(FAILED)
    print_fields(record_fields(record), as_json=as_json)
