"""`UpstreamClient` over aiohttp: for what is off the relay, where convenience counts more than CPU time.

It keeps the promises of `upstream.http1` under the same contract suite. aiohttp tells less, so three things are
coarser: what ends a TLS handshake early is reported in phase `connect`; a head that a deadline cuts half-way counts as
`sent`; and a body that breaks the grammar counts as closed, without the bytes before it that were not read yet.
"""

import asyncio
import ssl
from collections.abc import Sequence
from io import BytesIO
from math import inf
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.http import RawResponseMessage
from yarl import URL

from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed, UpstreamRequest
from freetheai_gateway.upstream.http1.framing import MAX_HEAD_BYTES, MAX_HEADERS, authority, render_request

_UNSTATED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add by itself."""

_LARGE_BODY_BYTES = 512 * 1024
"""Larger bodies are written in pieces; aiohttp warns of what one big write does to the loop."""

FAILURES: dict[type[aiohttp.ClientError], tuple[Failure, Phase | None]] = {
    aiohttp.ClientConnectorDNSError: (Failure.RESOLVE, Phase.RESOLVE),
    aiohttp.ClientConnectorError: (Failure.REFUSED, Phase.CONNECT),
    aiohttp.ClientProxyConnectionError: (Failure.REFUSED, Phase.CONNECT),
    UnixClientConnectorError: (Failure.REFUSED, Phase.CONNECT),
    aiohttp.ClientHttpProxyError: (Failure.PROXY, Phase.CONNECT),
    aiohttp.ClientSSLError: (Failure.TLS, Phase.TLS),
    aiohttp.ClientConnectorSSLError: (Failure.TLS, Phase.TLS),
    aiohttp.ClientConnectorCertificateError: (Failure.TLS, Phase.TLS),
    aiohttp.ServerFingerprintMismatch: (Failure.TLS, Phase.TLS),
    aiohttp.ConnectionTimeoutError: (Failure.CONNECT_TIMEOUT, None),
    aiohttp.ServerTimeoutError: (Failure.IDLE_TIMEOUT, None),
    aiohttp.SocketTimeoutError: (Failure.IDLE_TIMEOUT, None),
    aiohttp.ClientConnectionError: (Failure.CLOSED, None),
    aiohttp.ClientConnectionResetError: (Failure.CLOSED, None),
    aiohttp.ClientOSError: (Failure.CLOSED, None),
    aiohttp.ServerConnectionError: (Failure.CLOSED, None),
    aiohttp.ServerDisconnectedError: (Failure.CLOSED, None),
    aiohttp.UploadAbortedError: (Failure.CLOSED, None),
    aiohttp.ClientPayloadError: (Failure.CLOSED, Phase.BODY),
    aiohttp.ClientResponseError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.ContentTypeError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.WSServerHandshakeError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.TooManyRedirects: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.RedirectClientError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.InvalidUrlRedirectClientError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.NonHttpUrlRedirectClientError: (Failure.PROTOCOL, Phase.HEAD),
    aiohttp.InvalidURL: (Failure.PROTOCOL, Phase.RESOLVE),
    aiohttp.InvalidUrlClientError: (Failure.PROTOCOL, Phase.RESOLVE),
    aiohttp.NonHttpUrlClientError: (Failure.PROTOCOL, Phase.RESOLVE),
    aiohttp.ClientError: (Failure.PROTOCOL, None),
}
"""What each error of aiohttp means; no phase = the one that the call had reached."""


RACE_S = 1.0
"""How soon a reused connection's close counts as the race that repeats a request, as in `http1.PoolLimits`."""


