"""The raw lane's stream, common to all dialects: whole events pass, a few are looked into.

Most chunks of a stream need no look: a search for the few marks that matter (`Marks.pattern`) decides, and only a
block that has one is split into events and handed to the dialect. That is what keeps a relayed chunk cheap.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from freetheai_gateway.dialects.protocol import Fault, MalformedReply, UpstreamSaidError, anew
from freetheai_gateway.dialects.splice import ModelSplice
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events


class Fate(Enum):
    """What becomes of an event."""

    PASS = auto()
    DROP = auto()
    LAST = auto()
    """It ends the stream politely and is held until the record is written."""


@dataclass(slots=True)
class Sight:
    """What a dialect saw in one event."""

    fate: Fate = Fate.PASS
    model: str | None = None
    usage: Usage | None = None
    has_content: bool = False
    finished: bool = False
    """The reply is complete, though a terminator may follow."""
    reply_id: str = ""
    """As in `RawStream`."""


class EventReader(Protocol):
    """A dialect's eye for its own events. `pattern` finds the marks that make a block worth a look."""

    pattern: re.Pattern[bytes]
    names_model_in_every_event: bool

    def look(self, data: bytes) -> Sight:
        """Read the data of one event. Raises `MalformedReply`, `UpstreamSaidError`."""
        ...

    def end_of(self) -> bytes:
        """Give what the dialect ends a stream with, for an upstream that finished without it."""
        ...


class EventRelay:
    """Implements `RawStream` for any dialect that has an `EventReader`."""

    __slots__ = (
        "_cutter",
        "_failure",
        "_final",
        "_finished",
        "_reader",
        "_splice",
        "delivered",
        "event_count",
        "reply_id",
        "usage",
    )

    def __init__(self, reader: EventReader, alias: str) -> None:
        self._reader = reader
        self._cutter = EventCutter()
        self._splice = ModelSplice(alias)
        self._final = b""
        self._finished = False
        self._failure: Fault | None = None
        self.usage: Usage | None = None
        self.delivered = False
        self.event_count = 0
        self.reply_id = ""

    @property
    def final(self) -> bytes:
        """The held last event."""
        return self._final

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes, return whole events for the client; nothing any more after the end or a failure."""
        try:
            block = self._cutter.feed(data)
        except EventTooLarge:
            self._failure = MalformedReply("an event is too large")
            return b""
        if not block or self._final or self._failure:
            return b""
        if self.delivered and self._reader.pattern.search(block) is None:
            events = block.count(b"\n\n")
            if not self._reader.names_model_in_every_event:
                self.event_count += events
                return block
            if events == self._splice.count(block):
                self.event_count += events
                return self._splice.apply(block)
        return self._look_into(block)

    def check(self) -> None:
        """Raise what was wrong behind the events that `feed` returned."""
        if self._failure is not None:
            raise anew(self._failure)

    def finish(self) -> bytes:
        """Take the upstream's end: polite only where a terminator or a finish reason was seen."""
        rest = b"" if self._final else self._look_into(self._cutter.close())
        self.check()
        if self._final:
            return rest + self._final
        if not self._finished:
            raise MalformedReply("the stream ended before the reply was complete")
        return rest + self._reader.end_of()

    def _look_into(self, block: bytes) -> bytes:
        out: list[bytes] = []
        try:
            for event in split_events(block):
                self._look_at(event, out)
                if self._final:
                    break
        except (MalformedReply, UpstreamSaidError) as failure:
            self._failure = anew(failure)
        return b"".join(out)

    def _look_at(self, event: bytes, out: list[bytes]) -> None:
        data = event_data(event)
        if data is None:
            out.append(event)
            return
        if not data.strip():
            return  # clients parse the data of every event as JSON, also where it is empty
        sight = self._reader.look(data)
        self._note(sight)
        if sight.fate is Fate.LAST:
            self._final = self._with_alias(event, sight.model)
        elif sight.fate is Fate.PASS:
            out.append(self._with_alias(event, sight.model))

    def _note(self, sight: Sight) -> None:
        if sight.usage is not None:
            self.usage = sight.usage
        if sight.finished:
            self._finished = True
        if sight.reply_id:
            self.reply_id = sight.reply_id
        if sight.has_content:
            self.delivered = True
            self.event_count += 1

    def _with_alias(self, event: bytes, model: str | None) -> bytes:
        if model is None:
            return event
        if not self._splice.count(event):
            self._splice.learn(event, model)
        return self._splice.apply(event)
