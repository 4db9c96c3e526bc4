"""Reading an upstream's body: undone compression, and a cap on what is kept."""

import zlib

from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.services.ports import UpstreamReply

MAX_REPLY_BYTES = 128 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_INFLATED_BYTES = 1024 * 1024
"""The most that one read gives of a compressed body: a few bytes may unpack to very many."""
_ANY_ZLIB = 47
"""Window bits that make zlib recognise gzip and zlib headers by themselves."""


class Body:
    """The body of one reply as plain bytes. We ask for no compression, yet some upstreams send it."""

    __slots__ = ("_inflate", "_reply")

    def __init__(self, reply: UpstreamReply) -> None:
        """Raise `MalformedReply` for an encoding that was not asked for and can't be undone here."""
        self._reply = reply
        encoding = header(reply, b"content-encoding").lower()
        if encoding not in {b"", b"identity", b"gzip", b"deflate"}:
            raise MalformedReply("the content encoding is not known")
        self._inflate = zlib.decompressobj(_ANY_ZLIB) if encoding in {b"gzip", b"deflate"} else None

    async def read(self) -> bytes:
        """Wait for bytes; `b""` at the clean end. Raises `UpstreamFailed`, `MalformedReply`."""
        inflate = self._inflate
        if inflate is None:
            return await self._reply.read()
        while data := inflate.unconsumed_tail or await self._reply.read():
            if inflate.eof:
                continue  # what follows the compressed data means nothing
            try:
                plain = inflate.decompress(data, MAX_INFLATED_BYTES)
            except zlib.error:
                raise MalformedReply("the compressed body is broken") from None
            if plain:
                return plain
        return inflate.flush()

    async def read_all(self, limit: int) -> bytes:
        """Read the whole body. Raises `MalformedReply` where it is over the limit."""
        parts: list[bytes] = []
        size = 0
        while not (parts and self._reply.at_end and self._inflate is None) and (data := await self.read()):
            size += len(data)
            if size > limit:
                raise MalformedReply("the body is too large")
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def header(reply: UpstreamReply, name: bytes) -> bytes:
    """Find a response header; empty where it is absent."""
    for key, value in reply.headers:
        if key == name:
            return value
    return b""
