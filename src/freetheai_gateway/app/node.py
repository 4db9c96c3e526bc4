"""The life of a gateway in one process: it serves one listener until it is told to stop, and then closes in order."""

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Protocol

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.log import get_log
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.tree import Server
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings
from freetheai_gateway.web.response import JSON


class Duties(Protocol):
    """What differs between a process that is the whole node and one of several workers."""

    async def beside(self, gateway: Gateway, stop: Callable[[], None]) -> None:
        """Run beside the server from the moment it accepts connections; `stop` begins the drain."""
        ...

    async def reload(self, *, dry_run: bool) -> ReloadOutcome:
        """Read the configuration again, for the whole node."""
        ...


async def live(gateway: Gateway, listener: socket.socket, duties: Duties) -> None:
    """Serve an open gateway until SIGTERM or SIGINT, drain, and close it. Raises `CannotListen`."""
    try:
        await _serve(gateway, listener, duties)
    finally:
        await gateway.close()


async def _serve(gateway: Gateway, listener: socket.socket, duties: Duties) -> None:
    log = get_log("server")
    async with asyncio.TaskGroup() as tasks:
        beside: list[asyncio.Task[object]] = []

        def started(_port: int) -> None:
            spare_the_collector()
            beside.append(tasks.create_task(duties.beside(gateway, server.stop)))

        async def reload(*, dry_run: bool) -> ReloadOutcome:
            # A task of the server's: whoever asked may leave while the configuration is being swapped.
            beside.append(task := tasks.create_task(duties.reload(dry_run=dry_run)))
            return await asyncio.shield(task)

        server = EdgeServer(
            gateway.asgi(lambda: server.draining, reload),
            edge_settings(gateway.settings.server),
            render_error=_render_error,
            on_started=started,
            on_drain=lambda: log.info("draining"),
            outbox=gateway.outbox,
            on_reload=lambda: beside.append(tasks.create_task(duties.reload(dry_run=False))),
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
