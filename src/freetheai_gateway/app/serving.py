"""One serving process: bind, open the gateway, serve until told to stop, close in order."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine

import uvloop

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.log import configure, get_log
from freetheai_gateway.settings.defaults import listening_on
from freetheai_gateway.settings.problems import Problem, SettingsInvalid
from freetheai_gateway.settings.tree import Server, Settings
from freetheai_gateway.web.edge.listener import bind
from freetheai_gateway.web.edge.open_files import raise_open_files_limit
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings
from freetheai_gateway.web.response import JSON

Announce = Callable[[Gateway], Coroutine[object, object, None]]


def serve(settings: Settings, announce: Announce, read_again: Callable[[], Settings]) -> None:
    """Serve until SIGTERM or SIGINT; returns after the drain.

    `announce` is awaited beside the server as soon as it accepts connections. `read_again` reads the configuration
    for a reload and raises `SettingsInvalid` where it can't be used. Raises `web.edge.listener.CannotListen` and
    `store.errors.StoreFailed`.
    """
    refuse_what_is_not_built(settings)
    configure(settings.log.level, settings.log.format)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server can reload: its default would end the process
    raise_open_files_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, announce, read_again))


def refuse_what_is_not_built(settings: Settings) -> None:
    """Raise `SettingsInvalid` for settings that would be ignored in silence where exactness depends on them."""
    if settings.server.workers > 1:
        problem = "one gateway is one process in this version"
        hint = "start several gateways on one Redis and one PostgreSQL, each on its own port, behind a balancer"
        raise SettingsInvalid([Problem("server.workers", problem, hint)])


async def _serve(settings: Settings, announce: Announce, read_again: Callable[[], Settings]) -> None:
    listener = bind(settings.server.host, settings.server.port)
    try:
        settings = listening_on(settings, port=listener.getsockname()[1])
        gateway = await Gateway.open(settings)
    except BaseException:
        listener.close()
        raise
    try:
        await _serve_gateway(gateway, listener, announce, Reloader(gateway, read_again))
    finally:
        await gateway.close()


async def _serve_gateway(gateway: Gateway, listener: socket.socket, announce: Announce, reloader: "Reloader") -> None:
    log = get_log("server")
    async with asyncio.TaskGroup() as tasks:
        beside: list[asyncio.Task[None]] = []

        def started(_port: int) -> None:
            spare_the_collector()
            beside.append(tasks.create_task(announce(gateway)))

        server = EdgeServer(
            gateway.asgi(lambda: server.draining),
            edge_settings(gateway.settings.server),
            render_error=_render_error,
            on_started=started,
            on_drain=lambda: log.info("draining"),
            on_reload=lambda: beside.append(tasks.create_task(reloader.run())),
        )
        await server.serve([listener])
        for task in beside:
            task.cancel()


def spare_the_collector() -> None:
    """Keep the garbage collector from walking what lives as long as the process.

    Requests leave almost no cycles; with the default thresholds full collections stall every open stream.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


class Reloader:
    """Reloads one after the other; a configuration that can't be used is refused whole, and the old one stays."""

    def __init__(self, gateway: Gateway, read_again: Callable[[], Settings]) -> None:
        self._gateway = gateway
        self._read_again = read_again
        self._turn = asyncio.Lock()
        self._log = get_log("reload")

    async def run(self) -> None:
        """Read the configuration again and swap what is on offer; every outcome is logged."""
        async with self._turn:
            try:
                read = await asyncio.to_thread(self._read_again)
            except SettingsInvalid as invalid:
                for problem in invalid.problems:
                    self._log.error(
                        "reload_refused",
                        where=problem.where,
                        line=problem.line,
                        message=problem.message,
                        hint=problem.hint,
                    )
                return
            await self._gateway.reload(listening_on(read, port=self._gateway.settings.server.port))


def edge_settings(server: Server) -> EdgeSettings:
    """Fill what the edge needs from `[server]`."""
    return EdgeSettings(
        host=server.host,
        port=server.port,
        header_timeout_s=server.timeouts.header_s,
        progress_timeout_s=server.timeouts.progress_s,
        idle_timeout_s=server.timeouts.idle_s,
        discard_s=server.timeouts.discard_s,
        drain_timeout_s=server.drain_timeout_s,
        shutdown_delay_s=server.shutdown_delay_s,
    )


def _render_error(error: GatewayError, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Render an error of the edge itself, before a route or a dialect is known."""
    headers = [JSON, (b"server-timing", b"gateway;dur=0.0"), *error.headers]
    return error.status, headers, OpenAIChat.render_error(error, request_id)
