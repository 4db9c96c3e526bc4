"""HTTP/1.1 messages as bytes: rendering a request, parsing its reply. No I/O.

`httptools` (llhttp in its strict mode) does the grammar of RFC 9112; here is what it leaves to its user: caps, replies
without a body, interim replies, bodies that end with the connection, and whether the connection may be used again.
"""

from base64 import b64encode
from functools import lru_cache

from httptools import HttpParserError, HttpResponseParser

from freetheai_gateway.services.ports import Origin, UpstreamRequest

MAX_HEAD_BYTES = 64 * 1024
"""Cap of a reply's head; of interim replies, of trailers and of chunk extensions in a row too."""
MAX_HEADERS = 256

_DEFAULT_PORTS = {"http": 80, "https": 443}
_KNOWN_HEADS = 256
"""How many beginnings of heads are remembered; the least recently used is forgotten."""
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
_HEADLESS_BODY = frozenset({"HEAD", "CONNECT"})


class UnsendableRequest(ValueError):
    """The request's method, target or headers would not stay one request on the wire; the text quotes nothing."""


class MalformedReply(Exception):
    """What came is not an HTTP/1.1 reply, or is over a cap; never carries the peer's bytes."""


def render_request(request: UpstreamRequest) -> bytes:
    """Render the head of a request (RFC 9112 section 3), the empty line included; the body follows it as it is.

    Raises `UnsendableRequest`, where a CR, LF, NUL or a blank in the target would let a value end its line.
    """
    head = _begin_head(request.method, request.origin, request.target, request.headers)
    body = request.body
    if body or request.method in _WITH_CONTENT:
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
    return head + b"\r\n"


@lru_cache(maxsize=_KNOWN_HEADS)
def _begin_head(method: str, origin: Origin, target: str, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Render all of a head but its length and end: the same for every call of a provider with one of its keys."""
    lines = [b"%b: %b" % header for header in headers]
    if not any(name == b"accept-encoding" for name, _ in headers):
        lines.append(b"accept-encoding: identity")
    return _head(method, target, authority(origin, _DEFAULT_PORTS[origin.scheme]), lines).removesuffix(b"\r\n")


def render_connect(origin: Origin, username: str | None, password: str | None) -> bytes:
    """Render the CONNECT request for a tunnel (RFC 9110 section 9.3.6), with Basic credentials where given."""
    target = authority(origin)
    lines = []
    if username is not None:
        lines.append(b"proxy-authorization: Basic " + b64encode(f"{username}:{password or ''}".encode()))
    return _head("CONNECT", target, target, lines)


def authority(origin: Origin, default_port: int | None = None) -> str:
    """Name host and port as RFC 3986 section 3.2 wants them; the default port is left out."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == default_port else f"{host}:{origin.port}"


def _head(method: str, target: str, host: str, lines: list[bytes]) -> bytes:
    start = f"{method} {target} HTTP/1.1\r\nhost: {host}"
    if " " in target or not start.isascii():
        raise UnsendableRequest("the request target holds a blank, or it or the host characters outside ASCII")
    head = b"\r\n".join([start.encode(), *lines, b"\r\n"])
    # Three scans in C instead of one look at every value: one more line end than we wrote is an injected one.
    line_ends = len(lines) + 3
    if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends or b"\0" in head:
        raise UnsendableRequest("a header or the request line holds CR, LF or NUL")
    return head


class ReplyParser:
    """Parses the replies of one connection, one after another: `begin`, then `feed` until `complete`.

    The owner reads the attributes between calls and takes `chunks` away when it likes.
    """

    def __init__(self) -> None:
        self._machine: HttpResponseParser | None = HttpResponseParser(self)
        self.begin("GET")

    def retire(self) -> None:
        """Parse nothing any more; what was parsed can still be read and taken.

        The machine knows this parser and the parser the machine: left so, both would wait for the garbage collector.
        """
        self._machine = None

    def begin(self, method: str) -> None:
        """Expect the reply to a request of this method."""
        self._is_bodiless = method in _HEADLESS_BODY
        self._is_interim = False
        self._overhead_bytes = 0
        self._should_keep_alive = False
        self.started = False
        """Whether a byte of the reply has come."""
        self.head_complete = False
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another exchange; means something once the reply is complete."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.buffered_bytes = 0

    def feed(self, data: bytes) -> None:
        """Parse what arrived. Raises `MalformedReply`; bytes after a complete reply only make it not `reusable`."""
        machine = self._machine
        if machine is None:
            return
        self.started = True
        self._overhead_bytes += len(data)
        try:
            machine.feed_data(data)
        except HttpParserError:
            self.reusable = False
            if not self.complete:
                raise MalformedReply from None
        if self._overhead_bytes > MAX_HEAD_BYTES and not self.complete:
            raise MalformedReply

    def feed_eof(self) -> bool:
        """Take the end of the connection; tells whether the reply is complete (RFC 9112 section 6.3, rule 8)."""
        self.reusable = False
        if self.head_complete and not self.complete:
            self.complete = self._ends_with_connection()
        return self.complete

    def take(self) -> bytes:
        """Hand over the body bytes that have arrived since the last call."""
        chunks = self.chunks
        self.chunks = []
        self.buffered_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _ends_with_connection(self) -> bool:
        fields = dict(self.headers)
        if b"transfer-encoding" in fields:
            return not fields[b"transfer-encoding"].lower().endswith(b"chunked")
        return b"content-length" not in fields

    # Callbacks of httptools. One that raises stops the parser, and `feed_data` raises HttpParserError.

    def on_message_begin(self) -> None:
        """Start a message: the first, the one after an interim reply, or one that nobody asked for."""
        if self.complete:
            raise MalformedReply
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; trailers are dropped."""
        if not self.head_complete:
            self.headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        """Judge the head."""
        machine = self._machine
        assert machine is not None
        status = machine.get_status_code()
        headers = self.headers
        if len(headers) > MAX_HEADERS or status == 101:  # we never ask for an upgrade
            raise MalformedReply
        self._is_interim = status < 200
        if self._is_interim:
            return
        if self._overhead_bytes > MAX_HEAD_BYTES:
            # The read that brought the end of the head may have brought a lot of body too: count exactly.
            if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD_BYTES:
                raise MalformedReply
            self._overhead_bytes = 0
        self.status = status
        self.head_complete = True
        self._should_keep_alive = machine.should_keep_alive()
        if self._is_bodiless:
            # The parser can't be told, it would wait for the body: stop it, and with it this connection's use.
            self.complete = True
            raise MalformedReply

    def on_body(self, body: bytes) -> None:
        """Collect body bytes."""
        self.chunks.append(body)
        self.buffered_bytes += len(body)
        self._overhead_bytes = 0

    def on_message_complete(self) -> None:
        """End the message."""
        if not self._is_interim:
            self.complete = True
            self.reusable = self._should_keep_alive
