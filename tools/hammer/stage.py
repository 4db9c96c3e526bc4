"""What is hammered: an upstream, a Redis, gateways on one database, and an account with many keys."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.ids import key_digest, key_visible, new_id, new_key
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from tools.bench.servers import Server, free_ports

REPLY_S = 0.1
"""How long the upstream takes for an answer."""
SLOW_S = 600.0
"""How long it takes for the model that holds a slot until its gateway is killed."""
DAILY = 10_000_000

_CONFIGURATION = """\
[server]
drain_timeout_s = 10

[database]
url = "{database}"

[journal]
directory = "journal-{number}"

[limits]
backend = "{backend}"
window_s = {window_s}

[[tiers]]
level = 1
name = "Hammered"
requests_per_minute = {rate}
concurrency = {slots}
daily_requests = {daily}

[[tiers]]
level = 2
name = "Alone"
requests_per_minute = 1000000
concurrency = 1

[[families]]
name = "All"
models = ["hammer/*"]

[[providers]]
name = "upstream"
api = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_keys = ["any"]
max_concurrency = 10000
timeouts = {{ total_s = 900 }}

[[models]]
id = "hammer/quick"
upstreams = [{{ provider = "upstream", model = "quick" }}]

[[models]]
id = "hammer/slow"
upstreams = [{{ provider = "upstream", model = "slow" }}]
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many gateways, on which backend and database, with which limits."""

    nodes: int
    directory: Path
    database: str
    rate: int = 300
    window_s: float = 5.0
    slots: int = 16
    keys: int = 128


@dataclass
class Upstream:
    """Answers after a while, and counts how many calls run at once."""

    running: int = 0
    most: int = 0
    slow: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call."""
        if (await request.json())["model"] == "slow":
            self.slow += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), SLOW_S)
            return web.json_response({"error": {"message": "released"}}, status=500)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(REPLY_S)
        finally:
            self.running -= 1
        choice = {"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        return web.json_response({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})

    async def listen(self, running: AsyncExitStack) -> int:
        """Listen on a free port until `running` ends."""
        (port,) = free_ports(1)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        running.push_async_callback(runner.cleanup)
        running.callback(self._released.set)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return port


class Node:
    """One gateway process, which may be killed and started again."""

    def __init__(self, number: int, port: int, configuration: Path) -> None:
        self.number = number
        self.port = port
        self._configuration = configuration
        self._server: Server | None = None

    def start(self) -> None:
        """Start it and wait until it serves. Raises `servers.NotReady`."""
        command = [sys.executable, "-m", "freetheai_gateway", "serve", "--config", str(self._configuration)]
        log = self._configuration.with_suffix(".log")
        self._server = Server(f"node {self.number}", [*command, "--port", str(self.port)], core=None, log=log)
        self._server.wait_until_healthy(self.port)

    def kill(self) -> None:
        """End it as the kernel would when memory is short."""
        if self._server is not None:
            self._server.kill()
            self._server = None

    def stop(self) -> None:
        """End it in order."""
        if self._server is not None:
            self._server.stop()
            self._server = None


async def build_nodes(plan: Plan, backend: str, upstream: int, running: AsyncExitStack) -> list[Node]:
    """Write configurations and start the gateways."""
    nodes = []
    for number, port in enumerate(free_ports(plan.nodes), 1):
        path = plan.directory / f"node-{number}.toml"
        path.write_text(
            _CONFIGURATION.format(
                database=plan.database,
                number=number,
                backend=backend,
                window_s=plan.window_s,
                rate=plan.rate,
                slots=plan.slots,
                daily=DAILY,
                upstream=upstream,
            )
        )
        node = Node(number, port, path)
        running.callback(node.stop)
        await asyncio.to_thread(node.start)
        nodes.append(node)
    return nodes


async def create_account(database: str, tier: int, keys: int) -> tuple[str, list[str]]:
    """Make an account with many keys: one that is refused 300 times a minute is not looked at for a while."""
    opened = await Database.open(StoreSettings(url=database), create=True)
    try:
        accounts, now = SqlAccounts(opened), SystemClock().wall()
        account = Account(id=new_id("acc"), name="hammer", created_at=now, tier_override=tier)
        await accounts.create_account(account)
        secrets = [new_key() for _ in range(keys)]
        for number, secret in enumerate(secrets):
            key = ApiKey(new_id("key"), account.id, f"client {number}", key_visible(secret), key_digest(secret), now)
            await accounts.create_key(key)
    finally:
        await opened.close()
    return account.id, secrets


def start_redis(plan: Plan, running: AsyncExitStack) -> str:
    """Start a Redis of one's own; returns its URL. Raises `FileNotFoundError` where none is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise FileNotFoundError("redis-server is not installed; name one that runs by --redis URL")
    (port,) = free_ports(1)
    options: Sequence[str] = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(plan.directory))
    server = Server("redis", [program, *options], core=None, log=plan.directory / "redis.log")
    running.callback(server.stop)
    server.wait_until_listening(port)
    return f"redis://127.0.0.1:{port}/0"
