"""One desk on SQLite, and a member who may sign up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from freetheai_gateway.settings.tree import Discord
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from tests.contract.discord.desk import Node, open_node, settings_for
from tests.postgres import postgres_template, postgres_url

__all__ = ["postgres_template", "postgres_url"]

Another = Callable[..., Awaitable[Node]]


@pytest.fixture
def clock() -> FakeClock:
    """Give the clock of Discord and of the gateway."""
    return FakeClock()


@pytest.fixture
def discord(clock: FakeClock) -> FakeDiscord:
    """Give a Discord of one's own."""
    return FakeDiscord(clock)


@pytest.fixture
async def another(discord: FakeDiscord, tmp_path: Path) -> AsyncIterator[Another]:
    """Open one more node on the same database, with settings of `[discord.signup]`; no log holds a failure of ours."""
    nodes: list[Node] = []

    async def open_one(settings: Discord | None = None, *, first_answer_s: float = 30.0, **signup: Any) -> Node:
        settings = settings or settings_for(discord, **signup)
        nodes.append(await open_node(discord, f"sqlite:///{tmp_path}/desk.db", settings, first_answer_s=first_answer_s))
        return nodes[-1]

    yield open_one
    for node in nodes:
        await node.close()
        assert not [entry for entry in node.log.entries if entry[0] == "error"]


@pytest.fixture
async def node(another: Another) -> Node:
    """Give a desk."""
    return await another()


@pytest.fixture
def ada(discord: FakeDiscord, node: Node) -> Person:
    """Give a member whose account is old enough."""
    return Person(discord, node.post, "Ada")
