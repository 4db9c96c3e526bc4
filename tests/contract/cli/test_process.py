"""The command as a process: entry point, help pages, what it imports, signals and broken streams."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freetheai_gateway import __version__
from freetheai_gateway.ids import KeyForm, key_form
from tests.contract.cli.conftest import CommandLine
from tests.contract.cli.test_configuration import EVERY_COMMAND

Start = Callable[..., subprocess.Popen[str]]
GROUPS = [[], ["keys"], ["accounts"], ["requests"], ["db"], ["local"]]
HEAVY = ("aiohttp", "aiosqlite", "alembic", "asyncio", "msgspec", "rich", "sqlalchemy", "structlog", "uvicorn")
HEAVY_TOO = ("freetheai_gateway.app", "freetheai_gateway.store", "freetheai_gateway.web", "uvloop", "xllamacpp")
WITHOUT_DATABASE = set(HEAVY) - {"msgspec", "asyncio"}
PROBE = """
import sys
from freetheai_gateway.cli import main
sys.argv = ["freetheai", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print("CODE", end.code)
print("MODULES", *sys.modules)
"""


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def imported_by(*arguments: str, folder: Path) -> set[str]:
    """Run a command and tell which modules were imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True, cwd=folder, timeout=30
    )
    *_, code, modules = done.stdout.splitlines()
    assert code == "CODE 0"
    return set(modules.split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "--help"], ["keys", "create", "--help"]])
def test_help_imports_nothing_heavy(empty_folder: Path, arguments: list[str]) -> None:
    """`--help` must be there at once."""
    assert imported_by(*arguments, folder=empty_folder) & {*HEAVY, *HEAVY_TOO} == set()


def test_check_imports_neither_store_nor_server(empty_folder: Path) -> None:
    """A command brings in what it needs and no more."""
    assert imported_by("check", folder=empty_folder) & WITHOUT_DATABASE == set()


def test_a_list_that_is_piped_does_without_rich_and_alembic(folder: Path) -> None:
    """Rich draws tables on terminals only, Alembic upgrades only."""
    assert imported_by("keys", "list", "--json", folder=folder) & {"rich", "alembic", "uvicorn", "aiohttp"} == set()


def test_version_and_module_run_the_same_command(process: Start) -> None:
    """`python -m freetheai_gateway` is `freetheai`."""
    assert finish(process(["--version"])) == (0, f"freetheai {__version__}\n", "")
    code, out, _ = finish(process(["--help"]))
    assert code == 0
    assert out.startswith("Usage: freetheai ")


@pytest.mark.parametrize("words", [*GROUPS, *(words[:2] for words in EVERY_COMMAND)], ids=" ".join)
def test_every_help_page_is_whole(bare_command: CommandLine, words: list[str]) -> None:
    """No sentence of a help page is cut off, and every command and option has one."""
    words = [word for word in words if not word.startswith("-")]
    done = bare_command(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert "..." not in done.out.replace("[ARGS]...", "")
    described = done.out.partition("Options:")[2]
    names = [line.split() for line in described.splitlines() if line.startswith("  ") and line[2:3].strip()]
    assert all(len(name) > 1 for name in names)


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_alone_shows_its_help_as_wrong_usage(bare_command: CommandLine, words: list[str]) -> None:
    """What is missing is said on stderr."""
    done = bare_command(*words)
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_a_command_that_does_not_exist_is_wrong_usage(bare_command: CommandLine) -> None:
    """The nearest one is named."""
    done = bare_command("keys", "lst")
    assert (done.code, done.out) == (2, "")
    assert "'list'" in done.err


def test_a_shell_reads_the_key_off_the_last_line(folder: Path) -> None:
    """The line of the documentation works as it is written."""
    script = f'KEY=$("{sys.executable}" -m freetheai_gateway keys create --name me | tail -1); printf %s "$KEY"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, cwd=folder, timeout=30)
    assert key_form(done.stdout) is KeyForm.WELL_FORMED


@pytest.mark.parametrize(
    "words", [["--help"], ["check"], ["check", "--json"], ["keys", "list", "--json"]], ids=" ".join
)
def test_a_reader_that_went_away_is_no_reason_to_complain(process: Start, folder: Path, words: list[str]) -> None:
    """`freetheai … | head` ends silently."""
    reader, writer = os.pipe()
    os.close(reader)
    running = process(words, stdout=writer)
    os.close(writer)
    code, _, err = finish(running)
    assert (code, err) == (1, "")


def test_a_stream_that_can_not_be_written_is_one_line(process: Start) -> None:
    """Such as a full disk; here a file that is open for reading only."""
    with Path(os.devnull).open("rb") as read_only:
        code, _, err = finish(process(["check"], stdout=read_only))
    assert code == 1
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_ctrl_c_ends_a_command_with_130_and_in_silence(process: Start, empty_folder: Path) -> None:
    """No traceback; the command is held up by a configuration that nobody writes."""
    fifo = empty_folder / "slow.toml"
    os.mkfifo(fifo)
    running = process(["keys", "list", "--config", str(fifo)])
    writer = _open_when_read(fifo)
    try:
        _interrupt_until_it_ends(running)
        assert finish(running) == (130, "", "")
    finally:
        os.close(writer)


def _interrupt_until_it_ends(running: subprocess.Popen[str]) -> None:
    """Press Ctrl-C as a person would: one that comes just before a blocking read begins is noticed at the next."""
    deadline = time.monotonic() + 20
    while running.poll() is None:
        assert time.monotonic() < deadline, "the command did not end"
        running.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(2)


def _open_when_read(fifo: Path) -> int:
    """Wait until somebody opens the FIFO to read it."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline, "the command never read its configuration"
            time.sleep(0.01)


def test_a_table_on_a_narrow_terminal_keeps_ids_whole(process: Start, command: CommandLine) -> None:
    """An id that was cut could not be copied."""
    made = command("keys", "create", "--name", "日本語", "--json").object
    controller, terminal = os.openpty()
    running = process(["keys", "list"], stdout=terminal, env=os.environ | {"COLUMNS": "40", "TERM": "xterm"})
    os.close(terminal)
    shown = b""
    # Linux says EIO, others the end of the file, when the last process has closed the terminal.
    while chunk := _read(controller):
        shown += chunk
    os.close(controller)
    assert finish(running)[0] == 0
    heading, row = shown.decode().splitlines()
    assert "\x1b[1m" in heading
    assert row.split()[:4] == [made["id"], made["prefix"], "日本語", made["account_id"]]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""
