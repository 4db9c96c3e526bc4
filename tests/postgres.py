"""A PostgreSQL database for one test: copied from a migrated one, which is made once, and dropped afterwards."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import asyncpg
import pytest

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from tests.skipping import skip_or_fail

SERVER = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432")
_CONNECT_S = 5.0


async def _run(*statements: str) -> None:
    connection = await asyncpg.connect(f"{SERVER}/postgres", timeout=_CONNECT_S)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _wait_for(work: Coroutine[object, object, None]) -> None:
    """Run it on a loop of its own: the fixture may be asked for while the test's loop runs."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _make_template(name: str) -> None:
    await _run(f'CREATE DATABASE "{name}"')
    await (await Database.open(StoreSettings(url=f"{SERVER}/{name}"), create=True)).close()


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """Make a migrated database to copy from; without a server the test is skipped, or fails where all are required."""
    name = f"fta_test_{uuid4().hex[:12]}"
    try:
        _wait_for(_make_template(name))
    except OSError:
        skip_or_fail("there is no PostgreSQL on 127.0.0.1:5432")
    yield name
    _wait_for(_run(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def postgres_url(postgres_template: str) -> Iterator[str]:
    """Give the URL of a migrated database without rows."""
    name = f"{postgres_template}_{uuid4().hex[:8]}"
    _wait_for(_run(f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}" STRATEGY FILE_COPY'))
    yield f"{SERVER}/{name}"
    _wait_for(_run(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def empty_postgres_url(postgres_template: str) -> Iterator[str]:
    """Give the URL of a database without tables."""
    name = f"{postgres_template}_{uuid4().hex[:8]}"
    _wait_for(_run(f'CREATE DATABASE "{name}"'))
    yield f"{SERVER}/{name}"
    _wait_for(_run(f'DROP DATABASE "{name}" WITH (FORCE)'))
