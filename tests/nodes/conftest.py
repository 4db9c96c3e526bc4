"""Fixtures: the scripted upstream, a Redis and a PostgreSQL database of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream, upstream_in_thread
from tests.postgres import empty_postgres_url, postgres_template
from tests.redis_server import OwnServer, own_server

__all__ = ["empty_postgres_url", "postgres_template"]


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with upstream_in_thread() as server:
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with own_server(folder) as server:
        yield server