class AiohttpClient:
    """Implements `UpstreamClient`; belongs to the event loop of its first request.

    `idle_s` is how long a connection may wait for its next request, `tls` as for `Http1Client`.
    """

    def __init__(self, *, idle_s: float = 30.0, tls: ssl.SSLContext | None = None) -> None:
        self._idle_s = idle_s
        self._tls = tls or ssl.create_default_context()
        self._pooled: aiohttp.ClientSession | None = None
        self._unpooled: aiohttp.ClientSession | None = None

    async def send(self, request: UpstreamRequest) -> "AiohttpReply":
        """Send and wait for the head of the reply.

        Raises `UpstreamFailed`, and `UnsendableRequest` before anything is sent. Cancelling closes the connection.
        """
        render_request(request)  # for its refusals only
        now = asyncio.get_running_loop().time()
        total_at = now + request.timeouts.total_s
        if self._pooled is None:
            self._pooled = self._session(keepalive_timeout=self._idle_s)
        progress = _Progress(request)
        try:
            return await _exchange(self._pooled, request, progress, total_at)
        except UpstreamFailed as failed:
            # The race with a server that closes an idle connection, as in `Http1Client.send`.
            is_race = progress.reused and failed.failure is Failure.CLOSED and failed.phase is Phase.SENT
            if not is_race or asyncio.get_running_loop().time() - now > RACE_S:
                raise
        if self._unpooled is None:
            self._unpooled = self._session(force_close=True)
        return await _exchange(self._unpooled, request, _Progress(request), total_at)

    async def aclose(self) -> None:
        """Close every connection."""
        for session in (self._pooled, self._unpooled):
            if session is not None:
                await session.close()

    def _session(self, **pooling: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, **pooling),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_PromptResponse,
            skip_auto_headers=_UNSTATED,
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEADERS,
            trace_configs=[_trace_config()],
        )


class AiohttpReply:
    """Implements `UpstreamReply`."""

    def __init__(self, response: aiohttp.ClientResponse, progress: "_Progress", total_at: float) -> None:
        self._response = response
        self._progress = progress
        self._total_at = total_at
        self._wait_at = progress.first_byte_at
        self._content_at = progress.content_at
        self._idle_s = progress.request.timeouts.idle_s
        self._streamed = progress.request.streamed
        self._body_begun = False
        self._closed = False
        self._cut_off = False
        self._watch_connection()
        self.status: int = response.status
        self.headers: Sequence[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in response.raw_headers]

    @property
    def at_end(self) -> bool:
        """Whether all of the body was taken, as far as can be told without a read."""
        return self._closed

    async def read(self) -> bytes:
        """Wait for body bytes and take all that have arrived; `b""` at the clean end. Raises `UpstreamFailed`."""
        if self._closed:
            raise UpstreamFailed(Failure.CLOSED, Phase.BODY)
        if self._streamed and self._body_begun:
            self._wait_at = asyncio.get_running_loop().time() + self._idle_s
        try:
            async with asyncio.timeout_at(min(self._wait_at, self._content_at, self._total_at)):
                body = await self._response.content.readany()
        except BaseException as error:
            _abort(self._response)
            if isinstance(error, aiohttp.ClientError):
                raise failure_of(error, Phase.BODY) from None
            if isinstance(error, TimeoutError):
                raise UpstreamFailed(self._late(), Phase.BODY) from None
            raise
        if self._cut_off and not body:
            raise UpstreamFailed(Failure.CLOSED, Phase.BODY)
        self._body_begun = True
        return body

    def content_came(self) -> None:
        """Note that the first content was read."""
        self._content_at = inf

    def _late(self) -> Failure:
        """Name the deadline that passed."""
        if self._total_at <= min(self._wait_at, self._content_at):
            return Failure.TOTAL_TIMEOUT
        if self._content_at < self._wait_at:
            return Failure.CONTENT_TIMEOUT
        return Failure.IDLE_TIMEOUT if self._body_begun else Failure.HEAD_TIMEOUT

    def close(self) -> None:
        """Give the connection back if the reply was read to its end, else abort it."""
        if not self._closed:
            self._closed = True
            if self._response.content.at_eof():
                self._response.release()
            else:
                _abort(self._response)

    def _watch_connection(self) -> None:
        """Look after two ends that aiohttp gets wrong.

        A body that breaks the grammar would leave its reader waiting, and a reset would pass for the clean end of a
        body that ends with its connection.
        """
        protocol = self._response.connection.protocol if self._response.connection is not None else None
        closed = protocol.closed if protocol is not None else None
        if closed is None:  # the reply came whole with its head
            return
        content = self._response.content

        def body_ended() -> None:
            self._cut_off = closed.done() and closed.exception() is not None

        def connection_ended(_: asyncio.Future[None]) -> None:
            closed.exception()  # marked as seen
            if not content.is_eof() and content.exception() is None:
                content.set_exception(aiohttp.ClientPayloadError())

        content.on_eof(body_ended)
        closed.add_done_callback(connection_ended)


