"""What the tests of the store share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """Name a database in the test's own directory."""
    return StoreSettings(url=f"sqlite:///{tmp_path}/freetheai.db")


@pytest.fixture
async def database(settings: StoreSettings) -> AsyncIterator[Database]:
    """Give an empty, migrated database."""
    database = await Database.open(settings, create=True)
    yield database
    await database.close()


@pytest.fixture
def new_record() -> Callable[..., UsageRecord]:
    """Make usage records; each call a new request."""

    def make(**fields: object) -> UsageRecord:
        given: dict[str, object] = {
            "request_id": new_request_id(),
            "started_at": 1_795_397_400.0,
            "duration_ms": 812,
            "account_id": "acc_1",
            "key_id": "key_1",
            "route": "/v1/chat/completions",
            "model": "glm/glm-5.1",
            "status": 200,
            "success": True,
        }
        return UsageRecord(**(given | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """Collect what is logged, also by the loggers that modules made when they were imported."""
    with structlog.testing.capture_logs() as events:
        yield events


Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait for a condition; the test's own timeout ends a wait in vain."""

    async def wait(condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.005)

    return wait
