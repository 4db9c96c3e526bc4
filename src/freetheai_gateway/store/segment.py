"""A file of the journal: one JSON object per line, held by an exclusive lock for as long as its process lives.

The kernel frees the lock with the process, however that ends, so that a file that can be locked is a dead process's.
Between the making of a file and its locking, or its finding and its locking, another process may have taken or deleted
it; hence the look at the link count under the lock.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Self

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_id
from freetheai_gateway.jsonc import Decoder, InvalidJSON

SUFFIX = ".jsonl"
_CHUNK_BYTES = 256 * 1024
MOST_REMEMBERED = 2_000
"""Records of a file that are kept in memory too, so that a drain need not read what was written a moment ago; a file
with more of them, which a database that is away makes, is read."""
_decode = Decoder(UsageRecord)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read: the records, the number of lines that are none, and where the next batch begins."""

    records: list[UsageRecord]
    unreadable: int
    end: int


class Segment:
    """One locked file. `pending` counts the lines that no database has yet."""

    __slots__ = ("_drained_bytes", "_fd", "_is_torn", "_remembered", "path", "pending")

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.pending = 0
        self._fd = fd
        self._drained_bytes = 0
        self._is_torn = False
        self._remembered: list[UsageRecord] | None = None
        """Every record of the file that is not drained; `None` where the file alone knows them."""

    @property
    def remembered(self) -> int:
        """How many records are in memory."""
        return len(self._remembered or ())

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make a new file, readable by its owner only, and lock it. Raises `OSError`."""
        while True:
            path = directory / (new_id("journal") + SUFFIX)
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _lock(fd):
                segment = cls(path, fd)
                segment._remembered = []
                return segment
            os.close(fd)  # another process took it for a dead one and deletes it

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Lock a dead process's file; `None` where its process lives or it is gone. Raises `OSError`."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if _lock(fd):
            return cls(path, fd)
        os.close(fd)
        return None

    def append(self, records: Sequence[tuple[UsageRecord, bytes]]) -> None:
        """Write records, each given with its line, with one `write(2)`. Raises `OSError`, also where not all fit.

        What is there of lines that did not all fit is cut off again; where it can't be, a line end follows it.
        """
        lines = [line for _, line in records]
        text = b"\n".join((b"", *lines, b"") if self._is_torn else (*lines, b""))
        written = os.write(self._fd, text)
        if written != len(text):
            self._is_torn = not self._cut_off(written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_torn = False
        self.pending += len(lines)
        if self._remembered is not None:
            self._remembered += [record for record, _ in records]
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered = None

    def _cut_off(self, length: int) -> bool:
        """Take back the end of the file, and tell whether that worked.

        Its caller keeps the records elsewhere; those that stay here too are told by their ids when they are inserted.
        """
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - length)
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Wait until what was written is on the disk. Raises `OSError`."""
        os.fdatasync(self._fd)

    def count_lines(self) -> None:
        """Set `pending` from the file: it was written by another process."""
        position = lines = 0
        while chunk := os.pread(self._fd, _CHUNK_BYTES, position):
            position += len(chunk)
            lines += chunk.count(b"\n")
        self.pending = lines

    def read_batch(self, limit: int) -> Batch | None:
        """Give up to `limit` records after what is drained; `None` at the end. Raises `OSError`.

        The last line may lack its end: the process was killed, or the disk was full, in mid-write.
        """
        if self._remembered is not None:
            return Batch(self._remembered[:limit], 0, 0) if self._remembered else None
        size = _CHUNK_BYTES
        while True:
            chunk = os.pread(self._fd, size, self._drained_bytes)
            whole = len(chunk) if len(chunk) < size else chunk.rfind(b"\n") + 1
            if whole or not chunk:
                break
            size *= 2
        if not chunk:
            return None
        lines = chunk[:whole].split(b"\n", limit)
        rest = len(lines.pop()) if len(lines) > limit or not lines[-1] else 0
        return _decode_lines(lines, self._drained_bytes + whole - rest)

    def advance(self, batch: Batch) -> None:
        """Count a batch as drained."""
        if self._remembered is not None:
            del self._remembered[: len(batch.records)]
        self._drained_bytes = batch.end
        self.pending = max(0, self.pending - len(batch.records) - batch.unreadable)

    def remove(self) -> None:
        """Delete the file and free its lock. Raises `OSError`."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Free the lock and leave the file to the next process. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _lock(fd: int) -> bool:
    """Lock, and check that the file still has a name."""
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0


def _decode_lines(lines: list[bytes], end: int) -> Batch:
    records: list[UsageRecord] = []
    unreadable = 0
    for line in lines:
        try:
            records.append(_decode(line))
        except InvalidJSON:
            unreadable += 1
    return Batch(records, unreadable, end)
