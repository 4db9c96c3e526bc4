"""One connection to Redis: commands of one turn of the loop go out in one write, answers come back in their order.

redis-py spends 87 us of CPU on the two calls of a request, most of it on tasks, locks and retries per call; here a
call costs a future and a callback. RESP3 lets published messages come in between on the same connection.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import hiredis

from freetheai_gateway.limits.redis.script import Word, pack
from freetheai_gateway.limits.redis.settings import RedisTarget

_SECOND_LOOK_S: Final = 0.05
_NOTHING: Final = object()


class RedisAway(Exception):
    """Redis did not answer, or with an error. `reason` is a word for the log: no text of the server's."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis is away: {reason}")
        self.reason = reason


class RedisRefused(RedisAway):
    """Redis answered with an error: it is loading, its memory is full, the password is wrong."""


OnReply: TypeAlias = Callable[[object], None]
"""Is given the answer, or a `RedisAway`."""


class RedisConnection(asyncio.Protocol):
    """Sends packed commands. Every error that Redis answers ends the connection: it can't be one command's fault.

    `on_message` is given the payloads of the subscribed channel, `on_lost` the reason, once.
    """

    def __init__(
        self, deadline_s: float, on_message: Callable[[bytes], None], on_lost: Callable[["RedisConnection"], None]
    ) -> None:
        self.lost: RedisAway | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline_s = deadline_s
        self._on_message = on_message
        self._on_lost = on_lost
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._pending: deque[OnReply] = deque()
        self._answered = 0
        self._sent = 0
        self._writes: deque[tuple[int, float]] = deque()
        """How many commands had been sent after each write, and when: what the deadline looks at."""
        self._alarm: asyncio.TimerHandle | None = None

    def send(self, command: bytes, on_reply: OnReply) -> None:
        """Send a command at the end of this turn of the loop; `on_reply` is called in every case."""
        if self.lost is not None:
            on_reply(self.lost)
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command)
        self._pending.append(on_reply)

    async def call(self, *words: Word) -> object:
        """Send one command and wait for its answer. Raises `RedisAway`."""
        turn: asyncio.Future[object] = self._loop.create_future()
        self.send(pack(*words), lambda reply: None if turn.done() else turn.set_result(reply))
        reply = await turn
        if isinstance(reply, RedisAway):
            raise reply
        return reply

    def subscribe(self, channel: str) -> None:
        """Listen to a channel; RESP3 confirms with a message and not with an answer."""
        assert self._transport is not None
        self._transport.write(pack("SUBSCRIBE", channel))

    def close(self, why: RedisAway | None = None) -> None:
        """End the connection; whoever waits for an answer is told why."""
        if self.lost is None:
            self.lost = why or RedisAway("closed")
            if self._alarm is not None:
                self._alarm.cancel()
            if self._transport is not None:
                self._transport.abort()
            pending, self._pending = self._pending, deque()
            for on_reply in pending:
                on_reply(self.lost)
            self._on_lost(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell everyone."""
        self.close(RedisAway("connection lost"))

    def data_received(self, data: bytes) -> None:
        """Give every answer to whom it belongs."""
        reader = self._reader
        try:
            reader.feed(data)
            while self.lost is None and (reply := reader.gets()) is not _NOTHING:
                self._dispatch(reply)
        except hiredis.ProtocolError:
            self.close(RedisAway("protocol error"))

    def _dispatch(self, reply: object) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if len(reply) == 3 and reply[0] == b"message":
                self._on_message(reply[2])
        elif isinstance(reply, hiredis.ReplyError):
            self.close(RedisRefused(_first_word(str(reply))))
        elif not self._pending:
            self.close(RedisAway("protocol error"))
        else:
            self._answered += 1
            self._pending.popleft()(reply)

    def _flush(self) -> None:
        outgoing = self._outgoing
        self._outgoing = []
        if self.lost is not None or self._transport is None:
            return
        self._transport.write(b"".join(outgoing))
        self._sent += len(outgoing)
        self._writes.append((self._sent, self._loop.time()))
        if self._alarm is None:
            self._alarm = self._loop.call_later(self._deadline_s, self._look, False)

    def _look(self, again: bool) -> None:  # noqa: FBT001 (a callback of the loop takes no names)
        """See whether the oldest write is answered; what waits in the socket is read before a second look."""
        self._alarm = None
        writes = self._writes
        while writes and writes[0][0] <= self._answered:
            writes.popleft()
        if not writes:
            return
        left_s = writes[0][1] + self._deadline_s - self._loop.time()
        if left_s > 0:
            self._alarm = self._loop.call_later(left_s, self._look, False)
        elif again:
            self.close(RedisAway("deadline"))
        else:
            self._alarm = self._loop.call_later(_SECOND_LOOK_S, self._look, True)


async def connect(
    target: RedisTarget,
    deadline_s: float,
    channel: str,
    on_message: Callable[[bytes], None],
    on_lost: Callable[[RedisConnection], None],
    *,
    script: bytes,
) -> RedisConnection:
    """Open a connection that knows `script` and listens to `channel`. Raises `RedisAway`."""
    connection = RedisConnection(deadline_s, on_message, on_lost)
    try:
        async with asyncio.timeout(max(1.0, 4 * deadline_s)):
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                target.host,
                target.port,
                ssl=ssl.create_default_context() if target.tls else None,
            )
            await _greet(connection, target, script)
            connection.subscribe(channel)
    except BaseException as error:
        connection.close()
        if isinstance(error, TimeoutError):
            raise RedisAway("deadline") from None
        if isinstance(error, OSError):
            raise RedisAway(type(error).__name__) from None
        raise
    return connection


async def _greet(connection: RedisConnection, target: RedisTarget, script: bytes) -> None:
    who = ("AUTH", target.username or "default", target.password) if target.password else ()
    await connection.call("HELLO", 3, *who)
    if target.database:
        await connection.call("SELECT", target.database)
    await connection.call("SCRIPT", "LOAD", script)


def _first_word(text: str) -> str:
    """Take the kind of an error, such as `OOM`: the words after it are the server's."""
    word = text.partition(" ")[0]
    return word if word.isalpha() and word.isupper() else "error"
