"""Response heads as bytes (RFC 9112 sections 4 and 5). No I/O.

The checks are uvicorn's: a name with a separator or a value with a control character is refused, so that no value
can begin a new header. Names are checked once and remembered; the values of a head are checked together.
"""

from collections.abc import Iterable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HEADER_RE as _BAD_NAME
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

CLOSE: Final = b"\r\nconnection: close"
CHUNKED: Final = b"\r\ntransfer-encoding: chunked"
END: Final = b"\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

WHOLE: Final = "freetheai.response"
"""Type of a message that is a whole response: `status`, `lines`, `body`. The edge's addition to ASGI, where a head and
a body are two messages and a head is a list of pairs that somebody has to join."""

_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_CONTROLS: Final = bytes([*range(9), *range(10, 32), 127])
_MAX_KNOWN: Final = 1_000
_known: dict[bytes, bytes] = {}
"""How a line with this name begins; never holds the framing headers, which are looked at each time."""


class ResponseMisuse(RuntimeError):
    """The app sent something that is no HTTP response."""


class StatusLines:
    """Begins the heads of all responses of one second: status line and date."""

    __slots__ = ("_begun", "_dated")

    def __init__(self) -> None:
        self._dated: object = None
        self._begun: dict[int, bytes] = {}

    def begin(self, status: int, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """Render the status line and the headers of every response, a list that is replaced and never changed."""
        if defaults is not self._dated:
            self._dated, self._begun = defaults, {}
        begun = self._begun.get(status)
        if begun is None:
            begun = self._begun[status] = STATUS_LINE[status][:-2] + render_lines(defaults)
        return begun


def render_head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, dict[bytes, bytes]]:
    """Render all but the closing `END`, and give back the headers that decide on framing, names in lower case.

    Raises `ResponseMisuse` for names and values that are not allowed.
    """
    framing: dict[bytes, bytes] = {}
    return STATUS_LINE[status][:-2] + render_lines(headers, framing), framing


def render_lines(headers: Iterable[tuple[bytes, bytes]], framing: dict[bytes, bytes] | None = None) -> bytes:
    """Render header lines, each begun by CR LF; what decides on framing is put into `framing` too.

    Raises `ResponseMisuse` as `render_head` does, and for framing headers where there is nothing to put them into.
    """
    parts: list[bytes] = []
    known = _known
    for name, value in headers:
        parts += (known.get(name) or _begin_line(name, value, framing), value)
    lines = b"".join(parts)
    # CR and LF of every line: half of the parts are lines, two bytes each.
    if len(lines.translate(None, _CONTROLS)) != len(lines) - len(parts):
        raise ResponseMisuse("a header's value holds a control character")
    return lines


def _begin_line(name: bytes, value: bytes, framing: dict[bytes, bytes] | None) -> bytes:
    if not name or _BAD_NAME.search(name):
        raise ResponseMisuse("a header's name is not a token")
    lower = name.lower()
    line = b"\r\n" + lower + b": "
    if lower in _FRAMING:
        if framing is None:
            raise ResponseMisuse("the edge frames the response itself")
        framing[lower] = value
    elif len(_known) < _MAX_KNOWN:
        _known[name] = line
    return line
