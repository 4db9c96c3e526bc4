"""A scripted upstream: an HTTP/1.1 server that speaks Chat Completions, well or as badly as a test wants.

What it does with a request is decided by the model that the request names: a script set with `play` (or with
`POST /_script`), else the behaviour of that name (`behaviours.py`), else a plain answer. It keeps what it received
and how each exchange ended, above all whether the client left before the reply was complete; `GET /_seen` shows it.

    async with ScriptedUpstream() as upstream:
        upstream.play("scripted", "cut-mid-stream?after=3")
        ...                                         # point a client at upstream.base_url
        await upstream.until(lambda: upstream.in_flight == 0)

As a process of its own: `python -m freetheai_gateway.testing.upstream --port 0`, whose first line on stdout is
`{"url": …, "base_url": …}`.
"""

import argparse
import asyncio
import signal
import ssl
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Self, TypeVar

import msgspec

from freetheai_gateway import jsonc
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.testing.behaviours import BEHAVIOURS, script_for
from freetheai_gateway.testing.completions import error_body, read_ask
from freetheai_gateway.testing.connection import Connection
from freetheai_gateway.testing.exchanges import Exchange, Outcome
from freetheai_gateway.testing.scripts import Script, Step, whole_reply

_STOP_S = 5.0
_KEPT_EXCHANGES = 10_000
_CONTROL = "/_"


class _Played(msgspec.Struct):
    """The body of `POST /_script`: the steps, or the name of a behaviour."""

    model: str
    steps: tuple[Step, ...] | None = None
    behaviour: str | None = None
    times: int | None = None


