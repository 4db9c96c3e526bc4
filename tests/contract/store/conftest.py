"""Every store under its port's contract. Another database is one more parameter of `database`."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import key_digest, key_visible, new_id, new_key, new_request_id
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from tests.postgres import empty_postgres_url, postgres_template, postgres_url

__all__ = ["empty_postgres_url", "postgres_template", "postgres_url"]

NOON = 1_795_392_000.0 + 43_200.0
"""2026-11-23 12:00:00 UTC."""


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Give an empty, migrated database."""
    here = f"sqlite:///{tmp_path}/freetheai.db"
    url = here if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = await Database.open(StoreSettings(url=url), create=True)
    yield database
    await database.close()


@pytest.fixture
def accounts(database: Database) -> SqlAccounts:
    """Give the account store and the key look-up."""
    return SqlAccounts(database)


@pytest.fixture
def usage(database: Database) -> SqlUsage:
    """Give the usage store."""
    return SqlUsage(database)


@pytest.fixture
def new_account() -> Callable[..., Account]:
    """Make accounts; each call a new one."""

    def make(**fields: object) -> Account:
        return Account(**({"id": new_id("acc"), "name": "Ada", "created_at": NOON} | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def new_api_key() -> Callable[..., ApiKey]:
    """Make keys of an account; each call a new one."""

    def make(account_id: str, **fields: object) -> ApiKey:
        key = new_key()
        given: dict[str, object] = {
            "id": new_id("key"),
            "account_id": account_id,
            "name": "laptop",
            "prefix": key_visible(key),
            "digest": key_digest(key),
            "created_at": NOON,
        }
        return ApiKey(**(given | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def new_record() -> Callable[..., UsageRecord]:
    """Make usage records; each call a new request."""

    def make(**fields: object) -> UsageRecord:
        given: dict[str, object] = {
            "request_id": new_request_id(),
            "started_at": NOON,
            "duration_ms": 812,
            "account_id": "acc_1",
            "key_id": "key_1",
            "route": "/v1/chat/completions",
            "model": "glm/glm-5.1",
            "status": 200,
            "provider": "zai",
            "success": True,
            "input_tokens": 100,
            "output_tokens": 20,
        }
        return UsageRecord(**(given | fields))  # type: ignore[arg-type]

    return make
