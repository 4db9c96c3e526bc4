"""Fixtures: an upstream at work, a gateway in front of it, a key, and a wall around everything else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.actor import Actor, actor_in_thread
from tests.agents.configuration import render
from tests.agents.desk import Desk
from tests.agents.golden import keep
from tests.agents.tee import tee_in_thread
from tests.agents.wall import Wall, wall_in_thread
from tests.e2e.gateway import Gateway, Key, running

AGENTS = Path(sys.prefix) / "agents"
"""Where `make agents` installs the npm packages."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write the agents' requests to tests/golden/clients anew")


@pytest.fixture(scope="session")
def actor() -> Iterator[Actor]:
    with actor_in_thread() as actor:
        yield actor


@pytest.fixture(scope="session")
def wall() -> Iterator[Wall]:
    with wall_in_thread() as wall:
        yield wall


@pytest.fixture(scope="session")
def gateway(actor: Actor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway"), render(actor.url)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def key(gateway: Gateway) -> Key:
    """Give a key without limits."""
    return gateway.create_key("member")


@pytest.fixture
def desk(request: pytest.FixtureRequest, gateway: Gateway, key: Key, wall: Wall, tmp_path: Path) -> Iterator[Desk]:
    """Give a client a home of its own, an empty folder to work in, and the gateway as the only way out."""
    desk = Desk(tmp_path, AGENTS / "node_modules", gateway.url, key.secret, wall.environment)
    if not request.config.getoption("--record"):
        yield desk
        return
    with tee_in_thread(gateway.port) as tee:
        desk.url = tee.url
        yield desk
    if desk.golden:
        keep(desk.golden, tee.heard, [desk.work, desk.home])
