"""One desk on SQLite, and a member who may sign up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.services.key_desk.jobs import LONGEST_S
from freetheai_gateway.settings.tree import Discord
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.contract.discord.desk import Node, Patience, open_node, settings_for
from tests.contract.discord.whole import Whole, open_whole
from tests.postgres import postgres_template, postgres_url

__all__ = ["postgres_template", "postgres_url"]

Another = Callable[..., Awaitable[Node]]
OpenWhole = Callable[..., Awaitable[Whole]]


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

    async def open_one(
        settings: Discord | None = None,
        *,
        first_answer_s: float = 30.0,
        longest_job_s: float = LONGEST_S,
        **signup: Any,
    ) -> Node:
        settings = settings or settings_for(discord, **signup)
        discord.commands = list(commands(with_check_in=True, with_pictures=True))
        patience = Patience(first_answer_s, longest_job_s)
        nodes.append(await open_node(discord, f"sqlite:///{tmp_path}/desk.db", settings, patience))
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


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """Give a provider of chat."""
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture
async def whole(discord: FakeDiscord, upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[OpenWhole]:
    """Open whole gateways on one database, each with tables of its own configuration."""
    nodes: list[Whole] = []

    async def open_one(**tables: Any) -> Whole:
        nodes.append(await open_whole(discord, upstream, tmp_path, f"node{len(nodes)}", tables))
        return nodes[-1]

    yield open_one
    for node in nodes:
        await node.gateway.close()
