"""Which failures become a sentence and an exit code."""

import errno

import pytest

from freetheai_gateway.cli.failures import exit_code
from freetheai_gateway.store.errors import DatabaseUnavailable, InvalidCursor
from freetheai_gateway.web.edge.listener import CannotListen

ANOTHER_PORT = " Choose another one: serve --port N, or make run PORT=N."


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InvalidCursor("the cursor names nothing"), 2, "Error: the cursor names nothing\n"),
        (
            DatabaseUnavailable("listing keys", "OperationalError"),
            1,
            "Error: the database is not available: listing keys ended in OperationalError\n",
        ),
        (
            ExceptionGroup("", [CannotListen("127.0.0.1", 8000, OSError(errno.EADDRINUSE, ""))]),
            1,
            f"Error: Cannot listen on 127.0.0.1 port 8000: the port is taken.{ANOTHER_PORT}\n",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "Error: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "a.db"), 1, "Error: Permission denied: a.db\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_failure_is_one_sentence(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, sentence: str
) -> None:
    """On stderr, with the exit code of its kind; a group of one is that one."""
    assert exit_code(error) == code
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize("error", [KeyError("a fault"), TimeoutError(), ExceptionGroup("", [ValueError(), KeyError()])])
def test_a_fault_of_the_program_is_raised_again(error: Exception) -> None:
    """A traceback is what its finder has to report."""
    with pytest.raises(type(error)):
        exit_code(error)
