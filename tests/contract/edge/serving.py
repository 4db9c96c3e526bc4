"""A server in the test's own loop, a client that speaks bytes, and small apps."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from freetheai_gateway import jsonc
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.web.edge.connection import SCOPE_EXTENSION, EdgeConnection
from freetheai_gateway.web.edge.exchange import App
from freetheai_gateway.web.edge.server import EdgeServer
from freetheai_gateway.web.edge.settings import EdgeSettings

SOON_S = 10.0
"""How long a test waits for what must happen at once: far longer than ever needed, so that a slow machine passes."""
FAST: dict[str, Any] = {"port": 0, "drain_timeout_s": 2.4, "cancel_grace_s": 0.2, "discard_s": 0.2}
"""Settings that let a test end quickly; the deadlines stay long unless the test is about them."""


def render_error(error: GatewayError, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Render the JSON envelope, with headers of which some are the edge's to set."""
    body = jsonc.encode({"error": {"message": error.message, "type": error.type, "request_id": request_id}})
    return error.status, [(b"content-type", b"application/json"), (b"x-request-id", b"not this one")], body


@dataclass(frozen=True)
class Reply:
    """One response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        """The envelope."""
        found = jsonc.decode_any(self.body)
        assert isinstance(found, dict)
        return dict(found["error"])


class Client:
    """A client that sends what it is told to, right or wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send, and wait until the system has taken it."""
        self.writer.write(data)
        async with asyncio.timeout(SOON_S):
            await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read one response's head."""
        async with asyncio.timeout(SOON_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        fields = [line.split(": ", 1) for line in lines]
        headers = dict(fields)
        assert len(headers) == len(fields), f"a header came twice: {lines}"
        return int(first.split()[1]), headers

    async def reply(self, *, has_body: bool = True) -> Reply:
        """Read one response whole."""
        status, headers = await self.head()
        async with asyncio.timeout(SOON_S):
            if not has_body:
                body = b""
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            else:
                body = await self.reader.read()
        return Reply(status, headers, body)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readexactly(2)
        return b"".join(parts)

    async def ask(self, request: bytes, *, has_body: bool = True) -> Reply:
        """Send, and read the response."""
        await self.send(request)
        return await self.reply(has_body=has_body)

    async def is_closed(self) -> bool:
        """Wait for the server to close; say whether it did so without a further byte."""
        async with asyncio.timeout(SOON_S):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def leave(self) -> None:
        """Close, as a client that was stopped does."""
        self.writer.close()


@dataclass
class Service:
    """A running server."""

    server: EdgeServer
    ended: asyncio.Task[None]
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *, receive_buffer_bytes: int | None = None) -> Client:
        """Open a connection; with a small receive buffer the client is soon a slow reader."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.server.bound_port))
        client = Client(*await asyncio.open_connection(sock=sock, limit=4096))
        self.clients.append(client)
        return client

    async def ask(self, request: bytes) -> Reply:
        """Ask on a connection of its own."""
        return await (await self.connect()).ask(request)


@asynccontextmanager
async def serving(app: App, **settings: Any) -> AsyncIterator[Service]:
    """Run a server with settings over `FAST`; drained at the end."""
    started = asyncio.Event()
    server = EdgeServer(
        app,
        EdgeSettings(**{**FAST, **settings}),
        render_error=render_error,
        on_started=lambda _port: started.set(),
    )
    ended = asyncio.get_running_loop().create_task(server.serve())
    await started.wait()
    service = Service(server, ended)
    try:
        yield service
    finally:
        for client in service.clients:
            client.leave()
        if not server.draining:
            server.stop()
        await ended


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - the server under test sets no event for it
            await asyncio.sleep(0.002)


def connection_of(scope: Any) -> EdgeConnection:
    """Find what a request knows of its connection."""
    found = scope["extensions"][SCOPE_EXTENSION]
    assert isinstance(found, EdgeConnection)
    return found


async def read_body(receive: Callable[[], Any]) -> bytes | None:
    """Read a request's body whole; `None` if the client left before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def answer(send: Callable[[Any], Any], body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    """Send a response of known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with method, path and body."""
    body = await read_body(receive)
    if body is not None:
        await answer(send, f"{scope['method']} {scope['path']} ".encode() + body)