class ScriptedUpstream:
    """The server, its plan and what it saw. One event loop owns it; other threads may read and `play`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, ssl_context: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._clock = SystemClock()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._plans: dict[str, _Played] = {}
        self._changed = asyncio.Event()
        self.connections_accepted = 0
        self.in_flight = 0
        """Requests whose reply is neither complete nor cancelled."""
        self.cancelled = 0
        """Requests whose client left before the reply was complete."""
        self.exchanges: deque[Exchange] = deque(maxlen=_KEPT_EXCHANGES)
        """The latest requests but those to the control endpoints, in the order they came."""
        self.failures: list[BaseException] = []
        """Exceptions of scripts: mistakes of the test, raised again by `stop`."""

    # --- life ---

    async def start(self) -> None:
        """Listen; with port 0 on a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), self._host, self._port, ssl=self._ssl_context, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Refuse new connections from now on; the open ones live on."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        """Refuse new connections, reset the open ones, and raise what went wrong in scripts."""
        self.stop_listening()
        for connection in tuple(self._connections):
            connection.abort()
        await self.until(lambda: not self._connections, within_s=_STOP_S)
        if self.failures:
            raise BaseExceptionGroup("scripts of the upstream failed", self.failures)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what a test says and reads ---

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The root of the server."""
        scheme = "http" if self._ssl_context is None else "https"
        return f"{scheme}://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    @property
    def connections_open(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    def play(self, model: str, plan: Script | str, *, times: int | None = None) -> None:
        """Set what requests for `model` get: a script or a behaviour's name; for `times` requests, or for good."""
        if isinstance(plan, str):
            self._plans[model] = _Played(model, behaviour=plan, times=times)
        else:
            self._plans[model] = _Played(model, steps=plan, times=times)

    def forget(self) -> None:
        """Drop all plans, and what was seen so far; what still runs stays in `in_flight`."""
        self._plans.clear()
        self.exchanges.clear()
        self.cancelled = 0

    async def until(self, condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
        """Wait until something that this server sees is so. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # --- what a connection asks ---

    def opened(self, connection: Connection) -> int:
        """Note a new connection and number it."""
        self._connections.add(connection)
        self.connections_accepted += 1
        return self.connections_accepted

    def closed(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        self._connections.discard(connection)
        self._changed.set()

    def received(
        self, connection: int, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Exchange, Script]:
        """Keep a request and decide its reply."""
        exchange = Exchange(method, target, headers, body, connection, self._clock.monotonic())
        path = target.partition("?")[0]
        if target.startswith(_CONTROL):
            return exchange, self._control(method, path, body)
        self.exchanges.append(exchange)
        self.in_flight += 1
        self._changed.set()
        return exchange, self._reply(method, path, body)

    def ended(self, exchange: Exchange, outcome: Outcome) -> None:
        """Note how an exchange ended."""
        exchange.outcome = outcome
        exchange.ended_at = self._clock.monotonic()
        if not exchange.target.startswith(_CONTROL):
            self.in_flight -= 1
            self.cancelled += outcome is Outcome.CANCELLED
        self._changed.set()

    # --- replies ---

    def behaviour_of(self, model: str) -> str:
        """Choose the behaviour for a request that no plan was made for: the model's name is one."""
        return model

    def _reply(self, method: str, path: str, body: bytes) -> Script:
        if (method, path) == ("GET", "/v1/models"):
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in BEHAVIOURS]
            return whole_reply(200, jsonc.encode({"object": "list", "data": models}))
        if (method, path) != ("POST", "/v1/chat/completions"):
            return whole_reply(404, error_body(f"Invalid URL ({method} {path})"))
        try:
            ask = read_ask(body)
            name = ask.model
            plan = self._next_plan(name)
            if plan is not None and plan.steps is not None:
                return plan.steps
            planned = plan.behaviour if plan is not None else None
            return script_for(planned or self.behaviour_of(name), ask)
        except jsonc.InvalidJSON as error:
            return whole_reply(400, error_body(str(error)))

    def _next_plan(self, model: str) -> _Played | None:
        plan = self._plans.get(model)
        if plan is not None and plan.times is not None:
            plan.times -= 1
            if plan.times <= 0:
                del self._plans[model]
        return plan

    def _control(self, method: str, path: str, body: bytes) -> Script:
        if (method, path) == ("GET", "/_seen"):
            return whole_reply(200, jsonc.encode(self._seen()))
        if (method, path) == ("POST", "/_script"):
            try:
                played = jsonc.Decoder(_Played)(body)
            except jsonc.InvalidJSON as error:
                return whole_reply(400, error_body(str(error)))
            self._plans[played.model] = played
            return whole_reply(200, b"{}")
        if (method, path) == ("DELETE", "/_seen"):
            self.forget()
            return whole_reply(200, b"{}")
        return whole_reply(404, error_body(f"no control endpoint {method} {path}"))

    def _seen(self) -> dict[str, object]:
        return {
            "in_flight": self.in_flight,
            "cancelled": self.cancelled,
            "connections_open": self.connections_open,
            "connections_accepted": self.connections_accepted,
            "exchanges": [exchange.shown() for exchange in self.exchanges],
        }


Served = TypeVar("Served", bound=ScriptedUpstream)


@contextmanager
def upstream_in_thread(*, ssl_context: ssl.SSLContext | None = None) -> Iterator[ScriptedUpstream]:
    """Run a scripted upstream on an event loop of its own, for tests that are not asynchronous."""
    with served_in_thread(ScriptedUpstream(ssl_context=ssl_context)) as upstream:
        yield upstream


@contextmanager
def served_in_thread(upstream: Served) -> Iterator[Served]:
    """Run this upstream on an event loop of its own."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        stopping = asyncio.Event()
        async with upstream:
            started.set_result((asyncio.get_running_loop(), stopping))
            await stopping.wait()

    outcome: Future[None] = Future()

    def run() -> None:
        try:
            asyncio.run(live())
            outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001 (it is raised again in the thread that waits)
            (outcome if started.done() else started).set_exception(error)

    thread = Thread(target=run, name="scripted-upstream")
    thread.start()
    loop, stopping = started.result()
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        outcome.result()


async def _serve(host: str, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with ScriptedUpstream(host=host, port=port) as upstream:
        address = {"url": upstream.url, "base_url": upstream.base_url}
        sys.stdout.write(jsonc.encode(address).decode() + "\n")
        sys.stdout.flush()
        await stopping.wait()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A scripted upstream that speaks Chat Completions.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args()
    asyncio.run(_serve(given.host, given.port))


if __name__ == "__main__":
    main()
