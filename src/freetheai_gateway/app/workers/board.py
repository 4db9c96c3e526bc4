"""A value that one process writes and its relatives read at once: shared memory that children inherit.

Reading costs a comparison of 16 bytes as long as nothing was written, so that it may be done for every request. Nothing
of it has a name or touches a disk: it may hold the secret of the local model.
"""

from mmap import mmap
from struct import Struct
from typing import Generic, TypeVar
from zlib import crc32

from freetheai_gateway.jsonc import Decoder, encode

T = TypeVar("T")

SIZE_BYTES = 256 * 1024
_HEAD = Struct("<QII")


class Board(Generic[T]):
    """Made before the first fork; exactly one process may write.

    A reader that meets a half-written value sees by its checksum that it is none, and keeps the last one.
    """

    def __init__(self, kind: type[T], first: T) -> None:
        self._memory = mmap(-1, SIZE_BYTES)
        self._decode = Decoder(kind)
        self._seen = b""
        self._value = first
        self._written = 0
        self.write(first)

    def write(self, value: T) -> None:
        """Put a value there for all to see. Raises `ValueError` where it is too long."""
        body = encode(value)
        if len(body) > SIZE_BYTES - _HEAD.size:
            raise ValueError("the value does not fit on the board")
        self._written += 1
        self._memory[_HEAD.size : _HEAD.size + len(body)] = body
        self._memory[: _HEAD.size] = _HEAD.pack(self._written, len(body), crc32(body))

    def read(self) -> T:
        """Give the newest whole value."""
        head = self._memory[: _HEAD.size]
        if head != self._seen:
            _, length, checksum = _HEAD.unpack(head)
            body = self._memory[_HEAD.size : _HEAD.size + length]
            if crc32(body) == checksum:
                self._seen, self._value = head, self._decode(body)
        return self._value
