"""Writes of one turn of the event loop, sent together at its end.

A write to a socket wakes whoever reads at its other end. Spread over a turn, each wakes a reader that has gone back to
sleep since the last one, which costs more than the write itself; in a row they find it awake. Measured over loopback
with 64 connections: 15 of 130 us of CPU a request. A turn that serves a single request sends no later for it.

What must be safe before a client may see its last bytes is done once per turn too: `before` is called first. No loop
and no socket in here: the loop's `call_soon` and the transports are brought by the caller.
"""

from collections.abc import Callable
from typing import Protocol

MOST_WAITING = 16
"""So many writes go out without waiting for the end of the turn: some milliseconds of work lie between them."""


class Writer(Protocol):
    """What is needed of a transport."""

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        ...

    def write(self, data: bytes) -> None:
        """Send, or buffer."""
        ...


def _nothing() -> None:
    return


class Outbox:
    """Belongs to one event loop. Writes to one transport stay in their order, if all of them come through here."""

    __slots__ = ("_before", "_call_soon", "_waiting")

    def __init__(
        self, call_soon: Callable[[Callable[[], None]], object], before: Callable[[], None] = _nothing
    ) -> None:
        self._call_soon = call_soon
        self._before = before
        self._waiting: list[tuple[Writer, bytes]] = []

    def put(self, writer: Writer, data: bytes) -> None:
        """Have the bytes written at the end of this turn; where the transport is closed by then they are lost."""
        waiting = self._waiting
        if not waiting:
            self._call_soon(self.flush)
        waiting.append((writer, data))
        if len(waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write everything now: to be called before a transport is written to or closed by itself."""
        waiting = self._waiting
        if not waiting:
            return
        self._before()
        self._waiting = []
        for writer, data in waiting:
            if not writer.is_closing():
                writer.write(data)
