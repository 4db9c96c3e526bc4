"""A real child with a real model, and how to talk to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.state import Endpoint


@dataclass
class RecordingLog:
    """Keeps events and their fields."""

    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    info = warning = error = debug

    def values(self, event: str, name: str) -> list[Any]:
        """All values that a field had in an event."""
        return [fields[name] for seen, fields in self.events if seen == event]


@pytest.fixture
def log() -> RecordingLog:
    """Record what the supervisor says."""
    return RecordingLog()


@pytest.fixture(scope="session")
def quick() -> LocalModelSettings:
    """Give settings with which the demonstration model loads fast and comes back fast."""
    return LocalModelSettings(
        context_window=512, parallel=1, default_output_tokens=16, restart_first_s=0.01, restart_most_s=0.02
    )


@pytest.fixture(scope="session")
def roomy(quick: LocalModelSettings) -> LocalModelSettings:
    """Give one slot with a context so long that filling it takes minutes."""
    return replace(quick, context_window=8192)


class Ask:
    """Calls a child over real HTTP; every call has its own connection, as the server closes it after a stream."""

    async def __call__(
        self, endpoint: Endpoint, path: str, body: Mapping[str, object], *, key: str | None = None
    ) -> tuple[int, bytes]:
        """Post and read the whole reply; `key` in place of the right one."""
        headers = {"authorization": f"Bearer {endpoint.secret if key is None else key}"}
        async with (
            aiohttp.ClientSession(base_url=endpoint.base_url) as session,
            session.post(path, data=jsonc.encode(body), headers=headers) as reply,
        ):
            return reply.status, await reply.read()


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Give the caller."""
    return Ask()
