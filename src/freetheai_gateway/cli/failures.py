"""What an operator can do something about: one sentence on stderr and an exit code, never a traceback."""

import os
import sys
from typing import TextIO

import typer

FAILED = 1
_ANOTHER_PORT = " Choose another one: serve --port N, or make run PORT=N."
WRONG = 2
"""Wrong usage or configuration."""


def exit_code(error: Exception) -> int:
    """Say on stderr what went wrong and choose the exit code; an error that nobody expected is raised again."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    known = explained(error)
    if known is None:
        raise error
    code, sentence = known
    typer.echo(sentence, err=True)
    return code


def explained(error: BaseException) -> tuple[int, str] | None:
    """Give the exit code and the sentence of what an operator can do something about; `None` for a fault."""
    from freetheai_gateway.app.workers.failed import NodeFailed

    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, NodeFailed):
        return error.code, str(error)  # as the worker said it
    return _explain(error) if isinstance(error, Exception) else None


def flushed(code: int) -> int:
    """Write out what is still buffered; a reader that went away (`| head`) is no reason to say anything."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed by whoever started the command
            continue
        try:
            stream.flush()
        except OSError as error:
            _turn_away(stream)
            if code == 0 and not isinstance(error, BrokenPipeError):
                typer.echo(f"Error: {error.strerror}", err=True)
            code = code or FAILED
    return code


def _explain(error: Exception) -> tuple[int, str] | None:
    from freetheai_gateway.services.accounts import UnknownAccount, UnknownKey
    from freetheai_gateway.settings.problems import SettingsInvalid
    from freetheai_gateway.store.errors import InvalidCursor, StoreFailed, UnsupportedDatabase
    from freetheai_gateway.web.edge.listener import CannotListen

    match error:
        case SettingsInvalid():
            return WRONG, str(error)
        case UnsupportedDatabase() | InvalidCursor():
            return WRONG, f"Error: {error}"
        case StoreFailed() | UnknownAccount() | UnknownKey():
            return FAILED, f"Error: {error}"
        case CannotListen():
            return FAILED, f"Error: {error}{_ANOTHER_PORT if error.is_taken else ''}"
        case OSError() if error.strerror is not None:
            # The machine's, such as a full disk under a redirected stdout: what the store does is explained above.
            return FAILED, f"Error: {error.strerror}" + (f": {error.filename}" if error.filename else "")
        case _:
            return None


def _turn_away(stream: TextIO) -> None:
    """Point a broken stream to nowhere, so that the interpreter's last flush finds nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
