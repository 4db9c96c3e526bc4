"""SIGHUP under load: what is on offer changes, a bad file changes nothing, and no request notices."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from freetheai_gateway import jsonc
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN, UNSET, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import CHAT, Object, call, chat, chat_body

CLIENTS = 12
EVERY_S = 0.04
"""Twelve clients, each with a request every 40 ms: up to 300 a second, and above 200 on two slow cores."""
PER_STAGE = 250
"""Requests that must be answered between two reloads."""
STREAMS = 5
NEW = "new/model"
NEW_MODEL = f"""
[[models]]
id = "{NEW}"
[[models.upstreams]]
provider = "scripted"
model = "plain"
"""


BROKEN = (
    ("[site\n", "line 1, column 6", 1),
    ('\n[server]\nprot = "http"\n', "server.prot", 3),
    ("[[tiers]]\nlevel = 1\n", "tiers[0].name", 1),
)
"""Files, the place that is named and its line."""


class Load:
    """Clients that keep asking; counts what they get."""

    def __init__(self, gateway: Gateway, key: Key) -> None:
        self.outcomes: Counter[int | str] = Counter()
        self._url = gateway.url + CHAT
        self._headers = {**key.bearer, "content-type": "application/json"}
        self._body = chat_body(PLAIN)
        self._news = asyncio.Event()

    async def answered(self, more: int) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.outcomes.total() + more
        while self.outcomes.total() < wanted:
            self._news.clear()
            await self._news.wait()

    async def _keep_asking(self, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_at = loop.time() + EVERY_S
            try:
                async with session.post(self._url, data=self._body, headers=self._headers) as response:
                    await response.read()
                    self.outcomes[response.status] += 1
            except aiohttp.ClientError as error:
                self.outcomes[type(error).__name__] += 1
            self._news.set()
            await asyncio.sleep(max(0.0, next_at - loop.time()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep asking meanwhile."""
        async with aiohttp.ClientSession() as session:
            tasks = [asyncio.get_running_loop().create_task(self._keep_asking(session)) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)


def events(gateway: Gateway, name: str) -> list[Object]:
    """Read the log lines of one event."""
    lines = [line for line in gateway.output().splitlines() if line.startswith("{") and line.endswith("}")]
    decoded = [jsonc.Decoder(Object)(line) for line in lines]
    return [line for line in decoded if line.get("event") == name]


async def reload(gateway: Gateway, config: str, outcome: str) -> list[Object]:
    """Put a configuration in place and ask for it; returns the log lines of that outcome."""
    before = len(events(gateway, outcome))
    gateway.config.write_text(config)
    gateway.signal(signal.SIGHUP)
    await asyncio.to_thread(eventually, lambda: len(events(gateway, outcome)) > before, f"the log says {outcome}")
    return events(gateway, outcome)[before:]


async def open_stream(session: aiohttp.ClientSession, gateway: Gateway, key: Key) -> aiohttp.ClientResponse:
    """Ask for a stream and wait for its first token."""
    response = await session.post(gateway.url + CHAT, data=chat_body(MODEL, stream=True), headers=key.bearer)
    while b"tok0" not in await response.content.readline():
        pass
    return response


def offered(gateway: Gateway, key: Key) -> dict[str, bool]:
    """Read which models there are, and which can be called."""
    data = call(gateway, "GET", "/v1/models/full", key=key).json()["data"]
    assert isinstance(data, list)
    return {entry["id"]: entry["access"]["available"] for entry in data}


def changed(config: str) -> str:
    """Take a model away, add one, set another's provider up, and change what only a restart changes."""
    without = config.replace(MODEL, "test/renamed").replace("env:TEST_NO_SUCH_KEY", "env:TEST_UPSTREAM_KEY")
    return without.replace("[server]\n", "[server]\nmax_body_bytes = 2048\n", 1) + NEW_MODEL


async def test_reload_when_files_are_good_bad_and_good_then_no_request_fails(
    upstream: ScriptedUpstream, launch: Launch
) -> None:
    """Under load; streams of a model that is taken away meanwhile run to their end."""
    good = render(Plan(upstream.base_url))
    upstream.play("scripted", "plain?chunks=30&delay_s=0.1")
    with launch(good) as gateway:
        key = gateway.create_key("operator")
        load = Load(gateway, key)
        async with load.running(), aiohttp.ClientSession() as session:
            streams = await asyncio.gather(*(open_stream(session, gateway, key) for _ in range(STREAMS)))
            (said,) = await reload(gateway, changed(good), "reloaded")
            assert upstream.in_flight >= STREAMS
            assert said["models"] == ["+test/renamed", f"+{NEW}", f"-{MODEL}"]
            assert said["providers"] == ["~unset"]
            assert [line["where"] for line in events(gateway, "not_reloaded")] == ["server.max_body_bytes"]
            await load.answered(PER_STAGE)
            seen = await asyncio.to_thread(offered, gateway, key)
            assert (seen[NEW], seen[UNSET], MODEL in seen) == (True, True, False)

            bad = changed(good).replace('provider = "scripted"', 'provider = "scripte"', 1)
            (refused,) = await reload(gateway, bad, "reload_refused")
            assert refused["where"] == "models[0].upstreams[0].provider"
            assert refused["message"] == 'no provider is called "scripte"'
            assert refused["hint"] == 'did you mean "scripted"?'
            await load.answered(PER_STAGE)
            assert await asyncio.to_thread(offered, gateway, key) == seen

            ends = [await response.read() for response in streams]
            assert all(end.endswith(b"data: [DONE]\n\n") for end in ends)
            (said,) = await reload(gateway, good, "reloaded")
            assert said["models"] == [f"+{MODEL}", "-test/renamed", f"-{NEW}"]
            await load.answered(PER_STAGE)
            assert NEW not in await asyncio.to_thread(offered, gateway, key)
        listed = (await asyncio.to_thread(gateway.command, "audit", "--limit", "2"))["data"]
        assert isinstance(listed, list)
        assert [(entry["actor"], entry["action"]) for entry in listed] == [("signal", "configuration.reload")] * 2
        assert set(load.outcomes) == {200}
        gone = await asyncio.to_thread(chat, gateway, key, NEW)
        assert (gone.status, gone.error()["code"]) == (400, "model_not_found")


async def test_reload_when_files_are_broken_then_the_place_is_logged_and_the_old_one_stays(
    upstream: ScriptedUpstream, launch: Launch
) -> None:
    """Syntax, an unknown key, a missing one; each is refused whole, one after the other."""
    with launch(render(Plan(upstream.base_url))) as gateway:
        key = gateway.create_key("operator")
        for bad, place, line in BROKEN:
            refused = await reload(gateway, bad, "reload_refused")
            assert (place, line) in {(said["where"], said["line"]) for said in refused}
            assert (await asyncio.to_thread(chat, gateway, key, PLAIN)).status == 200
