"""Reads a Messages reply, whole or streamed, into neutral events."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from freetheai_gateway.dialects.anthropic_messages.read_parts import Block, Numbers, open_block
from freetheai_gateway.dialects.anthropic_messages.reply_wire import (
    STOP_REASONS,
    DeltaWire,
    EventWire,
    MessageWire,
    decode_event,
    decode_message,
)
from freetheai_gateway.dialects.anthropic_messages.wire import UsageTally, UsageWire
from freetheai_gateway.dialects.protocol import Fault, MalformedReply, RenderedRequest, UpstreamSaidError, anew
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.domain.events import Event, Finished, Started, StopReason, UsageReported
from freetheai_gateway.jsonc import InvalidJSON, Raw
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events

MAX_HELD_BYTES = 8 * 1024 * 1024
MAX_OPEN_BLOCKS = 128
"""Bounds for an upstream whose blocks overlap: all but the first are held back until their turn."""
_EVENT_COST_BYTES = 256


class MessagesReplyParser:
    """Implements `dialects.protocol.ReplyParser`.

    Blocks that overlap, against the documentation, come out one after the other in the order they began.
    """

    def __init__(self, rendered: RenderedRequest) -> None:
        self._names = rendered.names
        self._cutter = EventCutter()
        self._numbers = Numbers()
        self._tally = UsageTally()
        self._open: dict[int, Block] = {}
        """Blocks that have begun, in that order; the first is the one whose events go out."""
        self._held: dict[int, list[tuple[DeltaWire, bytes] | None]] = {}
        """Deltas of the others; `None` = it ended."""
        self._held_bytes = 0
        self._reply_id: str | None = None
        self._stop: DeltaWire | None = None
        self._is_finished = False
        self._failure: Fault | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of a stream, cut anywhere."""
        self._check()
        try:
            block = self._cutter.feed(data)
        except EventTooLarge:
            raise MalformedReply("an event is too large") from None
        return self._read(block) if block else []

    def finish(self) -> list[Event]:
        """Take the end of a stream: polite only after `message_stop`."""
        self._check()
        events = self._read(self._cutter.close())
        self._check()
        if not self._is_finished:
            raise MalformedReply("the stream ended without message_stop")
        return events

    def parse_whole(self, body: bytes) -> list[Event]:
        """Read a whole reply, as if its blocks had come one by one."""
        try:
            message = decode_message(body)
            if message.type == "error":
                raise said_error(body)
            if message.content is None:
                raise MalformedReply("the reply has no content")
            events = self._begin(message, whole=True)
            for fields in message.content:
                block = open_block(fields, self._numbers, self._names, self._reply_id or "")
                events += [*block.start(), *block.end()]
        except InvalidJSON:
            raise MalformedReply("the reply is not JSON of the documented shape") from None
        stop = DeltaWire(
            stop_reason=message.stop_reason, stop_sequence=message.stop_sequence, stop_details=message.stop_details
        )
        return [*events, *self._used(message.usage), *self._end(stop)]

    def _check(self) -> None:
        if self._failure is not None:
            raise anew(self._failure)

    def _read(self, block: bytes) -> list[Event]:
        """Read whole events; what is wrong in one is raised at the next call, after the events before it."""
        events: list[Event] = []
        try:
            for event in split_events(block):
                if self._is_finished:
                    break
                data = _data_of(event)
                if data and data != b"[DONE]":
                    events += self._take(data)
        except InvalidJSON:
            self._failure = MalformedReply("an event is not JSON of the documented shape")
        except (MalformedReply, UpstreamSaidError) as failure:
            self._failure = anew(failure)
        return events

    def _take(self, data: bytes) -> list[Event]:
        event = decode_event(data)
        if event.type == "content_block_delta":
            return self._more(event, data)
        if event.type == "error":
            raise said_error(data)
        handler = self._HANDLERS.get(event.type)
        return handler(self, event) if handler is not None else []  # a ping, or an event of a later version

    # --- the message ------------------------------------------------------------------------------------------

    def _message_start(self, event: EventWire) -> list[Event]:
        return self._begin(event.message or MessageWire(), whole=False)

    def _message_stop(self, event: EventWire) -> list[Event]:
        del event
        return [*self._close_all(), *self._end(self._stop or DeltaWire())]

    def _begin(self, message: MessageWire, *, whole: bool) -> list[Event]:
        if self._reply_id is not None:
            raise MalformedReply("a second message began in the middle of the first")
        self._reply_id = message.id or ""
        usage = self._tally.take(message.usage) if message.usage is not None and not whole else None
        return [Started(self._reply_id, message.model or "", usage=usage)]

    def _message_delta(self, event: EventWire) -> list[Event]:
        self._require_start()
        if event.delta is not None and (self._stop is None or event.delta.stop_reason):
            self._stop = event.delta
        return [*self._close_all(), *self._used(event.usage)]

    def _used(self, usage: UsageWire | None) -> list[Event]:
        if usage is None:
            return []
        total = self._tally.take(usage)
        return [UsageReported(total, self._tally.cache_written_tokens)]

    def _end(self, stop: DeltaWire) -> list[Event]:
        self._require_start()
        self._is_finished = True
        unsaid = StopReason.TOOL_CALLS if self._numbers.calls else StopReason.END
        reason = STOP_REASONS.get(stop.stop_reason or "", unsaid)
        detail = bytes(stop.stop_details)
        return [Finished(reason, stop.stop_sequence, None if detail == b"null" else Raw(detail))]

    def _require_start(self) -> None:
        if self._reply_id is None:
            raise MalformedReply("an event came before message_start")

    # --- blocks -----------------------------------------------------------------------------------------------

    def _start(self, event: EventWire) -> list[Event]:
        self._require_start()
        if event.index in self._held:
            raise MalformedReply("a block began twice")
        ended = self._end_block(event.index)
        if len(self._open) >= MAX_OPEN_BLOCKS:
            raise MalformedReply("too many blocks are open at once")
        block = open_block(event.content_block or {}, self._numbers, self._names, self._reply_id or "")
        self._open[event.index] = block
        if len(self._open) > 1:
            self._held[event.index] = []
            return ended
        return [*ended, *block.start()]

    def _more(self, event: EventWire, data: bytes) -> list[Event]:
        index, delta = event.index, event.delta
        block = self._open.get(index)
        if block is None or delta is None:
            raise MalformedReply("a delta came for a block that is not open")
        if index in self._held:
            self._hold(index, (delta, data))
            return []
        return block.take(delta, data)

    def _hold(self, index: int, delta: tuple[DeltaWire, bytes] | None) -> None:
        held = self._held[index]
        if held and held[-1] is None:
            raise MalformedReply("an event came for a block that had ended")
        self._held_bytes += _EVENT_COST_BYTES + (len(delta[1]) if delta is not None else 0)
        if self._held_bytes > MAX_HELD_BYTES:
            raise MalformedReply("too much of overlapping blocks was held back")
        held.append(delta)

    def _stop_block(self, event: EventWire) -> list[Event]:
        return self._end_block(event.index)

    def _end_block(self, index: int) -> list[Event]:
        if index in self._held:
            self._hold(index, None)
            return []
        block = self._open.pop(index, None)
        return [] if block is None else [*block.end(), *self._release()]

    def _release(self) -> list[Event]:
        """Let the next block go on with what was held of it, and so on while those that follow have ended."""
        events: list[Event] = []
        while self._open:
            index, block = next(iter(self._open.items()))
            held = self._held.pop(index)
            events += block.start()
            for entry in held:
                events += block.end() if entry is None else block.take(*entry)
            if not held or held[-1] is not None:
                break
            del self._open[index]
        if not self._held:
            self._held_bytes = 0
        return events

    def _close_all(self) -> list[Event]:
        events: list[Event] = []
        while self._open:
            events += self._end_block(next(iter(self._open)))
        return events

    _HANDLERS: ClassVar[Mapping[str, Callable[["MessagesReplyParser", EventWire], list[Event]]]] = {
        "content_block_start": _start,
        "content_block_stop": _stop_block,
        "message_start": _message_start,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
    }
    """By the event's type. One table for all parsers: one of bound methods would be a circle in each."""


def _data_of(event: bytes) -> bytes:
    """Read an event's data; one name and one line of data, as this dialect has them, are found at once."""
    head, mark, data = event.partition(b"\ndata: ")
    is_plain = head.startswith(b"event:") and b"\n" not in head and b"\r" not in event
    if mark and is_plain and data.find(b"\n") == len(data) - 2:
        return data[:-2]
    return (event_data(event) or b"").strip()
