"""One ASGI call as a test sees it: a scope, a client that sends and leaves, and everything that it was sent."""

import asyncio
from collections.abc import Callable, Sequence

from freetheai_gateway.services.limit_headers import split_lines
from freetheai_gateway.testing.ports import Pause
from freetheai_gateway.web.asgi import EXTENSION
from freetheai_gateway.web.edge.response_head import WHOLE
from freetheai_gateway.web.request import Message, Request, Scope


class FakeConnection:
    """Implements `web.request.Connection`."""

    def __init__(self) -> None:
        self.disconnected = False
        self.whole_body: bytes | None = None
        self._callback: Callable[[], None] | None = None

    def on_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Keep the callback."""
        self._callback = callback

    def leave(self) -> None:
        """Let the client leave."""
        self.disconnected = True
        if self._callback is not None:
            self._callback()


class Client:
    """The client's side of one request. `parts` are the pieces of the body; a `Pause` among them holds the next.

    `reads` may be cleared to be a client that takes nothing: `send` then waits, like the edge's. As there, a client
    that has left is sent nothing more, and a message out of turn is an error.
    """

    def __init__(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        headers: Sequence[tuple[bytes, bytes]] = (),
        parts: Sequence[bytes | Pause] = (b"",),
        *,
        query: bytes = b"",
        peer: str = "",
    ) -> None:
        self.connection = FakeConnection()
        self.reads = asyncio.Event()
        self.reads.set()
        self.takes_one = False
        """Each message that is taken clears `reads`."""
        self.sent: list[Message] = []
        self.asked = asyncio.Event()
        """Set when a message is about to be sent, taken or not."""
        self.got = asyncio.Event()
        """Set at every message; a test clears it and waits for the next."""
        self._method = method
        self._path = path
        self._headers = list(headers)
        self._parts = list(parts)
        self._query = query
        self._peer = peer

    @property
    def scope(self) -> Scope:
        """The request as the edge describes it."""
        return {
            "type": "http",
            "method": self._method,
            "path": self._path,
            "query_string": self._query,
            "headers": self._headers,
            "client": (self._peer, 1) if self._peer else None,
            "extensions": {EXTENSION: self.connection},
        }

    @property
    def request(self) -> Request:
        """The request as handlers see it."""
        return Request(self._method, self._path, self._query, self._headers, self.receive, self.connection, self._peer)

    @property
    def status(self) -> int:
        """The status of the answer; 0 where none came."""
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the answer."""
        return dict(split_lines(self.sent[0]["lines"])) if self.sent else {}

    @property
    def body(self) -> bytes:
        """What came of the body so far."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        """Whether the answer has ended."""
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)

    async def receive(self) -> Message:
        """Give the next part of the body; after the last one, or once the client has left, its disconnect."""
        while self._parts and not self.connection.disconnected:
            part = self._parts.pop(0)
            if isinstance(part, Pause):
                await part.hold()
            else:
                return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message."""
        self.asked.set()
        await self.reads.wait()
        if self.connection.disconnected:
            return
        expected = "http.response.body" if self.sent else "http.response.start"
        if message["type"] == WHOLE and not self.sent:
            self.sent += _in_two(message)
        elif message["type"] != expected or self.complete:
            raise RuntimeError(f"{message['type']} is out of turn")
        else:
            self.sent.append(message)
        self.got.set()
        if self.takes_one:
            self.reads.clear()


def _in_two(message: Message) -> tuple[Message, Message]:
    """Give a whole response as the two messages of ASGI; the edge adds the length where the status has a body."""
    status, lines, body = message["status"], message["lines"], message["body"]
    if status not in {204, 304}:
        lines += b"\r\ncontent-length: %d" % len(body)
    return (
        {"type": "http.response.start", "status": status, "headers": (), "lines": lines},
        {"type": "http.response.body", "body": body},
    )
