"""The gateway of one process: what must not end it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.settings import Settings
from freetheai_gateway.settings.load import from_document


def settings(folder: Path, daily_requests: int) -> Settings:
    """Make a configuration with a cap on the day's answers."""
    document: dict[str, object] = {
        "access": {"daily_requests": daily_requests},
        "providers": [{"name": "zai", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": ["k"]}],
        "models": [{"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x"}]}],
    }
    return from_document(document, {}, folder).settings


async def test_reload_when_the_database_is_away_then_it_is_done_all_the_same(tmp_path: Path) -> None:
    """The day's counts go on from memory; a server that runs must not end for want of them."""
    gateway = await Gateway.open(settings(tmp_path, 5))
    with closing(sqlite3.connect(tmp_path / "freetheai.db")) as connection:
        connection.execute("DROP TABLE usage_days")  # to the gateway no different from a database that is away
    outcome = await gateway.reload(settings(tmp_path, 7))
    assert outcome.fields == ["access.daily_requests"]
    assert gateway.directory.offer.catalogue.tiers[0].limits.daily_requests == 7
    await gateway.close()
