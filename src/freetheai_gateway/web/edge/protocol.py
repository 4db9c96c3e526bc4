"""One client connection: HTTP/1.1 in, exchanges out, with limits and deadlines that stock uvicorn lacks.

Sources: RFC 9112 (section 6 framing, 9.3 pipelining, 9.6 closing), RFC 9110 section 7.8 (an upgrade may be ignored).
"""

import asyncio
from collections import deque
from enum import IntEnum
from functools import lru_cache
from math import inf
from typing import Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from freetheai_gateway.errors import GatewayError, HeadersTooLarge, InvalidRequest, RequestTimeout, ServerError
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.log import get_log
from freetheai_gateway.outbox import Outbox
from freetheai_gateway.web.edge.deadline import Deadline
from freetheai_gateway.web.edge.exchange import Exchange, Message
from freetheai_gateway.web.edge.refusal import RenderError, refusal_of, render_refusal
from freetheai_gateway.web.edge.response_head import StatusLines
from freetheai_gateway.web.edge.settings import STALL_SAMPLES, EdgeSettings

_STATUS_LINES: Final = StatusLines()
MAX_PIPELINED: Final = 256
"""Requests that one connection may have waiting behind the one that runs; they cost some 3 kB each."""

_log = get_log("edge")


class Awaited(IntEnum):
    """What the connection waits for; the number finds for how long in `_delays`."""

    APP = 0
    HEAD = 1
    BODY = 2
    NEXT_REQUEST = 3
    READER = 4
    ANSWER_TO_HALF_CLOSED = 5
    DISCARDED_REST = 6


@lru_cache(maxsize=8)
def _delays(settings: EdgeSettings) -> tuple[float, ...]:
    """Give how long each of `Awaited` may take, in its order; the app has no deadline here."""
    return (
        inf,
        settings.header_timeout_s,
        settings.progress_timeout_s,
        settings.idle_timeout_s,
        settings.stall_sample_s,
        settings.half_close_grace_s,
        settings.discard_s,
    )


