"""One request and its response: the ASGI side of a connection."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from freetheai_gateway.errors import RequestTimeout
from freetheai_gateway.web.edge.connection import SCOPE_EXTENSION, EdgeConnection
from freetheai_gateway.web.edge.response_head import (
    CHUNKED,
    CLOSE,
    CONTINUE,
    END,
    LAST_CHUNK,
    WHOLE,
    ResponseMisuse,
    render_lines,
)

Message = MutableMapping[str, Any]

_BODILESS = frozenset({204, 304})
"""Statuses whose responses end with their head (RFC 9110 sections 15.3.5 and 15.4.5)."""

App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Channel(Protocol):
    """What an exchange needs of the connection that it is on."""

    flow: FlowControl

    def begin_head(self, status: int) -> bytes:
        """Render the status line and the headers of every response."""
        ...

    def write(self, data: bytes) -> None:
        """Send to the client."""
        ...

    def resume_reading(self) -> None:
        """Take note that the exchange has room for more of its body."""
        ...

    def expect(self) -> None:
        """Take note that the exchange has begun or ceased to wait for its body."""
        ...

    def exchange_over(self, exchange: "Exchange") -> None:
        """Go on with what comes after a complete response."""
        ...

    def task_ends(self, task: asyncio.Task[None]) -> None:
        """Take note that the task of an exchange has nothing more to do."""
        ...

    def exchange_failed(self, exchange: "Exchange", raised: BaseException) -> None:
        """Make up for an app that ended without completing its response."""
        ...


class Exchange:
    """Runs the app for one request. `receive` and `send` are ASGI's, with the edge's additions:

    - `receive` raises `RequestTimeout` once the body has made no progress while it was waited for. An app that
      lets it through has it rendered by the edge.
    - `send` says `connection: close` when the response begins before the request is complete.
    - `send` to a client that has left does nothing.
    - `send` takes a whole response as one message (`response_head.WHOLE`), and finished header `lines` beside the
      `headers` of a response's start.
    """

    __slots__ = (
        "_body",
        "_body_is_late",
        "_bytes_left",
        "_channel",
        "_chunked",
        "_expects_continue",
        "_flow",
        "_has_news",
        "_held_head",
        "_is_asked",
        "_news",
        "buffered_bytes",
        "connection",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
        "waits_for_body",
    )

    def __init__(self, channel: Channel, scope: Message, *, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.task: asyncio.Task[None] | None = None
        """In which `run` runs."""
        self.connection = EdgeConnection()
        scope["extensions"] = {SCOPE_EXTENSION: self.connection}
        self.keep_alive = keep_alive
        self.disconnected = False
        self.more_body = True
        self.buffered_bytes = 0
        self.waits_for_body = False
        self.response_started = False
        self.response_complete = False
        self._channel = channel
        self._flow = channel.flow
        self._expects_continue = expects_continue
        self._body: list[bytes] = []
        self._has_news = False
        self._news: asyncio.Event | None = None
        self._body_is_late = False
        self._is_asked = False
        """Whether the app has called `receive`; until then a body that is complete can be taken in one piece."""
        self._chunked = False
        self._held_head = b""
        """Goes out with the first part of the body: every write is a system call of its own."""
        self._bytes_left: int | None = 0
        """Of the response's declared length; `None` where the end of the connection is the end of the body."""

    @property
    def response_begun(self) -> bool:
        """Whether anything of the response has gone out, so that no other can take its place."""
        return self.response_started and not self._held_head

    # --- from the connection ---

    def feed(self, body: bytes) -> None:
        """Take body bytes."""
        self._body.append(body)
        self.buffered_bytes += len(body)
        self._wake()

    def finish(self) -> None:
        """Take the end of the request."""
        self.more_body = False
        if not (self._expects_continue or self._is_asked):
            body = self._body
            self.connection.whole_body = body[0] if len(body) == 1 else b"".join(body)
            body.clear()
            self.buffered_bytes = 0
        self._wake()

    def give_up_body(self) -> None:
        """Let `receive` raise: the body has not moved for too long."""
        self._body_is_late = True
        self._wake()

    def drop(self) -> None:
        """Let whatever the app still sends go nowhere."""
        self.disconnected = True
        self._wake()

    def disconnect(self) -> None:
        """Drop, and tell the app that its client has left."""
        self.drop()
        self.connection.lose()

    async def run(self, app: App) -> None:
        """Call the app; no exception leaves."""
        try:
            if not self.disconnected:  # it is where the parser refused it right after its head
                await app(self.scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - the channel logs and answers it
            self._channel.exchange_failed(self, raised)
        else:
            if not (self.response_complete or self.disconnected):
                self._channel.exchange_failed(self, ResponseMisuse("the response was not completed"))
        finally:
            if self.task is not None:
                self._channel.task_ends(self.task)
                self.task = None

    def _wake(self) -> None:
        self._has_news = True
        if self._news is not None:
            self._news.set()

    # --- from the app ---

    async def receive(self) -> Message:
        """Wait for body bytes, the end of the body or the end of the exchange. Raises `RequestTimeout`."""
        self._is_asked = True
        if self._expects_continue:
            self._expects_continue = False
            if self.more_body and not self._body and not self.disconnected:
                self._channel.write(CONTINUE)
        while not (self._has_news or self.disconnected or self.response_complete):
            await self._wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self._body_is_late:
            raise RequestTimeout("The body of the request stopped arriving; send it again.")
        body = (self.connection.whole_body or b"") + b"".join(self._body)
        self.connection.whole_body = None
        self._body.clear()
        self.buffered_bytes = 0
        self._has_news = False
        self._channel.resume_reading()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def _wait(self) -> None:
        if self._news is None:
            self._news = asyncio.Event()
        self._news.clear()
        self.waits_for_body = self.more_body
        self._channel.expect()
        try:
            await self._news.wait()
        finally:
            self.waits_for_body = False
            self._channel.expect()

    async def send(self, message: Message) -> None:
        """Send the head or a part of the body; waits while the client reads too slowly."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == WHOLE and not self.response_started:
            self._send_whole(message["status"], message["lines"], message["body"])
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), more_body=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._send_head(message["status"], message.get("headers", ()), message.get("lines", b""))
        else:
            raise ResponseMisuse(f"{kind} is out of turn")

    def _send_whole(self, status: int, lines: bytes, body: bytes) -> None:
        head = self._channel.begin_head(status) + lines
        if status not in _BODILESS:
            head += b"\r\ncontent-length: %d" % len(body)
            if self.scope["method"] == "HEAD":
                body = b""
        elif body:
            raise ResponseMisuse("the status allows no body")
        if self.more_body:
            self.keep_alive = False
        if not self.keep_alive:
            head += CLOSE
        self.response_started = True
        self._expects_continue = False
        self._channel.write(head + END + body)
        self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self._wake()
        self._channel.exchange_over(self)

    def _send_head(self, status: int, headers: Iterable[tuple[bytes, bytes]], lines: bytes) -> None:
        framing: dict[bytes, bytes] = {}
        head = self._channel.begin_head(status) + render_lines(headers, framing) + lines
        if self.more_body or b"close" in framing.get(b"connection", b"").lower():
            self.keep_alive = False
        length = framing.get(b"content-length")
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._bytes_left = 0
        elif length is not None:
            self._bytes_left = int(length)
        else:
            self._bytes_left = None
            self._chunked = self.scope["http_version"] == "1.1"  # HTTP/1.0 knows no chunks (RFC 9112 section 6.1)
            if self._chunked and b"transfer-encoding" not in framing:
                head += CHUNKED
        if not self.keep_alive and b"connection" not in framing:
            head += CLOSE
        self.response_started = True
        self._expects_continue = False
        self._held_head = head + END

    def _send_body(self, body: bytes, *, more_body: bool) -> None:
        if self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more_body:
                body += LAST_CHUNK
        elif self.scope["method"] == "HEAD":
            body = b""
        elif self._bytes_left is not None:
            self._bytes_left -= len(body)
            if self._bytes_left < 0:
                raise ResponseMisuse("the body is longer than its content-length")
        if self._held_head:
            body, self._held_head = self._held_head + body, b""
        if body:
            self._channel.write(body)
        if more_body:
            return
        if self._bytes_left:
            raise ResponseMisuse("the body is shorter than its content-length")
        self._complete()
