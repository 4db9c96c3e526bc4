"""From the tables of a TOML file to the typed tree, with every mistake named and not only the first.

The tree itself says what is allowed: the reader walks its annotations. Where a value is bad the tree gets its
default (or an empty value) so that the rest can be judged; such a tree is never handed out.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from freetheai_gateway.settings.kinds import Table
from freetheai_gateway.settings.marks import BadValue, Bounds, Form, MayBeMissing, NotEmpty, UnlessSet
from freetheai_gateway.settings.problems import Problem, did_you_mean, did_you_mean_or_list, quoted
from freetheai_gateway.settings.references import Missing, resolve
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Settings

LARGEST_INTEGER = 2**63 - 1

_TOML_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (time, "a time"),
    (list, "an array"),
    (dict, "a table"),
)
_EMPTY: dict[object, object] = {bool: False, int: 0, float: 0.0, str: "", Secret: Secret(), Path: Path(), tuple: ()}
_ARRAY_HINTS = {"tiers", "families", "aliases", "providers", "models", "upstreams"}


class _Nothing(Enum):
    """Why there is no value."""

    BAD = "bad"
    MISSING = "missing"


class Reader:
    """Reads one file's tables; collects `problems`, and in `missing` what was allowed to be absent, by place."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self.problems: list[Problem] = []
        self.missing: dict[str, str] = {}

    def read(self, document: Mapping[str, object]) -> Settings:
        """Read the whole document. The result is usable only if there are no problems."""
        settings = self._table(Settings, dict(document), "")
        return settings if isinstance(settings, Settings) else Settings()

    # --- tables -------------------------------------------------------------------------------------------------

    def _table(self, kind: type[Table], raw: object, place: str) -> object:
        if not isinstance(raw, dict):
            return self._wrong_type("a table", raw, place)
        fields = _fields_of(kind)
        for key in raw:
            if key not in fields:
                self._unknown_key(key, list(fields), place)
        values: dict[str, object] = {}
        for name, field in fields.items():
            value = self._field(field, raw, _join(place, name))
            if value is not msgspec.NODEFAULT:
                values[name] = value
        return kind(**values)

    def _field(self, field: msgspec.structs.FieldInfo, raw: Mapping[str, object], place: str) -> object:
        """Read one key; `NODEFAULT` leaves it to the default of the tree."""
        kind, marks = _unwrap(field.type)
        given = raw.get(field.name, msgspec.NODEFAULT)
        if given is msgspec.NODEFAULT:
            given = _when_absent(kind, marks)
        if given is msgspec.NODEFAULT:
            if field.required:
                self._report(place, "is required")
                return _empty(kind)
            return given
        value = self._value(field.type, given, place)
        if isinstance(value, _Nothing):
            return _empty(kind) if field.required else msgspec.NODEFAULT
        return value

    def _unknown_key(self, key: str, known: Sequence[str], place: str) -> None:
        hint = did_you_mean(key, known)
        if not hint:
            homes = _homes().get(key, [])
            hint = f"{key} belongs in {homes[0]}" if len(homes) == 1 else f"known here: {', '.join(known)}"
        self._report(_join(place, key), "is no known key", hint)

    # --- values -------------------------------------------------------------------------------------------------

    def _value(self, annotation: object, raw: object, place: str) -> object:
        kind, marks = _unwrap(annotation)
        inner = _without_none(kind)
        if inner is not kind:
            return None if raw == "" else self._value(Annotated[(inner, *marks)] if marks else inner, raw, place)
        if isinstance(kind, type) and issubclass(kind, Table):
            return self._table(kind, raw, place)
        if get_origin(kind) is tuple:
            return self._entries(get_args(kind)[0], marks, raw, place)
        if kind is bool:
            return raw if isinstance(raw, bool) else self._wrong_type("a boolean", raw, place)
        if kind is int or kind is float:
            return self._number(kind, marks, raw, place)
        return self._text_like(kind, marks, raw, place)

    def _entries(self, entry: object, marks: Sequence[object], raw: object, place: str) -> object:
        """Read an array, or a table of pairs where the entries are pairs."""
        if get_origin(entry) is tuple:
            return self._pairs(get_args(entry), raw, place)
        if not isinstance(raw, list):
            last = place.rpartition(".")[2]
            hint = f"write [[{_header(place)}]]" if isinstance(raw, dict) and last in _ARRAY_HINTS else ""
            return self._wrong_type("an array", raw, place, hint)
        if not raw and any(isinstance(mark, NotEmpty) for mark in marks):
            return self._report(place, "needs at least one entry")
        values = []
        for index, item in enumerate(raw):
            value = self._value(entry, item, f"{place}[{index}]")
            if value is _Nothing.BAD:
                values.append(_empty(_unwrap(entry)[0]))
            elif value is not _Nothing.MISSING:
                values.append(value)
        return tuple(values)

    def _pairs(self, kinds: Sequence[object], raw: object, place: str) -> object:
        if not isinstance(raw, dict):
            return self._wrong_type("a table", raw, place)
        pairs = []
        for key, item in raw.items():
            name = self._value(kinds[0], key, _join(place, key))
            value = self._value(kinds[1], item, _join(place, key))
            if not isinstance(name, _Nothing) and not isinstance(value, _Nothing):
                pairs.append((name, value))
        return tuple(pairs)

    def _number(self, kind: type[int | float], marks: Sequence[object], raw: object, place: str) -> object:
        if isinstance(raw, bool) or not isinstance(raw, int if kind is int else int | float):
            return self._wrong_type("an integer" if kind is int else "a number", raw, place)
        if not isfinite(raw) if isinstance(raw, float) else abs(raw) > LARGEST_INTEGER:
            return self._report(place, "is no finite number" if isinstance(raw, float) else "is too large")
        try:
            for mark in marks:
                if isinstance(mark, Bounds):
                    mark.check(raw)
        except BadValue as error:
            return self._report(place, error.message, error.hint)
        return kind(raw)

    def _text_like(self, kind: object, marks: Sequence[object], raw: object, place: str) -> object:
        if kind is date and isinstance(raw, date) and not isinstance(raw, datetime):
            return raw
        if not isinstance(raw, str):
            wanted = "a date" if kind is date else "a string"
            return self._wrong_type(wanted, raw, place, "" if isinstance(raw, list | dict) else "put it in quotes")
        try:
            text = resolve(raw, self._environ, self._folder)
            for mark in marks:
                if isinstance(mark, Form):
                    text = mark.parse(text)
            return _converted(kind, text)
        except Missing as missing:
            if any(isinstance(mark, MayBeMissing) for mark in marks):
                self.missing[place] = str(missing)
                return _Nothing.MISSING
            return self._report(place, str(missing))
        except BadValue as error:
            return self._report(place, error.message, error.hint)

    # --- words --------------------------------------------------------------------------------------------------

    def _wrong_type(self, wanted: str, raw: object, place: str, hint: str = "") -> _Nothing:
        got = next((name for kind, name in _TOML_NAMES if isinstance(raw, kind)), "something else")
        return self._report(place, f"expected {wanted}, got {got}", hint)

    def _report(self, place: str, message: str, hint: str = "") -> _Nothing:
        self.problems.append(Problem(place, message, hint))
        return _Nothing.BAD


