"""What the tests of the settings share: a file is written, read, and its problems or its tree come back."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from freetheai_gateway.settings import Loaded, SettingsInvalid, load

Load = Callable[..., Loaded]
Judge = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a configuration from its text."""

    def load_it(text: str, environ: Mapping[str, str] | None = None) -> Loaded:
        path = tmp_path / "freetheai.toml"
        path.write_text(text)
        return load(path, environ or {})

    return load_it


@pytest.fixture
def judge(load_text: Load) -> Judge:
    """Give the problems of a configuration as (where, message, hint); none for a good one."""

    def judge_it(text: str, environ: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
        try:
            load_text(text, environ)
        except SettingsInvalid as invalid:
            return [(problem.where, problem.message, problem.hint) for problem in invalid.problems]
        return []

    return judge_it
