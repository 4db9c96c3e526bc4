"""The command line over a real database file; every command is called as the entry point calls it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.cli.commands import run
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from tests.postgres import empty_postgres_url, postgres_template

__all__ = ["empty_postgres_url", "postgres_template"]

T = TypeVar("T")
Object = dict[str, object]
_decode_object: jsonc.Decoder[Object] = jsonc.Decoder(Object)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Object:
        """The one JSON object on stdout; nothing may stand beside it, on stderr neither."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1
        return _decode_object(self.out)

    @property
    def rows(self) -> list[Object]:
        """The rows of a list."""
        rows = self.object["data"]
        assert isinstance(rows, list)
        return rows

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of a table, without its heading."""
        return [line.split() for line in self.out.splitlines()[1:]]


CommandLine = Callable[..., Outcome]
WithDatabase = Callable[[Callable[[Database], Awaitable[T]]], T]


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty, migrated database to copy."""
    path = tmp_path_factory.mktemp("database") / "freetheai.db"
    asyncio.run(_open_and_close(path))
    assert not path.with_name("freetheai.db-wal").exists()
    return path


async def _open_and_close(path: Path) -> None:
    database = await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=True)
    await database.close()


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory without anything in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FREETHEAI_CONFIG", raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own and leaves it
    return tmp_path


@pytest.fixture
def folder(empty_folder: Path, new_database: Path) -> Path:
    """Work in a directory with a new database of the built-in configuration."""
    shutil.copy(new_database, empty_folder)
    return empty_folder


@pytest.fixture
def bare_command(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """`freetheai …` where nothing is."""
    return _command_line(capsys)


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """`freetheai …` where a database is."""
    return _command_line(capsys)


def _command_line(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    def call(*arguments: str) -> Outcome:
        code = run(arguments)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def with_database(folder: Path) -> WithDatabase[object]:
    """Work on the database beside the commands."""

    def call(work: Callable[[Database], Awaitable[T]]) -> T:
        async def opened() -> T:
            database = await Database.open(StoreSettings(url=f"sqlite:///{folder}/freetheai.db"), create=False)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(opened())

    return call


@pytest.fixture
def process(empty_folder: Path) -> Callable[..., subprocess.Popen[str]]:
    """`python -m freetheai_gateway …` as a process of its own."""

    def start(arguments: Sequence[str], **options: object) -> subprocess.Popen[str]:
        defaults: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": empty_folder,
            "env": os.environ | {"HOME": str(empty_folder)},
        }
        command = [sys.executable, "-m", "freetheai_gateway", *arguments]
        return subprocess.Popen(command, **(defaults | options))  # type: ignore[call-overload, no-any-return]

    return start
