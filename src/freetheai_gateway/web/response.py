"""The answer to one request: headers that every response carries, streams, signs of life, and errors."""

import asyncio
from collections.abc import Coroutine, Sequence

from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import ClientCanceled, GatewayError, ProviderUnavailable, whole_seconds
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.web.edge.response_head import WHOLE, render_lines
from freetheai_gateway.web.request import Connection, Send

JSON = (b"content-type", b"application/json")
_JSON_LINE = b"\r\ncontent-type: application/json"
_STREAM_LINES = (
    b"\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no"
)
_IDS = b"\r\nx-request-id: %b\r\nrequest-id: %b\r\nserver-timing: gateway;dur=%.1f"
_UPSTREAM_TIME = b", upstream;dur=%.1f"


class Response:
    """Implements the `Sink` of the services over ASGI. One per request; finished exactly once."""

    __slots__ = (
        "_connection",
        "_finished",
        "_is_sized",
        "_keepalive_s",
        "_last_write",
        "_lines",
        "_loop",
        "_send",
        "_sign_of_life",
        "_sign_task",
        "_started",
        "_timer",
        "_trace",
        "cross_origin",
        "dialect",
    )

    def __init__(self, send: Send, connection: Connection, trace: Trace, dialect: Dialect, keepalive_s: float) -> None:
        self._send = send
        self._connection = connection
        self._trace = trace
        self._keepalive_s = keepalive_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines = b""
        self._started = False
        self._finished = False
        self._is_sized = False
        self._last_write = 0.0
        self._sign_of_life = b""
        self._sign_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.cross_origin: Sequence[tuple[bytes, bytes]] = ()
        """Headers that let pages of other origins read the answer."""
        self.dialect = dialect
        """Whose envelope errors are written in."""

    @property
    def trace(self) -> Trace:
        """What is known of the request."""
        return self._trace

    @property
    def started(self) -> bool:
        """Whether the status has gone out."""
        return self._started

    @property
    def finished(self) -> bool:
        """Whether the last byte was handed over."""
        return self._finished

    def add_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Add response headers; names in lower case."""
        self._lines += render_lines(headers)

    def add_lines(self, lines: bytes) -> None:
        """Add finished header lines, each begun by CR LF, of values that did not come from outside."""
        self._lines += lines

    def drop_header(self, name: bytes) -> None:
        """Take back a header that was added."""
        beginning = name + b":"
        self._lines = b"\r\n".join(line for line in self._lines.split(b"\r\n") if not line.startswith(beginning))

    def interruption(self) -> GatewayError:
        """Say why the request was cancelled."""
        if self._connection.disconnected:
            return ClientCanceled("The client left before the reply was complete.")
        return ProviderUnavailable(
            "The server is restarting; try again in a moment.", code="restarting", retry_after_s=2
        )

    def keep_alive(self, sign_of_life: bytes) -> None:
        """Answer as a stream, with a sign of life whenever nothing else was sent for `keepalive_s`."""
        self._sign_of_life = sign_of_life
        self._loop = loop = asyncio.get_running_loop()
        self._last_write = loop.time()
        self._timer = loop.call_later(self._keepalive_s, self._tick)

    async def write(self, data: bytes) -> None:
        """Send bytes of a stream."""
        if self._sign_task is not None:
            await asyncio.wait({self._sign_task})
        await self._send_part(data)

    async def finish(self, data: bytes) -> None:
        """Send the last bytes of a stream."""
        await self._end()
        if not self._started:
            await self._start_stream()
        await self._send({"type": "http.response.body", "body": data})

    def reply(self, body: bytes) -> Coroutine[object, object, None]:
        """Send a whole JSON answer with status 200."""
        return self._send_at_once(200, _JSON_LINE, body)

    async def begin(self, size: int) -> None:
        """Begin a JSON answer of so many bytes with status 200; `write` and `finish` send them."""
        self._is_sized = True
        headers = (JSON, (b"content-length", b"%d" % size))
        lines = self._begin(200, b"")
        await self._send({"type": "http.response.start", "status": 200, "headers": headers, "lines": lines})

    async def send_whole(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a whole answer; its length is added."""
        await self._send_at_once(status, render_lines(headers), body)

    async def send_empty(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send an answer that has no body by its status: 204, 304."""
        await self._send_at_once(status, render_lines(headers), b"")

    async def fail(self, error: GatewayError) -> None:
        """Send an error: as an HTTP status before the first byte, as the dialect's error event after it."""
        if self._finished:
            return
        await self._end()
        self._trace.status, self._trace.code = error.status, error.code
        request_id = self._trace.request_id
        if self._is_sized:
            raise error  # nothing fits behind a body whose length is said: the edge cuts the connection off
        if self._started:
            event = self.dialect.render_stream_error(error, request_id, self._trace.reply_id)
            await self._send({"type": "http.response.body", "body": event})
            return
        headers = (JSON, *retry_headers(error), *error.headers)
        await self.send_whole(error.status, headers, self.dialect.render_error(error, request_id))

    def abandon(self) -> None:
        """Stop the signs of life of a response that nobody reads any more."""
        self._finish()
        if self._sign_task is not None:
            self._sign_task.cancel()

    def _begin(self, status: int, lines: bytes) -> bytes:
        """Note that the answer begins now; returns all its header lines."""
        self._started = True
        trace = self._trace
        trace.status = status
        request_id = trace.request_id.encode()
        upstream_s = trace.upstream_s
        trace.own_s = own_s = trace.elapsed_s() - upstream_s
        begun = _IDS % (request_id, request_id, own_s * 1000)
        if trace.attempts:
            begun += _UPSTREAM_TIME % (upstream_s * 1000)
        if self.cross_origin:
            lines += render_lines(self.cross_origin)
        return begun + lines + self._lines

    async def _send_at_once(self, status: int, lines: bytes, body: bytes) -> None:
        self._finish()
        if self._sign_task is not None:
            await asyncio.wait({self._sign_task})
        await self._send({"type": WHOLE, "status": status, "lines": self._begin(status, lines), "body": body})

    async def _start_stream(self) -> None:
        lines = self._begin(200, _STREAM_LINES)
        await self._send({"type": "http.response.start", "status": 200, "headers": (), "lines": lines})

    async def _send_part(self, data: bytes) -> None:
        if not self._started:
            await self._start_stream()
        if self._loop is not None:
            self._last_write = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end(self) -> None:
        """Make way for the last bytes: a sign of life that waits for a slow reader goes first, none comes after it."""
        self._finish()
        if self._sign_task is not None:
            await asyncio.wait({self._sign_task})

    def _finish(self) -> None:
        self._finished = True
        self._trace.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = self._loop
        assert loop is not None
        silent_s = loop.time() - self._last_write
        wait_s = self._keepalive_s - silent_s
        if wait_s <= 0:
            wait_s = self._keepalive_s
            if self._sign_task is None:
                self._sign_task = loop.create_task(self._show_life())
        self._timer = loop.call_later(wait_s, self._tick)

    async def _show_life(self) -> None:
        """Send a sign of life, in a task of its own because the request's task waits for the upstream."""
        try:
            if not self._finished:
                await self._send_part(self._sign_of_life)
        finally:
            self._sign_task = None


def retry_headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """Give the headers that say when, and whether, to try again."""
    headers = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, whole_seconds(error.retry_after_s))))
    if error.should_not_retry:
        headers.append((b"x-should-retry", b"false"))
    return headers
