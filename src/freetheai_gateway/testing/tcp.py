"""A TCP server that a test scripts byte by byte: for what no well-behaved HTTP server would ever send."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PATIENCE_S = 10.0
"""Far longer than what a test waits for ever needs, so that a slow machine passes."""

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds


class Peer:
    """One accepted connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = asyncio.Event()
        self.received_bytes = 0
        """How much `until_left` has thrown away."""

    async def request(self) -> bytes:
        """Read one request, head and body, as it came. Raises `IncompleteReadError` where the client left."""
        head = await self.head()
        length = _CONTENT_LENGTH.search(head)
        return head + (await self._reader.readexactly(int(length[1])) if length else b"")

    async def head(self) -> bytes:
        """Read a request up to the empty line."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def read(self, most_bytes: int) -> bytes:
        """Read some bytes of whatever comes."""
        return await self._reader.read(most_bytes)

    async def send(self, *parts: bytes) -> None:
        """Write parts, each as a packet of its own as far as the system allows."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def until_left(self) -> None:
        """Read and throw away until the client has closed or reset the connection."""
        with suppress(ConnectionError):
            while data := await self._reader.read(65536):
                self.received_bytes += len(data)
        self._left.set()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on inside TLS, as the far end of a tunnel does."""
        await self._writer.start_tls(context)

    def reset(self) -> None:
        """Close with a TCP reset."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._writer.transport.abort()

    async def left(self) -> None:
        """Wait, in the test, until the script's `until_left` has seen the client leave."""
        await self._left.wait()


Script = Callable[[Peer], Awaitable[None]]
"""What happens on a connection; it is closed when the script returns."""


class TcpServer:
    """A listening server; `peers` are the connections in the order they came."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._arrived = asyncio.Condition()
        self.peers: list[Peer] = []
        self.failures: list[BaseException] = []
        self.port = 0

    async def peer(self, number: int = 0) -> Peer:
        """Wait for a connection."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.peers) > number)
        return self.peers[number]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script on a new connection; its mistakes are raised when the server ends."""
        peer = Peer(reader, writer)
        self.peers.append(peer)
        async with self._arrived:
            self._arrived.notify_all()
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client left; what it should have done is the test's to say
        except Exception as error:  # noqa: BLE001 - kept, and raised by `tcp_server`
            self.failures.append(error)
        finally:
            writer.close()


@asynccontextmanager
async def tcp_server(
    script: Script, *, tls: ssl.SSLContext | None = None, within_s: float = PATIENCE_S
) -> AsyncIterator[TcpServer]:
    """Serve a script on a free port of 127.0.0.1; what still runs at the end is cut off.

    The block raises `TimeoutError` after `within_s`, so that a peer that waits for ever fails its test and no more.
    """
    server = TcpServer(script)
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(server.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(within_s):
            yield server
    finally:
        listener.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if server.failures:
        raise server.failures[0]
