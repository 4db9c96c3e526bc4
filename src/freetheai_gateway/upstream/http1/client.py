"""The relay client: `UpstreamClient` over a pool of our own HTTP/1.1 connections.

It reads no proxy from the environment, follows no redirect and decompresses nothing.
"""

import asyncio
import ssl

from freetheai_gateway.outbox import Outbox
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamFailed, UpstreamRequest
from freetheai_gateway.upstream.http1.connection import Connection, Reply
from freetheai_gateway.upstream.http1.dialing import dial
from freetheai_gateway.upstream.http1.framing import render_request
from freetheai_gateway.upstream.http1.pool import IdlePool, PoolLimits

_DEFAULT_LIMITS = PoolLimits()


class Http1Client:
    """Implements `UpstreamClient`; belongs to one event loop.

    `tls` is for upstreams with a private authority; by default the system's authorities are trusted. Requests are
    sent through `outbox`.
    """

    def __init__(
        self,
        limits: PoolLimits = _DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._limits = limits
        self._tls = tls or ssl.create_default_context()
        self._pool: IdlePool[Connection] = IdlePool(limits)
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] | None = None
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._outbox = outbox

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; kept, because to ask for it is a system call."""
        if self._own_loop is None:
            self._own_loop = asyncio.get_running_loop()
        return self._own_loop

    @property
    def open_connections(self) -> int:
        """Connections that are open, idle ones included."""
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        """Connections that wait for a request."""
        return len(self._pool)

    async def send(self, request: UpstreamRequest) -> Reply:
        """Send and wait for the head of the reply.

        Raises `UpstreamFailed`, and `UnsendableRequest` before anything is sent. Cancelling closes the connection.
        """
        head = render_request(request)
        loop = self._own_loop or self._loop
        now = loop.time()
        total_at = now + request.timeouts.total_s
        connection = self._pool.take(request.origin, now)
        while connection is not None and not connection.is_open:
            connection = self._pool.take(request.origin, now)
        if connection is not None:
            try:
                return await connection.exchange(request, head, total_at)
            except UpstreamFailed as failed:
                # A server may close an idle connection at the very moment we write to it, and a close without a
                # byte of reply is what that looks like (RFC 9112 section 9.3.1). So the request is sent once more,
                # on a new connection where this can't happen; a fresh connection's failure is never repeated. The
                # news takes one round trip: a close that comes later may be a server that died at work on it.
                is_race = failed.failure is Failure.CLOSED and failed.phase is Phase.SENT
                if not is_race or loop.time() - now > self._limits.race_s:
                    raise
        connection = await self._connect(request.origin, now + request.timeouts.connect_s, total_at)
        return await connection.exchange(request, head, total_at)

    async def aclose(self) -> None:
        """Close what is idle and abort what is not; returns when all of it is gone."""
        if self._closed is None:
            self._closed = self._loop.create_future()
            if self._sweep is not None:
                self._sweep.cancel()
            for connection in tuple(self._open):
                connection.abort()
            self._settle_if_closed()
        await asyncio.shield(self._closed)

    async def _connect(self, origin: Origin, connect_at: float, total_at: float) -> Connection:
        loop = self._loop
        if self._outbox is None:
            self._outbox = Outbox(loop.call_soon)
        connection = Connection(origin, loop, self._on_free, self._on_lost, self._outbox)
        await dial(connection, self._tls, connect_at=connect_at, total_at=total_at)
        if self._closed is not None or not connection.is_open:
            connection.abort()
            raise UpstreamFailed(Failure.CLOSED, Phase.CONNECT)
        self._open.add(connection)
        return connection

    def _on_free(self, connection: Connection) -> None:
        loop = self._loop
        surplus = self._pool.put(connection.origin, connection, loop.time())
        if surplus is not None:
            surplus.abort()
        if self._sweep is None:
            self._sweep = loop.call_later(self._limits.idle_s, self._close_expired)

    def _on_lost(self, connection: Connection) -> None:
        self._pool.remove(connection.origin, connection)
        self._open.discard(connection)
        self._settle_if_closed()

    def _close_expired(self) -> None:
        loop = self._loop
        for connection in self._pool.expire(loop.time()):
            connection.abort()
        self._sweep = loop.call_later(self._limits.idle_s, self._close_expired) if self._pool else None

    def _settle_if_closed(self) -> None:
        if self._closed is not None and not self._open and not self._closed.done():
            self._closed.set_result(None)
