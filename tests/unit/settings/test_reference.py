"""`docs/configuration.md` names exactly the keys of the tree, with their defaults."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, get_args, get_origin

import msgspec

from freetheai_gateway.settings.defaults import OFFICIAL_BASE_URLS
from freetheai_gateway.settings.kinds import Table
from freetheai_gateway.settings.marks import UnlessSet
from freetheai_gateway.settings.tree import Settings

REFERENCE = Path("docs/configuration.md")
MADE_OF_OTHERS = {"server.public_url": "http://127.0.0.1:8000"}
NONE = "*none*"
REQUIRED = "*required*"


def documented() -> dict[str, object]:
    """Read the tables of the reference: dotted key to default."""
    keys: dict[str, object] = {}
    table = ""
    for line in REFERENCE.read_text().splitlines():
        if heading := re.fullmatch(r"### `\[+([a-z_.]+)\]+`", line):
            table = heading[1]
        elif line.startswith("#"):
            table = ""
        elif table and (row := re.fullmatch(r"\| `(\w+)` \| (.+?) \| .*\|", line)):
            literal = re.fullmatch(r"`(.+)`", row[2])
            keys[f"{table}.{row[1]}"] = tomllib.loads(f"v = {literal[1]}")["v"] if literal else row[2]
    return keys


def of_the_tree() -> dict[str, object]:
    """Walk the tree: dotted key to default, as it would be written."""
    keys: dict[str, object] = {}

    def visit(kind: type[Table], header: str) -> None:
        for field in msgspec.structs.fields(kind):
            place = f"{header}.{field.name}".lstrip(".")
            below = table_in(field.type)
            if below is not None:
                visit(below, place)
            else:
                keys[place] = MADE_OF_OTHERS.get(place, default_of(field))

    visit(Settings, "")
    return keys


def table_in(annotation: object) -> type[Table] | None:
    """Find the table that a field is, or is a list of."""
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    entry = get_args(kind)[0] if get_origin(kind) is tuple else kind
    return entry if isinstance(entry, type) and issubclass(entry, Table) else None


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """Write a default the way the reference does."""
    if field.required:
        return REQUIRED
    marks = get_args(field.type)[1:] if get_origin(field.type) is Annotated else ()
    for mark in marks:
        if isinstance(mark, UnlessSet):
            return mark.reference
    if field.default is None:
        return NONE
    if isinstance(field.default, tuple):
        return list(field.default)
    return str(field.default) if isinstance(field.default, str | Path) else field.default


def test_reference_when_compared_with_the_tree_then_same_keys_and_defaults() -> None:
    """A key that is added, renamed or given another default must be so in the reference as well."""
    empty_or_none: dict[str, object] = {"metrics.token": ""}  # an optional secret: empty in the file, None in the tree
    tables: dict[str, object] = {"providers.headers": {}, "discord.tier_roles": {}, "discord.tier_skus": {}}
    assert documented() == of_the_tree() | empty_or_none | tables


def test_reference_when_it_lists_addresses_then_those_that_are_used() -> None:
    """The vendors' own addresses stand in the reference as they are called."""
    section = REFERENCE.read_text().partition("### Addresses")[2].partition("\n## ")[0]
    listed = {
        api: row[1]
        for row in re.findall(r"\| (.+) \| `(https://.+)` \|", section)
        for api in re.findall(r"`([a-z-]+)`", row[0])
    }
    assert listed == OFFICIAL_BASE_URLS
