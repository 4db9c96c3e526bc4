"""One desk on SQLite, and a member who may sign up."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.services.key_desk.jobs import LONGEST_S
from freetheai_gateway.settings.tree import Discord
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated database once, to copy from."""
    path = tmp_path_factory.mktemp("migrated") / "template.db"

    async def make() -> None:
        await (await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=True)).close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return path


@pytest.fixture
def folder(tmp_path: Path, migrated: Path) -> Path:
    """Give a folder with databases that are ready."""
    for name in ("desk.db", "gateway.db"):
        shutil.copyfile(migrated, tmp_path / name)
    return tmp_path


@pytest.fixture
async def another(discord: FakeDiscord, folder: Path) -> AsyncIterator[Another]:
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
        nodes.append(await open_node(discord, f"sqlite:///{folder}/desk.db", settings, patience))
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
async def whole(discord: FakeDiscord, upstream: ScriptedUpstream, folder: Path) -> AsyncIterator[OpenWhole]:
    """Open whole gateways on one database, each with tables of its own configuration."""
    nodes: list[Whole] = []

    async def open_one(**tables: Any) -> Whole:
        nodes.append(await open_whole(discord, upstream, folder, f"node{len(nodes)}", tables))
        return nodes[-1]

    yield open_one
    for node in nodes:
        await node.gateway.close()