def _converted(kind: object, text: str) -> object:
    """Turn text in its final form into the type of the tree; raises `BadValue`."""
    if kind is Secret:
        return Secret(text)
    if kind is Path:
        return Path(text)
    if kind is date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise BadValue(f"{quoted(text)} is no date", 'such as "2026-12-31"') from None
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if text not in choices:
            raise BadValue(f"{quoted(text)} is not known", did_you_mean_or_list(text, choices, "allowed"))
    return text


def _when_absent(kind: object, marks: Sequence[object]) -> object:
    """Say what to read for a key that the file does not have."""
    for mark in marks:
        if isinstance(mark, UnlessSet):
            return mark.reference
    return {} if isinstance(kind, type) and issubclass(kind, Table) else msgspec.NODEFAULT


def _empty(kind: Any) -> object:
    """Make a value of a kind that stands in for one that could not be read."""
    if isinstance(kind, type) and issubclass(kind, Table):
        return kind(
            **{field.name: _empty(_unwrap(field.type)[0]) for field in _fields_of(kind).values() if field.required}
        )
    return _EMPTY.get(get_origin(kind) or kind, "")


def _unwrap(annotation: object) -> tuple[object, tuple[object, ...]]:
    """Split `Annotated` into its type and its marks."""
    if get_origin(annotation) is Annotated:
        kind, *marks = get_args(annotation)
        return kind, tuple(marks)
    return annotation, ()


def _without_none(kind: object) -> object:
    if get_origin(kind) in {Union, UnionType}:
        return next(option for option in get_args(kind) if option is not NoneType)
    return kind


@cache
def _fields_of(kind: type[Table]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


@cache
def _homes() -> dict[str, list[str]]:
    """Say for every key in which tables it is known."""
    homes: dict[str, list[str]] = {}

    def visit(kind: type[Table], header: str, brackets: str) -> None:
        for name, field in _fields_of(kind).items():
            if header:
                homes.setdefault(name, []).append(brackets.format(header))
            inner, _ = _unwrap(field.type)
            below = f"{header}.{name}".lstrip(".")
            entry = get_args(inner)[0] if get_origin(inner) is tuple else None
            if isinstance(inner, type) and issubclass(inner, Table):
                visit(inner, below, "[{}]")
            elif isinstance(entry, type) and issubclass(entry, Table):
                visit(entry, below, "[[{}]]")

    visit(Settings, "", "")
    return homes


def _join(place: str, key: str) -> str:
    bare = key if key and all(letter.isalnum() or letter in "_-" for letter in key) else quoted(key)
    return f"{place}.{bare}" if place else bare


def _header(place: str) -> str:
    """Write the table header of a place: its path without indexes."""
    return ".".join(part.partition("[")[0] for part in place.split("."))
