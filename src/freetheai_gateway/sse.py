"""Server-sent events as bytes: finding where events end and what their data is. No I/O.

Follows the event stream format of the HTML standard: lines end in LF, CRLF or CR, an empty line ends an event,
`data:` lines join with LF, comment lines begin with a colon. A CRLF that is split over two reads counts once.
"""

import re

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Largest single event that is held back until it is whole; images in a stream are the largest seen."""


class EventTooLarge(ValueError):
    """An event grew past `MAX_EVENT_BYTES` without an end."""


_BOM = b"\xef\xbb\xbf"
"""A byte order mark that a stream may begin with, to be ignored (HTML standard, 9.2.5)."""
_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r(?!\n)|\n\r(?!\n)|\r\r\n")
_LARGE_BOUNDARY = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventCutter:
    """Cuts a byte stream at event boundaries: `feed` gives back whole events only, as the bytes they came in."""

    __slots__ = ("_begun", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    @property
    def held(self) -> bytes:
        """The beginning of an event that is not whole yet."""
        return self._held

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return all whole events so far (possibly none). Raises `EventTooLarge`."""
        if self._held:
            data = self._held + data
        if not self._begun:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._held = data
                return b""
            self._begun = True
            data = data.removeprefix(_BOM)
        if data.endswith(b"\n\n"):
            self._held = b""
            return data
        end = _last_boundary(data)
        self._held = data[end:]
        if len(self._held) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return data[:end]

    def close(self) -> bytes:
        """Take the end of the stream: a last event is whole if a lone CR, which might have become CRLF, ended it."""
        held, self._held = self._held, b""
        return held if held.endswith((b"\r\r", b"\n\r")) else b""


class LargeEventCutter:
    """Cuts as `EventCutter` does, where events have megabytes: each byte is looked at once, not once a read.

    Line ends are LF or CRLF; a lone CR ends none.
    """

    __slots__ = ("_held", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._held = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the whole events so far. Raises `EventTooLarge`."""
        held = self._held
        looked_at = max(0, len(held) - 3)
        held += data
        events, begun = [], 0
        for match in _LARGE_BOUNDARY.finditer(held, looked_at):
            events.append(bytes(memoryview(held)[begun : match.end()]))
            begun = match.end()
        if begun:
            self._held = held[begun:]
        if len(self._held) > self._max_bytes:
            raise EventTooLarge
        return events


def _last_boundary(data: bytes) -> int:
    """Find where the last whole event ends.

    A CR at the very end may be half of a CRLF, so it is never taken as the end of a line here.
    """
    if b"\r" not in data:
        cut = data.rfind(b"\n\n")
        return cut + 2 if cut >= 0 else 0
    end = 0
    usable = len(data) - 1 if data.endswith(b"\r") else len(data)
    for match in _BOUNDARY.finditer(data, 0, usable):
        end = match.end()
    return end


def split_events(block: bytes) -> list[bytes]:
    """Split whole events (as `EventCutter.feed` gives them) into one byte string each, boundaries kept."""
    if b"\r" not in block:
        return [part + b"\n\n" for part in block.split(b"\n\n") if part.strip(b"\n")]
    events = []
    start = 0
    for match in _BOUNDARY.finditer(block):
        events.append(block[start : match.end()])
        start = match.end()
    if start < len(block):
        events.append(block[start:])
    return [event for event in events if event.strip(b"\r\n")]


def event_data(event: bytes) -> bytes | None:
    """Read the data of one event; `None` where it has no data line (a comment, say)."""
    if event.startswith(b"data: ") and b"\r" not in event and event.find(b"\n") >= len(event) - 2:
        return event[6:].rstrip(b"\n")
    lines = []
    for line in _LINE_END.split(event):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def large_event_data(event: bytes) -> bytes | None:
    """Read the data of one event of `LargeEventCutter`, at the price of a copy."""
    lines = [line.rstrip(b"\r") for line in event.split(b"\n")]
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(data) if data else None


def comment(text: str) -> bytes:
    """Render a comment, which every client ignores: a sign of life."""
    return b": " + text.encode() + b"\n\n"


def data_event(data: bytes) -> bytes:
    """Render an event that has one line of data."""
    return b"data: " + data + b"\n\n"