class _Progress:
    """How far a call has come; aiohttp's trace signals move it on."""

    def __init__(self, request: UpstreamRequest) -> None:
        self.request = request
        self.phase = Phase.RESOLVE
        self.reused = False
        self.first_byte_at = self.content_at = inf
        self.deadline: asyncio.Timeout | None = None

    def connected(self, *, reused: bool) -> None:
        """Note that the request goes out now; the first byte of a stream is waited for from here on."""
        self.phase = Phase.SENT
        self.reused = reused
        if self.request.streamed and self.deadline is not None:
            now, timeouts = asyncio.get_running_loop().time(), self.request.timeouts
            self.first_byte_at = now + timeouts.first_byte_s
            self.content_at = now + timeouts.first_content_s
            total_at = self.deadline.when()
            assert total_at is not None
            self.deadline.reschedule(min(total_at, self.first_byte_at))


class _PromptResponse(aiohttp.ClientResponse):
    """A response that aborts its connection when its head is no longer waited for, and trusts no early reply.

    aiohttp closes politely: unsent parts of the request are flushed first, and TLS waits for the peer's farewell.
    And it hands a reply that came while the connection idled to the next request.
    """

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Wait for the head; the request was handed to the transport in this very turn of the loop."""
        if connection.protocol.should_close:  # a reply is here already: not to this request
            connection.transport.abort()
            raise aiohttp.ServerDisconnectedError
        try:
            return await super().start(connection)
        except BaseException:
            if connection.transport is not None:
                connection.transport.abort()
            raise


async def _exchange(
    session: aiohttp.ClientSession, request: UpstreamRequest, progress: _Progress, total_at: float
) -> AiohttpReply:
    origin, timeouts = request.origin, request.timeouts
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
    if all(name.lower() != "accept-encoding" for name, _ in headers):
        headers.append(("accept-encoding", "identity"))
    try:
        async with asyncio.timeout_at(total_at) as progress.deadline:
            response = await session.request(
                request.method,
                URL(f"{origin.scheme}://{authority(origin)}{request.target}", encoded=True),
                data=BytesIO(request.body) if len(request.body) > _LARGE_BODY_BYTES else request.body or None,
                headers=headers,
                allow_redirects=False,
                proxy=origin.proxy or None,
                timeout=aiohttp.ClientTimeout(total=None, connect=timeouts.connect_s, sock_connect=None),
                trace_request_ctx=progress,
            )
    except aiohttp.ClientError as error:
        raise failure_of(error, progress.phase) from None
    except TimeoutError:
        failure = Failure.HEAD_TIMEOUT if progress.first_byte_at < total_at else Failure.TOTAL_TIMEOUT
        raise UpstreamFailed(failure, progress.phase) from None
    return AiohttpReply(response, progress, total_at)


def failure_of(error: aiohttp.ClientError, reached: Phase) -> UpstreamFailed:
    """Translate an error of aiohttp; `reached` is how far the call had come."""
    failure, phase = next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)
    if isinstance(error, aiohttp.ServerDisconnectedError) and isinstance(error.message, RawResponseMessage):
        phase = Phase.HEAD  # aiohttp holds the beginning of a head here
    errno = error.errno if isinstance(error, OSError) and failure is not Failure.TLS else None
    return UpstreamFailed(failure, phase or reached, errno)


def _abort(response: aiohttp.ClientResponse) -> None:
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _trace_config() -> aiohttp.TraceConfig:
    """Tell each call's `_Progress` how far it came."""

    async def connecting(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.phase = Phase.CONNECT

    async def created(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected(reused=False)

    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected(reused=True)

    async def resolving(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.phase = Phase.RESOLVE

    config = aiohttp.TraceConfig()
    config.on_dns_resolvehost_start.append(resolving)
    config.on_dns_resolvehost_end.append(connecting)
    config.on_connection_create_start.append(connecting)
    config.on_connection_create_end.append(created)
    config.on_connection_reuseconn.append(reused)
    return config
