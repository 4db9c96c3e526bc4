"""What an operator can do something about: one sentence on stderr and an exit code, never a traceback."""

import os
import sys
from typing import TextIO

import typer

FAILED = 1
WRONG = 2
"""Wrong usage or configuration."""


def exit_code(error: Exception) -> int:
    """Say on stderr what went wrong and choose the exit code; an error that nobody expected is raised again."""
    from freetheai_gateway.services.accounts import UnknownAccount, UnknownKey
    from freetheai_gateway.settings.problems import SettingsInvalid
    from freetheai_gateway.store.errors import InvalidCursor, StoreFailed, UnsupportedDatabase
    from freetheai_gateway.web.edge.listener import CannotListen

    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case SettingsInvalid():
            typer.echo(str(error), err=True)
            return WRONG
        case UnsupportedDatabase() | InvalidCursor():
            code, hint = WRONG, ""
        case StoreFailed() | UnknownAccount() | UnknownKey():
            code, hint = FAILED, ""
        case CannotListen():
            code, hint = FAILED, " Choose another one with --port." if error.is_taken else ""
        case _:
            raise error
    typer.echo(f"Error: {error}{hint}", err=True)
    return code


def flushed(code: int) -> int:
    """Write out what is still buffered; a reader that went away (`| head`) is no reason to say anything."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            _turn_away(stream)
            if not isinstance(error, BrokenPipeError):
                typer.echo(f"Error: the output can't be written: {error.strerror}", err=True)
            code = code or FAILED
    return code


def _turn_away(stream: TextIO) -> None:
    """Point a broken stream to nowhere, so that the interpreter's last flush finds nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
