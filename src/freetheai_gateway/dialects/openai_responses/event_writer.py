"""Numbered events of one stream, each with its `event:` line."""

from freetheai_gateway.jsonc import Raw, encode


class EventWriter:
    """Writes events; the sequence number is what its state is."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = 0

    def write(self, kind: str, **fields: object) -> bytes:
        """Write an event."""
        body = encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"

    def write_delta(self, prefix: bytes, text: bytes) -> bytes:
        """Write a delta from what `delta_prefix` made; `text` is encoded."""
        number = self._number
        self._number = number + 1
        return b'%b%b,"sequence_number":%d}\n\n' % (prefix, text, number)


def one_line(encoded: bytes) -> bytes:
    """Take line ends out of JSON that came from outside: in an event they would end its data.

    They can only stand between tokens, because strings hold them escaped.
    """
    return encoded.translate(None, b"\r\n")


def delta_prefix(kind: str, **fields: object) -> bytes:
    """Encode what all deltas of a part begin with, up to the text."""
    body = encode({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + body[:-1] + b',"delta":'


class TextBuffer:
    """Text as the JSON that it is sent as: each delta is encoded once, for the delta and for the whole."""

    __slots__ = ("_encoded",)

    def __init__(self) -> None:
        self._encoded = bytearray()

    def add(self, text: str) -> bytes:
        """Add text; gives it encoded."""
        encoded = encode(text)
        self._encoded += encoded[1:-1]
        return encoded

    def whole(self) -> Raw:
        """Give all of it as one JSON string."""
        return Raw(b'"%b"' % bytes(self._encoded))

    def __bool__(self) -> bool:
        return bool(self._encoded)
