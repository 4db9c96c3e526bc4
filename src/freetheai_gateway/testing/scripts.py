"""What a scripted upstream does with one request, as values: a script is a row of steps on one connection.

A script knows bytes and pauses only, so it can express any reply, right or wrong. In JSON a step is an object
such as `{"do": "send", "data": "<base64>"}`, the form that the control endpoint takes.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Literal

import msgspec


class Send(msgspec.Struct, frozen=True, tag_field="do", tag="send"):
    """Write these bytes in one go and wait until the kernel has them."""

    data: bytes


class Wait(msgspec.Struct, frozen=True, tag_field="do", tag="wait"):
    """Stay silent for a while."""

    seconds: float


class Hold(msgspec.Struct, frozen=True, tag_field="do", tag="hold"):
    """Stay silent until the client leaves."""


class Close(msgspec.Struct, frozen=True, tag_field="do", tag="close"):
    """Close the connection, or reset it (RST instead of FIN)."""

    reset: bool = False


Step = Send | Wait | Hold | Close
Script = tuple[Step, ...]
Framing = Literal["length", "chunked", "close"]
Headers = tuple[tuple[str, str], ...]

LAST_CHUNK = b"0\r\n\r\n"


def head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Render a status line and headers up to the empty line."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Scripted"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def http_chunk(data: bytes) -> bytes:
    """Frame bytes as one chunk of a chunked body (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole_reply(
    status: int, body: bytes, *, content_type: str = "application/json", headers: Headers = (), announced: int = -1
) -> Script:
    """Reply with a body of a known length; `announced` lies about that length and closes after the body."""
    length = len(body) if announced < 0 else announced
    first = head(status, (("content-type", content_type), ("content-length", str(length)), *headers))
    return (Send(first + body),) if length == len(body) else (Send(first + body), Close())


def in_pieces(data: bytes, piece_bytes: int) -> list[bytes]:
    """Cut bytes into pieces of at most `piece_bytes`; 0 = leave them whole."""
    if not piece_bytes:
        return [data]
    return [data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)]
