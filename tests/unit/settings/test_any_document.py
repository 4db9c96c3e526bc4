"""Whatever a file holds, reading it ends in a tree or in `SettingsInvalid`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from freetheai_gateway.settings import Problem, SettingsInvalid
from freetheai_gateway.settings.kinds import Table
from freetheai_gateway.settings.lines import Lines
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.settings.tree import Settings


def keys_of(kind: type[Table]) -> Iterator[str]:
    """Every key that some table of the tree knows."""
    for field in msgspec.structs.fields(kind):
        yield field.name
        entry = get_args(field.type)[0] if get_origin(field.type) is not None else field.type
        entry = get_args(entry)[0] if get_origin(entry) is tuple else entry
        if isinstance(entry, type) and issubclass(entry, Table):
            yield from keys_of(entry)


KEYS = sorted(set(keys_of(Settings)))
WORDS = st.sampled_from(
    ["openai", "llamacpp", "image", "chat", "generate", "local", "env:", "env:A", "file:", "file:/", "file:.", "*",
     "a/b", "memory", "redis://x", "sqlite:///x", "postgresql://[", "https://[::1", "http://x", "2026-12-31", "\x00"]
)  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-3, 9),
    st.integers(),
    st.floats(),
    WORDS,
    TEXT,
    st.dates(),
    st.times(),
    st.datetimes(),
    st.just(10**400),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXT), inner, max_size=6)
    ),
    max_leaves=12,
)


def likely(kind: type[Table]) -> st.SearchStrategy[dict[str, object]]:
    """Tables with the keys of a table of the tree, their values any."""
    values: dict[str, st.SearchStrategy[object]] = {}
    for field in msgspec.structs.fields(kind):
        entry = get_args(field.type)[0] if get_origin(field.type) is not None else field.type
        entry = get_args(entry)[0] if get_origin(entry) is tuple else entry
        if isinstance(entry, type) and issubclass(entry, Table):
            below = likely(entry)
            values[field.name] = st.one_of(below, st.lists(below, max_size=2), VALUES)
        else:
            values[field.name] = VALUES
    return st.fixed_dictionaries({}, optional=values)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    document=st.one_of(likely(Settings), st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXT), VALUES, max_size=6))
)
def test_document_when_anything_then_a_tree_or_problems_with_words(document: dict[str, object]) -> None:
    """No structure that TOML can hold raises anything but `SettingsInvalid`, and that one always says what is wrong."""
    problems: tuple[Problem, ...] = ()
    try:
        from_document(document, {"A": "x"}, Path("/nowhere"))
    except SettingsInvalid as invalid:
        problems = invalid.problems or (Problem("", ""),)
    assert all(problem.where and problem.message for problem in problems)


@given(text=st.text(max_size=200))
@example(text="[ . ]")
@example(text="[[ä]]")
def test_lines_when_any_text_then_read_without_an_error(text: str) -> None:
    """Lines are read before anybody knows whether the tables make sense."""
    Lines(text).find(text)


def test_settings_when_imported_then_without_the_servers_libraries() -> None:
    """Reading the configuration is what every command does first, so it loads little."""
    code = "import sys, freetheai_gateway.settings; print(' '.join(sorted(sys.modules)))"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"pydantic", "sqlalchemy", "aiohttp", "uvicorn", "starlette", "structlog", "typer", "asyncio"} & set(
        modules
    )
