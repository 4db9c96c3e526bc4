"""One connection of the scripted upstream: requests in, scripts out, and the moment the client leaves."""

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol, cast

import httptools

from freetheai_gateway.testing.exchanges import Exchange, Outcome
from freetheai_gateway.testing.scripts import Close, Hold, Script, Send, Step, Wait, whole_reply

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_BAD_REQUEST = whole_reply(400, b"", headers=(("connection", "close"),))


class Host(Protocol):
    """Whom a connection tells what happens on it, and who decides the replies."""

    failures: list[BaseException]
    """Exceptions of scripts: mistakes of the test."""

    def opened(self, connection: "Connection") -> int:
        """Note a new connection and number it."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Note that a connection is gone."""
        ...

    def received(
        self, connection: int, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Exchange, Script]:
        """Keep a request and decide its reply."""
        ...

    def ended(self, exchange: Exchange, outcome: Outcome) -> None:
        """Note how an exchange ended."""
        ...


class Connection(asyncio.Protocol):
    """Parses requests with httptools and plays one script after the other, in a task that dies with it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[tuple[Exchange, Script]] = deque()
        """The exchange whose script is playing, and those that wait behind it."""
        self._player: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._number = 0
        self._keep_alive = True
        self._begin_request()

    def abort(self) -> None:
        """Drop the connection and whatever it was about to send."""
        self._transport.abort()

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        # Nothing waits in user space, so that a script that is done has handed everything to the kernel.
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._number = self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            for step in _BAD_REQUEST:
                if isinstance(step, Send):
                    self._transport.write(step.data)
            self._transport.close()

    def eof_received(self) -> bool:
        """Take the end of the client's bytes as its leaving: HTTP clients do not half-close."""
        self._transport.abort()
        return True

    def pause_writing(self) -> None:
        """Hold the script: the client reads slower than it is written to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on with the script."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the signature is asyncio's)
        """Stop the script."""
        if self._player is not None:
            self._player.cancel()
        self._host.closed(self)

    # --- httptools ---

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Invite the body of a client that asks first."""
        if ("expect", "100-continue") in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Hand the request over and play what comes back."""
        method = self._parser.get_method().decode()
        target, headers, body = self._target.decode("latin-1"), tuple(self._headers), bytes(self._body)
        self._keep_alive = self._parser.should_keep_alive()
        self._begin_request()
        self._pending.append(self._host.received(self._number, method, target, headers, body))
        if self._player is None:
            self._player = asyncio.get_running_loop().create_task(self._play())
            self._player.add_done_callback(self._played)

    # --- scripts ---

    def _begin_request(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    async def _play(self) -> None:
        while self._pending:
            exchange, script = self._pending[0]
            for step in script:
                await self._take(exchange, step)
            self._pending.popleft()
            self._host.ended(exchange, Outcome.DONE)
        self._player = None  # here and not in the callback: the next request may come before that runs
        if not self._keep_alive:
            self._transport.close()

    async def _take(self, exchange: Exchange, step: Step) -> None:
        match step:
            case Send(data):
                exchange.sent_bytes += len(data)
                self._transport.write(data)
                await self._writable.wait()
                await asyncio.sleep(0)  # so that two sends are two writes, and a client's leaving is seen between
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await asyncio.get_running_loop().create_future()
            case Close(reset):
                self._close(reset=reset)

    def _close(self, *, reset: bool) -> None:
        if not reset:
            self._transport.close()
            return
        plain: socket.socket = self._transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self._transport.abort()

    def _played(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._host.failures.append(failure)
            self._transport.abort()
        elif not task.cancelled():
            return
        while self._pending:
            exchange, _ = self._pending.popleft()
            self._host.ended(exchange, Outcome.CANCELLED)