class EdgeProtocol(HttpToolsProtocol):
    """Parses requests, runs them one after the other and watches the clock.

    A client that shuts down only its sending side looks like one that has left, until something is sent to it. So
    its answer may take `half_close_grace_s`; then it counts as gone, and what it asked for is not paid for.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        settings: EdgeSettings,
        render_error: RenderError,
        outbox: Outbox,
    ) -> None:
        super().__init__(config, server_state, {}, asyncio.get_running_loop())
        self._settings = settings
        self._delays = _delays(settings)
        self._render_error = render_error
        self._outbox = outbox
        self._deadline = Deadline(self.loop, self._deadline_passed)
        self._awaited = Awaited.HEAD
        self._running: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._incoming: Exchange | None = None
        self._refusal: GatewayError | None = None
        self._in_head = False
        self._in_message = False
        self._unframed_bytes = 0
        self._unsent_bytes = 0
        self._stalled_samples = 0
        self._is_closing = False
        self._is_half_closed = False
        self._is_draining = False

    def begin_head(self, status: int) -> bytes:
        """Render the status line and the date, as the server keeps it."""
        return _STATUS_LINES.begin(status, self.server_state.default_headers)

    def write(self, data: bytes) -> None:
        """Send to the client, at the end of this turn of the loop."""
        self._outbox.put(self.transport, data)

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline.set(self._settings.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who still has something to say to this client."""
        del exc  # why does not matter to them
        self.connections.discard(self)
        self._deadline.stop()
        self._is_closing = True
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # it refers back to us
        unfinished = [*self._queue] if self._running is None else [self._running, *self._queue]
        self._queue.clear()
        self._running = self._incoming = None
        for exchange in unfinished:
            exchange.disconnect()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a half-closed connection for a moment if an answer is owed, close any other."""
        last = self._queue[-1] if self._queue else self._running
        if last is None or last.more_body or self._is_closing:
            return False
        self._is_half_closed = True
        self.expect()
        return True

    def pause_writing(self) -> None:
        """Begin to watch a reader that is slower than its response."""
        super().pause_writing()
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stalled_samples = 0
        self.expect()

    def resume_writing(self) -> None:
        """Trust the reader again."""
        super().resume_writing()
        self.expect()

    def data_received(self, data: bytes) -> None:
        """Parse in slices of at most the header cap, so that a head is seen to be too large while it arrives."""
        step = self._settings.max_header_bytes
        try:
            if len(data) <= step:
                self._parse(data)
            else:
                for start in range(0, len(data), step):
                    self._parse(data[start : start + step])
        except GatewayError as error:
            self._refuse(error)
        except httptools.HttpParserError as failed:
            self._refuse(refusal_of(failed))
        if self._in_head:
            self.expect()

    def _parse(self, data: bytes) -> None:
        if self._refusal is not None or self._is_closing:
            return
        while True:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
        if self._in_message:
            self._unframed_bytes += len(data)
            if self._unframed_bytes > 2 * self._settings.max_header_bytes:
                raise self._too_large()

    def _head_without_upgrade(self) -> bytes:
        """Write the head again as that of an ordinary request, for a parser that has not left HTTP."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise InvalidRequest("This server is not a proxy.")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(lines))

    # --- the parser's calls (`on_url` and `on_header` are uvicorn's) ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._unframed_bytes = 0

    def on_headers_complete(self) -> None:
        """Make an exchange and start it, unless it must wait for others or is refused."""
        self._in_head = False
        parser = self.parser
        if parser.should_upgrade():
            return
        version = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise InvalidRequest("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if self._unframed_bytes and self._head_bytes() > self._settings.max_header_bytes:
            raise self._too_large()
        self._unframed_bytes = 0
        self.headers = []  # what comes now are trailers, which must not pass for headers
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        scope = cast("Message", self.scope)
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = url.query or b""
        keep_alive = version == "1.1" and parser.should_keep_alive() and not self._is_draining
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_continue=self.expect_100_continue)
        self._incoming = exchange
        if self._running is None:
            self._start(exchange)
        elif len(self._queue) < MAX_PIPELINED:
            self._queue.append(exchange)
            self.flow.pause_reading()
        else:
            self._incoming = None
            raise InvalidRequest("Too many pipelined requests.")

    def on_body(self, body: bytes) -> None:
        """Hand over, and stop reading where the app is slower than the client."""
        self._unframed_bytes = 0
        exchange = self._incoming
        if exchange is not None:
            exchange.feed(body)
            if exchange.buffered_bytes > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_message = False
        exchange, self._incoming = self._incoming, None
        if exchange is not None:
            exchange.finish()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> GatewayError:
        cap = self._settings.max_header_bytes
        return HeadersTooLarge(f"The request line and headers are larger than {cap} bytes together.")

    # --- the exchanges' calls ---

    def resume_reading(self) -> None:
        """Read on, unless whole requests are waiting already."""
        if not self._queue:
            self.flow.resume_reading()

    def exchange_over(self, exchange: Exchange) -> None:
        """Go on with what comes after a complete response."""
        self.server_state.total_requests += 1
        self._running = None
        if exchange.more_body:
            self._linger()
        elif not exchange.keep_alive:
            self._close()
        elif self._queue:
            self._start(self._queue.popleft())
            self.resume_reading()
        elif self._refusal is not None:
            self._answer(self._refusal)
        elif self._is_half_closed or self._is_draining:
            self._close()
        else:
            self.flow.resume_reading()
            self.expect()

    def task_ends(self, task: asyncio.Task[None]) -> None:
        """Forget the task of an exchange: a callback of the task's own would be one more turn of the loop."""
        self.tasks.discard(task)

    def exchange_failed(self, exchange: Exchange, raised: BaseException) -> None:
        """Answer with an error, or cut the response off where it has begun."""
        request_id = new_request_id()
        if isinstance(raised, GatewayError):
            error = raised
        else:
            _log.error("asgi_callable_failed", request_id=request_id, error=type(raised).__name__)
            error = ServerError(f"The gateway failed. If it happens again, report {request_id}.")
        if exchange.disconnected or exchange.response_complete:
            return
        exchange.drop()
        self._running = None
        if exchange.response_begun:
            self._close()
        else:
            self._answer(error, request_id, has_body=exchange.scope["method"] != "HEAD")

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        exchange.task = task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(task)
        self.expect()

    # --- refusing and closing ---

    def _refuse(self, error: GatewayError) -> None:
        """Answer what can't be parsed, after the answers that are owed; then close."""
        self._refusal = error
        broken, self._incoming = self._incoming, None
        if broken is not None and broken is self._running:
            self._running = None
            broken.disconnect()
            if broken.response_begun:
                self._close()
                return
        elif broken is not None:
            self._queue.remove(broken)
        if self._running is None:
            self._answer(error)

    def _answer(self, error: GatewayError, request_id: str | None = None, *, has_body: bool = True) -> None:
        head, body = render_refusal(
            error, request_id or new_request_id(), self.server_state.default_headers, self._render_error
        )
        self.write(head + body if has_body else head)
        self._linger()

    def _linger(self) -> None:
        """Throw away for a while what still comes: closing at once would reset the answer away (section 9.6)."""
        if self.transport.is_closing():
            return
        self._is_closing = True
        self.flow.resume_reading()
        self._outbox.flush()
        self.transport.write_eof()
        self._await(Awaited.DISCARDED_REST)

    def _close(self) -> None:
        """Close once everything is sent, but do not wait for ever for that."""
        self._is_closing = True
        self._outbox.flush()
        self.transport.close()
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stalled_samples = 0
        self._await(Awaited.READER)

    def shutdown(self) -> None:
        """Close when idle, else after what is being received or answered (the server's drain)."""
        self._is_draining = True
        last = self._queue[-1] if self._queue else self._running
        if last is not None:
            last.keep_alive = False
        elif not (self._in_head or self._is_closing):
            self._close()

    # --- deadlines ---

    def expect(self) -> None:
        """Look at what the connection waits for now, and set its deadline if that is new."""
        if self._is_closing:
            return
        running = self._running
        if self._is_half_closed:
            awaited = Awaited.ANSWER_TO_HALF_CLOSED
        elif self.flow.write_paused:
            awaited = Awaited.READER
        elif running is not None:
            awaited = Awaited.BODY if running.waits_for_body else Awaited.APP
        else:
            awaited = Awaited.HEAD if self._in_head else Awaited.NEXT_REQUEST
        if awaited is not self._awaited:
            self._await(awaited)

    def _await(self, awaited: Awaited) -> None:
        self._awaited = awaited
        if awaited is Awaited.APP:
            self._deadline.clear()
        else:
            self._deadline.set(self._delays[awaited])

    def _deadline_passed(self) -> None:
        match self._awaited:
            case Awaited.HEAD if self._in_head:
                self._refuse(RequestTimeout("The headers of the request did not arrive in time."))
            case Awaited.BODY if self._running is not None:
                self._running.give_up_body()
            case Awaited.READER:
                self._sample_reader()
            case Awaited.ANSWER_TO_HALF_CLOSED:
                self.transport.abort()
            case _:
                self._close()

    def _sample_reader(self) -> None:
        unsent_bytes = self.transport.get_write_buffer_size()
        self._stalled_samples = self._stalled_samples + 1 if unsent_bytes >= self._unsent_bytes else 0
        self._unsent_bytes = unsent_bytes
        if self._stalled_samples < STALL_SAMPLES:
            self._deadline.set(self._settings.stall_sample_s)
        else:
            self.transport.abort()
