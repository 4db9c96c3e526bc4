"""One connection to an upstream and the exchange that runs on it.

What keeps it cheap: no task and no `asyncio.timeout` per request, one future for a wait however many reads it spans,
and one timer per connection that is moved only when it would ring too late. A timer that rings early looks whether
the deadline has really passed and goes to sleep again; so deadlines cost next to nothing per chunk.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from math import inf
from typing import cast

from freetheai_gateway.outbox import Outbox
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamFailed, UpstreamRequest
from freetheai_gateway.upstream.http1.framing import MalformedReply, ReplyParser

HIGH_WATER_BYTES = 256 * 1024
"""Reading from the peer stops while more than this waits to be read; one read of the socket may come on top."""
JOIN_BYTES = 64 * 1024
"""Bodies up to this size go out in one write with the head: copying them is cheaper than a second packet."""


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time.

    `on_free` is called when it may be used again, `on_lost` when it is gone for good.
    """

    def __init__(
        self,
        origin: Origin,
        loop: asyncio.AbstractEventLoop,
        on_free: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
        outbox: Outbox,
    ) -> None:
        self.origin = origin
        self.parser = ReplyParser()
        self._loop = loop
        self._on_free = on_free
        self._on_lost = on_lost
        self._outbox = outbox
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._paused = False
        self._body_begun = False
        self._failure: UpstreamFailed | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = inf
        self._total_at = self._content_at = self._wait_at = self._idle_s = inf

    @property
    def is_open(self) -> bool:
        """Whether a request could be written now."""
        return self._failure is None and self._transport is not None and not self._transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; replaced once TLS runs inside it."""
        assert self._transport is not None
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    # The exchange.

    async def exchange(self, request: UpstreamRequest, head: bytes, total_at: float) -> "Reply":
        """Send a request and wait for the head of its reply; `total_at` is a time of the loop.

        Raises `UpstreamFailed`, and closes the connection then and when cancelled.
        """
        self._total_at = total_at
        if total_at < self._alarm_at:
            self._set_alarm(total_at)
        if request.streamed:
            now = self._loop.time()
            self._wait_at = now + request.timeouts.first_byte_s
            self._content_at = now + request.timeouts.first_content_s
            self._idle_s = request.timeouts.idle_s
        else:
            self._content_at = self._wait_at = self._idle_s = inf
        self._write_request(request.method, head, request.body)
        while not self.parser.head_complete:
            await self.wait()
        return Reply(self)

    async def request_head(self, method: str, head: bytes, body: bytes = b"") -> None:
        """Write a request and wait until the head of the reply is parsed. Raises `UpstreamFailed`."""
        self._write_request(method, head, body)
        while not self.parser.head_complete:
            await self.wait()

    def _write_request(self, method: str, head: bytes, body: bytes) -> None:
        self.parser.begin(method)
        self._busy = True
        self._body_begun = False
        transport, put = self.transport, self._outbox.put
        if len(body) <= JOIN_BYTES:
            put(transport, head + body)
        else:
            put(transport, head)
            put(transport, body)

    async def wait(self) -> None:
        """Wait until something of the reply, its end or a failure arrived. Raises the failure."""
        if self._failure is not None:
            raise self._failed_anew()
        if self._body_begun and self._idle_s != inf:
            self._wait_at = self._loop.time() + self._idle_s
        wait_at = min(self._content_at, self._wait_at)
        if wait_at < self._alarm_at:
            self._set_alarm(wait_at)
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _failed_anew(self) -> UpstreamFailed:
        """Make the failure that is raised: the one that is kept would know the frames that know this connection."""
        failure = self._failure
        assert failure is not None
        return UpstreamFailed(failure.failure, failure.phase, failure.errno)

    def take(self) -> bytes:
        """Take the body bytes that have arrived."""
        self._body_begun = True
        if self._paused:
            self._paused = False
            if self.is_open:
                self.transport.resume_reading()
        return self.parser.take()

    def content_came(self) -> None:
        """Wait for the first content no longer."""
        self._content_at = inf

    def end_exchange(self) -> None:
        """Free the connection if reply and request are through and the peer keeps it open, else close it."""
        parser = self.parser
        if (
            parser.complete
            and parser.reusable
            and self._waiter is None
            and not self._paused
            and self.is_open
            and not self.transport.get_write_buffer_size()
        ):
            self._busy = False
            self._on_free(self)
        else:
            self.abort()

    def leave_tunnel(self) -> None:
        """Make ready for the first exchange after CONNECT; the parser of the proxy's reply is spent."""
        self._busy = False
        self.parser.retire()
        self.parser = ReplyParser()

    def abort(self) -> None:
        """Close at once, without flushing; an exchange that runs fails with `CLOSED`. May be called twice."""
        self._fail(Failure.CLOSED)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse, and wake whoever waits."""
        if not self._busy:  # nobody asked for anything: a late 408, or an attempt to poison the next reply
            self.abort()
            return
        parser = self.parser
        try:
            parser.feed(data)
        except MalformedReply:
            self._fail(Failure.PROTOCOL)
            return
        waiter = self._waiter
        if waiter is not None and parser.head_complete and not waiter.done():
            waiter.set_result(None)
        if parser.buffered_bytes > HIGH_WATER_BYTES and not self._paused and not parser.complete:
            self._paused = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange: cleanly if the reply's body ends with the connection, else as `CLOSED`."""
        ended_cleanly = exc is None and self._busy and self._failure is None and self.parser.feed_eof()
        if self._failure is None and not ended_cleanly:
            self._failure = UpstreamFailed(Failure.CLOSED, self._phase, os_errno(exc))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = 0.0  # nothing may be armed any more
        self.parser.retire()
        self._wake()
        self._on_lost(self)

    # Deadlines and failures.

    @property
    def _phase(self) -> Phase:
        if self.parser.head_complete:
            return Phase.BODY
        return Phase.HEAD if self.parser.started else Phase.SENT

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._alarm_at = inf
        if not self._busy:
            return
        waits = self._waiter is not None and not self._waiter.done()
        # A reader that does not ask is slow itself: only the total holds against it.
        due = min(self._wait_at, self._content_at, self._total_at) if waits else self._total_at
        if self._loop.time() < due:
            self._set_alarm(due)
        elif due == self._total_at:
            self._fail(Failure.TOTAL_TIMEOUT)
        elif due == self._content_at:
            self._fail(Failure.CONTENT_TIMEOUT)
        else:
            self._fail(Failure.IDLE_TIMEOUT if self._body_begun else Failure.HEAD_TIMEOUT)

    def _fail(self, failure: Failure) -> None:
        if self._failure is None:
            self._failure = UpstreamFailed(failure, self._phase)
        self.parser.retire()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Reply:
    """Implements `UpstreamReply`; after `close` it has no hold on the connection, which may serve someone else."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status: int = connection.parser.status
        self.headers: Sequence[tuple[bytes, bytes]] = connection.parser.headers

    @property
    def at_end(self) -> bool:
        """Whether all of the body was taken."""
        connection = self._connection
        return connection is None or (connection.parser.complete and not connection.parser.chunks)

    async def read(self) -> bytes:
        """Wait for body bytes and take all that have arrived; `b""` at the clean end. Raises `UpstreamFailed`."""
        connection = self._connection
        if connection is None:
            raise UpstreamFailed(Failure.CLOSED, Phase.BODY)
        parser = connection.parser
        while not parser.chunks:
            if parser.complete:
                return b""
            await connection.wait()
        return connection.take()

    def content_came(self) -> None:
        """Note that the first content was read."""
        if self._connection is not None:
            self._connection.content_came()

    def close(self) -> None:
        """Give the connection back if the reply is complete, else abort it."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.end_exchange()


def os_errno(error: BaseException | None) -> int | None:
    """Read the operating system's error number; what TLS keeps in that place is none."""
    return error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
