"""Opening a connection: resolve, connect, tunnel through a proxy, TLS. Every failure says in which phase."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from aiohappyeyeballs import AddrInfoType, start_connection

from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamFailed
from freetheai_gateway.upstream.http1.connection import Connection, os_errno
from freetheai_gateway.upstream.http1.framing import render_connect

NEXT_ADDRESS_S = 0.25
"""After this long without an answer the next address is tried beside the first (RFC 8305 section 5)."""


async def dial(connection: Connection, tls: ssl.SSLContext, *, connect_at: float, total_at: float) -> None:
    """Open `connection` to its origin before either deadline, times of the loop.

    Raises `UpstreamFailed`; then, and when cancelled, nothing stays open.
    """
    opening = _Opening(connection, tls)
    try:
        async with asyncio.timeout_at(min(connect_at, total_at)):
            await opening.run()
    except BaseException as error:
        connection.abort()
        if isinstance(error, TimeoutError):  # ours: the operating system's is an OSError that was mapped below
            failure = Failure.TOTAL_TIMEOUT if total_at <= connect_at else Failure.CONNECT_TIMEOUT
            raise UpstreamFailed(failure, opening.phase) from None
        raise


class _Opening:
    """The steps, and how far they came."""

    def __init__(self, connection: Connection, tls: ssl.SSLContext) -> None:
        self.phase = Phase.RESOLVE
        self._connection = connection
        self._origin = connection.origin
        self._tls = tls
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        origin = self._origin
        proxy = _proxy(origin) if origin.proxy else None
        host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (origin.host, origin.port)
        addresses = await self._resolve(host, port)
        self.phase = Phase.CONNECT
        await self._connect(addresses)
        if proxy:
            await self._tunnel(proxy)
        if origin.scheme == "https":
            self.phase = Phase.TLS
            await self._secure()

    async def _resolve(self, host: str, port: int) -> Sequence[AddrInfoType]:
        with suppress(socket.gaierror, UnicodeError):  # an IP literal needs no name server and no thread
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        try:
            addresses = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name by the rules of IDNA
            raise UpstreamFailed(Failure.RESOLVE, Phase.RESOLVE, os_errno(error)) from None
        return addresses

    async def _connect(self, addresses: Sequence[AddrInfoType]) -> None:
        try:
            connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=self._loop)
        except (OSError, RuntimeError) as error:  # RuntimeError: what uvloop may raise in its place
            raise UpstreamFailed(Failure.REFUSED, Phase.CONNECT, os_errno(error)) from None
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.create_connection(lambda: self._connection, sock=connected)
        except BaseException as error:
            connected.close()
            if isinstance(error, OSError):
                raise UpstreamFailed(Failure.REFUSED, Phase.CONNECT, os_errno(error)) from None
            raise

    async def _tunnel(self, proxy: SplitResult) -> None:
        username, password = (part and unquote(part) for part in (proxy.username, proxy.password))
        try:
            await self._connection.request_head("CONNECT", render_connect(self._origin, username, password))
        except UpstreamFailed as failed:
            # The request itself has not been sent, so the phase of the proxy's exchange would mislead.
            raise UpstreamFailed(Failure.PROXY, Phase.CONNECT, failed.errno) from None
        if not 200 <= self._connection.parser.status < 300:
            raise UpstreamFailed(Failure.PROXY, Phase.CONNECT)
        self._connection.leave_tunnel()

    async def _secure(self) -> None:
        connection = self._connection
        try:
            transport = await self._loop.start_tls(
                connection.transport, connection, self._tls, server_hostname=self._origin.host
            )
        except OSError as error:  # ssl.SSLError is one
            raise UpstreamFailed(Failure.TLS, Phase.TLS, os_errno(error)) from None
        if transport is None:  # asyncio's answer where the peer left during the handshake
            raise UpstreamFailed(Failure.TLS, Phase.TLS)
        connection.transport = transport


def _proxy(origin: Origin) -> SplitResult:
    """Take a proxy's URL apart. Raises `UpstreamFailed` unless it is `http://[user:password@]host[:port]`."""
    with suppress(ValueError):
        proxy = urlsplit(origin.proxy)
        if proxy.scheme == "http" and proxy.hostname and proxy.port != 0:
            return proxy
    raise UpstreamFailed(Failure.PROXY, Phase.RESOLVE)
