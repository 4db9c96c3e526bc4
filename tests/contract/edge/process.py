"""A server in a process of its own, for what signals do. Run as a program; reports on stdout, a word a line."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from freetheai_gateway.errors import GatewayError
from freetheai_gateway.web.edge.listener import CannotListen
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings

START = {"type": "http.response.start", "status": 200, "headers": []}


def report(word: str) -> None:
    """Tell the test."""
    print(word, flush=True)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once; on `/slow` take a while, on `/endless` go on until cancelled, then say goodbye."""
    path = scope["path"]
    await send(START)
    if path != "/":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
    try:
        await asyncio.sleep({"/slow": 0.3, "/endless": 600}.get(path, 0))
    except asyncio.CancelledError:
        report("cancelled")
    await send({"type": "http.response.body", "body": b"done"})


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Report when the app is opened and closed."""
    report("opened")
    yield
    report("closed")


def render_error(error: GatewayError, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Render just the words."""
    return error.status, [], error.message.encode()


def main(port: str, drain_timeout_s: str, shutdown_delay_s: str) -> None:
    """Serve until a signal ends it."""
    settings = EdgeSettings(
        port=int(port),
        drain_timeout_s=float(drain_timeout_s),
        cancel_grace_s=0.3,
        shutdown_delay_s=float(shutdown_delay_s),
    )
    server = EdgeServer(
        app,
        settings,
        render_error=render_error,
        lifespan=lifespan(),
        on_started=lambda bound_port: report(f"started {bound_port}"),
        on_drain=lambda: report("draining"),
        on_reload=lambda: report("reload"),
    )
    try:
        server.run()
    except CannotListen as error:
        report(str(error))
        sys.exit(1)
    report("ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
