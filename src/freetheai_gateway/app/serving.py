"""One serving process: bind, open the gateway, serve until told to stop, close in order."""

import asyncio
import socket
from collections.abc import Callable, Coroutine

import uvloop

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.log import configure, get_log
from freetheai_gateway.settings.defaults import listening_on
from freetheai_gateway.settings.tree import Server, Settings
from freetheai_gateway.web.edge.listener import bind
from freetheai_gateway.web.edge.open_files import raise_open_files_limit
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings
from freetheai_gateway.web.response import JSON

Announce = Callable[[Gateway], Coroutine[object, object, None]]


def serve(settings: Settings, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT; returns after the drain.

    `announce` is awaited beside the server as soon as it accepts connections. Raises
    `web.edge.listener.CannotListen` and `store.errors.StoreFailed`.
    """
    configure(settings.log.level, settings.log.format)
    raise_open_files_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, announce))


async def _serve(settings: Settings, announce: Announce) -> None:
    listener = bind(settings.server.host, settings.server.port)
    try:
        settings = listening_on(settings, port=listener.getsockname()[1])
        gateway = await Gateway.open(settings)
    except BaseException:
        listener.close()
        raise
    try:
        await _serve_gateway(gateway, listener, announce)
    finally:
        await gateway.close()


async def _serve_gateway(gateway: Gateway, listener: socket.socket, announce: Announce) -> None:
    log = get_log("server")
    async with asyncio.TaskGroup() as tasks:
        announcing: list[asyncio.Task[None]] = []
        server = EdgeServer(
            gateway.asgi(lambda: server.draining),
            edge_settings(gateway.settings.server),
            render_error=_render_error,
            on_started=lambda _port: announcing.append(tasks.create_task(announce(gateway))),
            on_drain=lambda: log.info("draining"),
            on_reload=lambda: log.warning("reload_not_available", hint="restart the gateway to change its settings"),
        )
        await server.serve([listener])
        for task in announcing:
            task.cancel()


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
    return error.status, [JSON, *error.headers], OpenAIChat.render_error(error, request_id)
