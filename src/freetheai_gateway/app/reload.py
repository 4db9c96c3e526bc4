"""What a reload takes over of a new configuration, and how it says what changed: names and places, never values."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import fields, replace

from freetheai_gateway.services.directory import Offer
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.upstream.llamacpp.model import EmbeddedModel

RELOADED = ("site", "access", "tiers", "families", "aliases", "providers", "models", "pools")
"""The tables that a reload re-reads; all others hold until a restart."""

_NAMES = {"tiers": "level", "families": "name", "aliases": "match", "providers": "name", "models": "id"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration that was read again, with everything made that adopting it takes."""

    settings: Settings
    models: Mapping[str, EmbeddedModel]
    offer: Offer


def merge(running: Settings, read: Settings) -> Settings:
    """Take the reloaded tables from what was read, and everything else from what runs."""
    return replace(running, **{table: getattr(read, table) for table in RELOADED})


def changes(running: Settings, read: Settings) -> dict[str, list[str]]:
    """Say for each reloaded table which entries were added (`+`), removed (`-`) or changed (`~`)."""
    found = {}
    for table in RELOADED:
        old, new = getattr(running, table), getattr(read, table)
        if old != new:
            found[table] = _entry_changes(_by_name(table, old), _by_name(table, new)) if table in _NAMES else ["~"]
    return found


def changed_fields(running: Settings, read: Settings) -> list[str]:
    """Name the fields that differ in entries that both have, such as `providers.zai.api_keys`; never their values."""
    places: list[str] = []
    for table in RELOADED:
        old, new = getattr(running, table), getattr(read, table)
        if table not in _NAMES:
            places += _differing(table, old, new)
            continue
        before = _by_name(table, old)
        for name, entry in _by_name(table, new).items():
            if name in before:
                places += _differing(f"{table}.{name}", before[name], entry)
    return places


def _differing(place: str, old: object, new: object) -> list[str]:
    assert isinstance(old, Struct)
    names = (field.name for field in fields(old))
    return [f"{place}.{name}" for name in names if getattr(old, name) != getattr(new, name)]


def needs_restart(running: Settings, read: Settings) -> list[str]:
    """Name the places that differ but are not reloaded, such as `server.port`."""
    places = []
    for table in (field.name for field in fields(Settings)):
        old, new = getattr(running, table), getattr(read, table)
        if table not in RELOADED and old != new:
            names = (field.name for field in fields(type(old)))
            places += [f"{table}.{name}" for name in names if getattr(old, name) != getattr(new, name)]
    return places


def _by_name(table: str, entries: Iterable[object]) -> dict[Hashable, object]:
    return {getattr(entry, _NAMES[table]): entry for entry in entries}


def _entry_changes(old: Mapping[Hashable, object], new: Mapping[Hashable, object]) -> list[str]:
    return [
        *(f"+{name}" for name in new if name not in old),
        *(f"-{name}" for name in old if name not in new),
        *(f"~{name}" for name in new if name in old and old[name] != new[name]),
        *(["~order"] if list(old) != list(new) and set(old) == set(new) else []),
    ]
