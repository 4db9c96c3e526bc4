"""The life of a gateway in one process: it serves one listener until it is told to stop, and then closes in order."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol, TypeVar

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.log import get_log
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.tree import Server
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings
from freetheai_gateway.web.response import JSON

T = TypeVar("T")


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
        beside: set[asyncio.Task[object]] = set()

        def begin(work: Coroutine[object, object, T]) -> asyncio.Task[T]:
            task = tasks.create_task(work)
            beside.add(task)
            task.add_done_callback(beside.discard)
            return task

        def started(_port: int) -> None:
            spare_the_collector()
            begin(duties.beside(gateway, server.stop))

        async def reload(*, dry_run: bool) -> ReloadOutcome:
            # A task of the server's: whoever asked may leave while the configuration is being swapped.
            outcome = await asyncio.shield(begin(_caught(duties.reload(dry_run=dry_run))))
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        async def reload_by_signal() -> None:
            outcome = await _caught(duties.reload(dry_run=False))
            if isinstance(outcome, Exception):
                log.error("reload_failed", error=type(outcome).__name__)
            elif not outcome.mistakes:
                await gateway.note_reload(outcome)

        server = EdgeServer(
            gateway.asgi(lambda: server.draining, reload),
            edge_settings(gateway.settings.server),
            render_error=_render_error,
            on_started=started,
            on_drain=lambda: log.info("draining"),
            outbox=gateway.outbox,
            on_reload=lambda: begin(reload_by_signal()),
        )
        await server.serve([listener])
        for task in tuple(beside):
            task.cancel()


async def _caught(work: Awaitable[T]) -> T | Exception:
    """Wait for work that must not end the gateway it is for, whatever becomes of it."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - said or raised by whoever asked
        return error


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
