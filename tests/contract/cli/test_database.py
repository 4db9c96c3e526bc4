"""`freetheai db` and `freetheai local`."""

import sqlite3
from pathlib import Path

import pytest

from freetheai_gateway.store.revisions import HEAD
from freetheai_gateway.upstream.llamacpp.discover import DEMONSTRATION_FILE, DEMONSTRATION_PACKAGE
from tests.contract.cli.conftest import CommandLine

CURRENT = {"current": HEAD, "head": HEAD, "ok": True}


@pytest.fixture
def outdated(empty_folder: Path) -> Path:
    """Make a database without any table."""
    path = empty_folder / "freetheai.db"
    path.touch()
    return path


def test_status_of_a_current_database_is_ok(command: CommandLine) -> None:
    """Both forms end with 0."""
    assert command("db", "status", "--json").object == CURRENT
    done = command("db", "status")
    assert (done.code, done.err) == (0, "")
    assert HEAD in done.out


def test_status_of_an_outdated_database_says_what_to_do(bare_command: CommandLine, outdated: Path) -> None:
    """The object stands alone on stdout and the exit code tells scripts."""
    done = bare_command("db", "status", "--json")
    assert (done.code, done.out) == (1, f'{{"current":null,"head":"{HEAD}","ok":false}}\n')
    assert "freetheai db upgrade" in done.err


def test_other_commands_on_an_outdated_database_say_what_to_do(bare_command: CommandLine, outdated: Path) -> None:
    """They never upgrade it themselves."""
    done = bare_command("keys", "list")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "freetheai db upgrade" in done.err


def test_upgrade_brings_the_database_to_the_newest_revision(bare_command: CommandLine, outdated: Path) -> None:
    """Afterwards everything works; a second time nothing is to be done."""
    assert bare_command("db", "upgrade", "--json").object == CURRENT
    assert bare_command("keys", "list", "--json").rows == []
    again = bare_command("db", "upgrade")
    assert again.code == 0
    assert "already" in again.out


def test_a_database_of_a_newer_version_is_left_alone(command: CommandLine, folder: Path) -> None:
    """Neither command touches it."""
    connection = sqlite3.connect(folder / "freetheai.db")
    connection.execute("UPDATE alembic_version SET version_num = 'future'")
    connection.commit()
    connection.close()
    for verb in ("status", "upgrade"):
        done = command("db", verb)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert "future" in done.err


def test_local_install_where_the_model_is_there_does_nothing(
    bare_command: CommandLine, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said goes to stdout, with `--json` to stderr."""
    package = empty_folder / DEMONSTRATION_PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / DEMONSTRATION_FILE).touch()
    monkeypatch.syspath_prepend(empty_folder)
    done = bare_command("local", "install")
    assert done.code == 0
    assert "already installed" in done.out
    assert bare_command("local", "install", "--json").object == {"ok": True}
