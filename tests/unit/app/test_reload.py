"""What a reload takes over, and how it says what changed."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from freetheai_gateway.app.reload import RELOADED, changed_fields, changes, merge, needs_restart
from freetheai_gateway.settings import Alias, Family, Model, Provider, Secret, Settings, Tier
from freetheai_gateway.settings.tree import Access, Database, Limits, Log, Server, Site

GLM, REV = Model(id="glm/glm-5.1"), Model(id="rev/claude")
ZAI = Provider(name="zai", api="openai", base_url=Secret("https://zai.example/v1"), api_keys=(Secret("key-1"),))
RUNNING = Settings(models=(GLM, REV), providers=(ZAI,))


@pytest.mark.parametrize(
    ("table", "value", "said"),
    [
        ("models", (GLM, REV, Model(id="new/model")), ["+new/model"]),
        ("models", (GLM,), ["-rev/claude"]),
        ("models", (replace(GLM, description="Better."), REV), ["~glm/glm-5.1"]),
        ("models", (Model(id="new/model"), replace(REV, tier=3)), ["+new/model", "-glm/glm-5.1", "~rev/claude"]),
        ("models", (REV, GLM), ["~order"]),
        ("providers", (replace(ZAI, api_keys=(Secret("key-2"),)),), ["~zai"]),
        ("families", (Family(name="Core", models=("glm/*",)),), ["+Core"]),
        ("aliases", (Alias(match="claude-*", model="rev/claude"),), ["+claude-*"]),
        ("tiers", (Tier(level=1, name="Starter", requests_per_minute=11, concurrency=1), *RUNNING.tiers[1:]), ["~1"]),
        ("site", Site(name="Other"), ["~"]),
        ("access", Access(public_catalog=True), ["~"]),
    ],
)
def test_changes_when_a_table_differs_then_its_entries_are_named(table: str, value: object, said: list[str]) -> None:
    """`+` added, `-` removed, `~` changed; tables without entries are only said to have changed."""
    read = replace(RUNNING, **{table: value})
    assert {name: [str(entry) for entry in entries] for name, entries in changes(RUNNING, read).items()} == {
        table: said
    }


def test_changes_when_nothing_differs_then_nothing_is_said() -> None:
    """A reload of the same file is quiet."""
    assert changes(RUNNING, replace(RUNNING)) == {}


def test_changes_when_a_secret_differs_then_its_value_is_not_said() -> None:
    """They go into the log."""
    read = replace(RUNNING, providers=(replace(ZAI, base_url=Secret("https://secret.example"), api_keys=()),))
    assert "secret.example" not in str(changes(RUNNING, read))
    assert "key-1" not in str(changes(RUNNING, read))


def test_fields_when_entries_differ_then_their_places_are_named_and_no_value() -> None:
    """Of entries that both have; what was added or removed is said by `changes`."""
    read = replace(
        RUNNING,
        site=Site(name="Other"),
        models=(replace(GLM, description="Better.", tier=3), Model(id="new/model")),
        providers=(replace(ZAI, api_keys=(Secret("key-2"),)),),
    )
    assert changed_fields(RUNNING, read) == [
        "site.name",
        "providers.zai.api_keys",
        "models.glm/glm-5.1.description",
        "models.glm/glm-5.1.tier",
    ]
    assert changed_fields(RUNNING, replace(RUNNING)) == []


def test_merge_when_everything_differs_then_only_the_reloaded_tables_are_taken() -> None:
    """The socket, the database and the counters are those of the process."""
    read = Settings(
        site=Site(name="Other"),
        access=Access(default_tier=2),
        models=(REV,),
        server=Server(port=9000),
        database=Database(url=Secret("sqlite:///other.db")),
        limits=Limits(backend=Secret("redis://127.0.0.1/0")),
    )
    merged = merge(RUNNING, read)
    assert {table: getattr(merged, table) for table in RELOADED} == {table: getattr(read, table) for table in RELOADED}
    kept = set(Settings.__struct_fields__) - set(RELOADED)
    assert all(getattr(merged, table) is getattr(RUNNING, table) for table in kept)


@pytest.mark.parametrize(
    ("read", "places"),
    [
        (replace(RUNNING, server=Server(port=9000, cors_origins=())), ["server.port", "server.cors_origins"]),
        (replace(RUNNING, database=Database(url=Secret("sqlite:///other.db"))), ["database.url"]),
        (replace(RUNNING, limits=Limits(backend=Secret("redis://127.0.0.1/0"))), ["limits.backend"]),
        (replace(RUNNING, log=Log(level="debug")), ["log.level"]),
        (replace(RUNNING, models=()), []),
        (RUNNING, []),
    ],
)
def test_places_when_they_hold_until_a_restart_then_they_are_named(read: Settings, places: list[str]) -> None:
    """What was changed in the file and is not taken over must not be silent."""
    assert needs_restart(RUNNING, read) == places


def test_places_when_a_path_differs_then_it_is_named() -> None:
    """Not only scalars are compared."""
    moved = replace(RUNNING, journal=replace(RUNNING.journal, directory=Path("elsewhere")))
    assert needs_restart(RUNNING, moved) == ["journal.directory"]
