"""A whole gateway with the fake Discord around it: signed commands, and requests of the API by the keys they gave."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.app.surroundings import Surroundings
from freetheai_gateway.bot.commands import commands
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.discord.server import APPLICATION_ID, BASE, BOT_TOKEN, GUILD_ID, FakeDiscord
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.web.asgi import GatewayASGI
from tests.contract.discord.desk import PATH, VIP

CHAT, PICTURES, FINE_PICTURES = "glm/x", "local/sketch", "plus/sketch"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of the API."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.body["error"]["code"])


class Whole:
    """One node."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self._folder = folder
        self._asgi: GatewayASGI = gateway.asgi(lambda: False, _reload)

    async def post(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> tuple[int, bytes]:
        """Send a request to the interactions endpoint."""
        client = Client("POST", PATH, headers, (body,))
        await self._asgi(client.scope, client.receive, client.send)
        return client.status, client.body

    async def call(self, method: str, path: str, key: str, body: object = None) -> Reply:
        """Call the API with a key."""
        headers = [(b"authorization", b"Bearer " + key.encode())]
        client = Client(method, path, headers, (b"" if body is None else encode(body),), peer="127.0.0.1")
        await self._asgi(client.scope, client.receive, client.send)
        return Reply(client.status, decode_any(client.body) if client.body.startswith(b"{") else client.body)

    async def chat(self, key: str, text: str = "Say hello.") -> Reply:
        """Send a chat request."""
        body = {"model": CHAT, "messages": [{"role": "user", "content": text}]}
        return await self.call("POST", "/v1/chat/completions", key, body)

    async def serves(self, key: str) -> bool:
        """Whether a chat request is answered."""
        return (await self.chat(key)).status == 200

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the database as another process does."""
        with closing(sqlite3.connect(self._folder / "gateway.db")) as connection:
            return connection.execute(sql).fetchall()

    def count(self, table: str) -> int:
        """Count a table's rows."""
        assert table.isidentifier()
        [(number,)] = self.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of our own
        return int(number)

    async def draw(self, key: str, model: str = PICTURES) -> Reply:
        """Ask for a picture over the API."""
        return await self.call("POST", "/v1/images/generations", key, {"model": model, "prompt": "a fox"})


async def open_whole(
    discord: FakeDiscord, upstream: ScriptedUpstream, folder: Path, name: str, tables: Document
) -> Whole:
    """Open a node on the folder's database; `tables` are merged into its configuration."""
    document: Document = {
        "database": {"url": f"sqlite:///{folder}/gateway.db"},
        "journal": {"directory": f"{folder}/{name}-journal"},
        "images": {"directory": f"{folder}/{name}-images"},
        "families": [{"name": "Plus", "models": ["plus/*"], "minimum_tier": 3}],
        "providers": [
            {"name": "zai", "api": "openai", "base_url": upstream.base_url, "api_keys": ["k"]},
            {"name": "sketch", "api": "sketch"},
        ],
        "models": [
            {"id": CHAT, "upstreams": [{"provider": "zai", "model": "plain"}]},
            *(
                {
                    "id": model,
                    "kind": "image",
                    "features": ["generate", "edit"],
                    "upstreams": [{"provider": "sketch", "model": "sketch"}],
                }
                for model in (PICTURES, FINE_PICTURES)
            ),
        ],
        "discord": {
            "application_id": APPLICATION_ID,
            "public_key": discord.public_key,
            "bot_token": BOT_TOKEN,
            "guild_id": GUILD_ID,
            "api_base": BASE,
            "tier_roles": {VIP: 3},
        },
    }
    for table, fields in tables.items():
        document[table] = document.get(table, {}) | fields
    settings = from_document(document, {}, folder).settings
    discord.commands = list(commands(with_check_in=True, with_pictures=True))
    gateway = await Gateway.open(settings, clock=discord.clock, surroundings=Surroundings(discord=discord))
    return Whole(gateway, folder)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so: changes reach every node within a second."""
    async with asyncio.timeout(5.0):
        while not await holds():  # noqa: ASYNC110 - another process's change has no event
            await asyncio.sleep(0.05)


async def _reload(*, dry_run: bool) -> ReloadOutcome:
    raise AssertionError(f"nothing is reloaded here, {dry_run}")
