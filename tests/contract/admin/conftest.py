"""The admin API as its users have it, in this process: a gateway with a real database, called by its ASGI callable.

One gateway serves a module; every test makes the accounts that it needs.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
import pytest_asyncio

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.web.admin.answers import Answer, OpenedAccount
from freetheai_gateway.web.asgi import GatewayASGI

TOKEN = "operators-only-9f2e"
DOCUMENT: dict[str, object] = {
    "server": {"admin_token": TOKEN},
    "access": {"daily_requests": 50},
    "providers": [
        {
            "name": "zai",
            "api": "openai",
            "base_url": "https://upstream.invalid",
            "api_keys": ["k"],
            "daily_budget_usd": 2.5,
        },
        {"name": "bare", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": ["env:NO_SUCH_KEY"]},
    ],
    "families": [{"name": "Plus", "models": ["plus/*"], "minimum_tier": 3}],
    "models": [
        {"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x", "price_usd": {"input_per_million": 0.5}}]},
        {
            "id": "plus/y",
            "upstreams": [
                {"provider": "bare", "model": "y"},
                {"provider": "zai", "model": "z", "quirks": {"drop": ["seed", "user"]}},
            ],
        },
    ],
    "aliases": [{"match": "old-*", "model": "glm/x"}],
}

A = TypeVar("A", bound=Answer)
_read_object: Decoder[dict[str, object]] = Decoder(dict[str, object])


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of a list, whose rows are read one by one."""

    object: str
    data: list[msgspec.Raw]
    next_cursor: str | None


class FakeReload:
    """Implements `Reload`: gives the outcome that a test has set, and keeps how it was asked."""

    def __init__(self) -> None:
        self.outcome = ReloadOutcome()
        self.asked: list[bool] = []

    async def __call__(self, *, dry_run: bool) -> ReloadOutcome:
        """Give the outcome."""
        self.asked.append(dry_run)
        return self.outcome


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def error(self) -> dict[str, object]:
        """The object under `error`."""
        error = _read_object(self.body)["error"]
        assert isinstance(error, dict)
        return error


@dataclass(frozen=True, slots=True)
class Api:
    """Calls a gateway as an operator would; every answer is read strictly as what the document says it is."""

    gateway: Gateway
    asgi: GatewayASGI
    reload: FakeReload

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: str = "",
        token: str | None = TOKEN,
        peer: str = "203.0.113.1",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Reply:
        """Send one request; `body` is encoded unless it is bytes."""
        sent = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        bearer = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
        client = Client(method, path, [*bearer, *headers], (sent,), query=query.encode(), peer=peer)
        await self.asgi(client.scope, client.receive, client.send)
        return Reply(client.status, client.headers, client.body)

    async def ask(
        self, kind: type[A], method: str, path: str, body: object = None, *, query: str = "", status: int = 200
    ) -> A:
        """Send a request below `/admin/api` that must succeed."""
        reply = await self.call(method, f"/admin/api/{path}", body, query=query)
        assert reply.status == status, reply.body
        return Decoder(kind)(reply.body)

    async def page(self, kind: type[A], path: str, query: str = "") -> tuple[list[A], str | None]:
        """Read a page of a list."""
        reply = await self.call("GET", f"/admin/api/{path}", query=query)
        assert reply.status == 200, reply.body
        page = Decoder(Listed)(reply.body)
        assert page.object == "list"
        return [Decoder(kind)(row) for row in page.data], page.next_cursor

    async def open(self, name: str, **fields: object) -> OpenedAccount:
        """Make an account."""
        return await self.ask(OpenedAccount, "POST", "accounts", {"name": name, **fields}, status=201)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the module's gateway."""
    return tmp_path_factory.mktemp("admin")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(folder: Path) -> AsyncIterator[Api]:
    """Run a gateway with the admin API on."""
    gateway = await Gateway.open(from_document(DOCUMENT, {}, folder).settings)
    reload = FakeReload()
    yield Api(gateway, gateway.asgi(lambda: False, reload), reload)
    await gateway.close()
