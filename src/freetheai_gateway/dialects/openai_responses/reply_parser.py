"""Reads a reply of an upstream that speaks Responses into neutral events.

Events are told apart by `output_index`: some upstreams change the ids of items from event to event. The first item
that is not done streams; what comes of later ones meanwhile is held back until their turn.
"""

from collections.abc import Iterator, Mapping

from freetheai_gateway.dialects.openai_responses.item_reader import ItemReader
from freetheai_gateway.dialects.openai_responses.reply import read_response
from freetheai_gateway.dialects.openai_responses.wire import (
    DONE,
    FAILURES,
    LAST_EVENTS,
    LIFE_EVENTS,
    ItemEvent,
    Response,
    decode_event,
    decode_item_event,
    decode_kind,
)
from freetheai_gateway.dialects.protocol import Fault, MalformedReply, RenderedRequest, UpstreamSaidError, anew
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.domain.events import Event, Finished, Started, StopReason
from freetheai_gateway.jsonc import InvalidJSON, Raw
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events

MAX_ITEMS = 10_000
MAX_HELD_CHARS = 16 * 1024 * 1024
"""How much text of items that are not first may be held back."""

_MAX_CREATED = 2**53
_ADDED, _ITEM_DONE = "response.output_item.added", "response.output_item.done"
_DELTAS: Mapping[str, str] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "call",
    "response.custom_tool_call_input.delta": "call",
}
_MESSAGE, _REASONING = Raw(b'{"type":"message"}'), Raw(b'{"type":"reasoning"}')
_UNANNOUNCED: Mapping[str, Raw] = {
    "text": _MESSAGE,
    "refusal": _MESSAGE,
    "summary": _REASONING,
    "reasoning": _REASONING,
}
_KNOWN = frozenset({*_DELTAS, _ADDED, _ITEM_DONE}) | LAST_EVENTS | LIFE_EVENTS
_INCOMPLETE = {"content_filter": StopReason.REFUSAL}


class _Slot:
    """An item that has not been given out whole."""

    __slots__ = ("final", "held", "is_done", "reader")

    def __init__(self, reader: ItemReader) -> None:
        self.reader = reader
        self.held: list[tuple[str, int, str]] = []
        self.final: Raw | None = None
        self.is_done = False


class ResponsesReplyParser:
    """Implements `dialects.protocol.ReplyParser`."""

    def __init__(self, rendered: RenderedRequest) -> None:
        self._names = rendered.names
        self._cutter = EventCutter()
        self._failure: Fault | None = None
        self._started = False
        self._finished = False
        self._slots: dict[int, _Slot] = {}
        self._seen: set[int] = set()
        self._next_part = 0
        self._held_chars = 0
        self._has_calls = False
        self._refused = False

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of a stream, cut anywhere."""
        if self._failure is not None:
            raise anew(self._failure)
        try:
            return self._read(self._cutter.feed(data))
        except EventTooLarge:
            self._failure = MalformedReply("an event is too large")
            raise anew(self._failure) from None

    def finish(self) -> list[Event]:
        """Take the clean end of a stream. Raises `MalformedReply` where the reply was not finished."""
        if self._failure is not None:
            raise anew(self._failure)
        events = self._read(self._cutter.close())
        if not self._finished and not events:
            raise MalformedReply("the stream ended without response.completed")
        return events

    def parse_whole(self, body: bytes) -> list[Event]:
        """Read a whole reply."""
        return [*self._end(read_response(body))]

    def _read(self, block: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for event in split_events(block) if block else ():
                data = event_data(event)
                if data is not None and data.strip() and not data.startswith(DONE) and not self._finished:
                    events += self._take(data)
        except (MalformedReply, UpstreamSaidError) as failure:
            self._failure = anew(failure)
            if not events:
                raise
        return events

    def _take(self, data: bytes) -> Iterator[Event]:
        event = _decode(data)
        if event is None:
            return
        if event.type in FAILURES:
            raise said_error(data)
        kind = _DELTAS.get(event.type)
        if kind is not None:
            yield from self._begin(None)
            yield from self._delta(event, kind)
        elif event.type == _ADDED:
            yield from self._begin(None)
            self._add(event.output_index, event.item)
        elif event.type == _ITEM_DONE:
            yield from self._begin(None)
            yield from self._item_done(event)
        elif event.type in LIFE_EVENTS:
            yield from self._begin(_response(data))
        elif event.type in LAST_EVENTS:
            yield from self._end(_response(data))

    def _begin(self, response: Response | None) -> Iterator[Event]:
        if response is not None and response.failed():
            raise UpstreamSaidError
        if self._started:
            return
        self._started = True
        if response is None:
            yield Started("", "")
            return
        told = response.created_at
        created = min(max(0.0, told), _MAX_CREATED) if isinstance(told, float) else 0
        yield Started(response.id or "", response.model or "", int(created))

    def _add(self, output_index: int | None, item: Raw) -> _Slot | None:
        """Make room for an item; `None` where it was there already."""
        index = output_index if output_index is not None else len(self._seen)
        if index in self._seen:
            return None
        if len(self._seen) >= MAX_ITEMS:
            raise MalformedReply("the reply has too many items")
        self._seen.add(index)
        slot = _Slot(ItemReader(item, len(self._seen) - 1, self._names))
        slot.reader.next_part = self._next_part
        self._slots[index] = slot
        return slot

    def _delta(self, event: ItemEvent, kind: str) -> Iterator[Event]:
        slot = self._slot_of(event.output_index) or self._unannounced(event.output_index, kind)
        if slot is None:
            return  # the whole item will bring it
        index = (event.summary_index if kind == "summary" else event.content_index) or 0
        if slot is next(iter(self._slots.values())):
            yield from slot.reader.delta(kind, index, event.delta)
            return
        self._held_chars += len(event.delta)
        if self._held_chars > MAX_HELD_CHARS:
            raise MalformedReply("too much is interleaved")
        slot.held.append((kind, index, event.delta))

    def _unannounced(self, output_index: int | None, kind: str) -> _Slot | None:
        """Make room for an item that begins with its text; `None` for calls, which lack their name, and known items."""
        item = _UNANNOUNCED.get(kind)
        return None if item is None or output_index in self._seen else self._add(output_index, item)

    def _slot_of(self, output_index: int | None) -> _Slot | None:
        if output_index is not None:
            return self._slots.get(output_index)
        return next(reversed(self._slots.values()), None)

    def _item_done(self, event: ItemEvent) -> Iterator[Event]:
        slot = self._slot_of(event.output_index) or self._add(event.output_index, event.item)
        if slot is not None:
            slot.final, slot.is_done = event.item, True
            yield from self._flush()

    def _flush(self) -> Iterator[Event]:
        """Give out items that are done, and what was held back of the one that is then first."""
        while self._slots:
            index, slot = next(iter(self._slots.items()))
            reader = slot.reader
            reader.next_part = max(reader.next_part, self._next_part)
            for kind, sub_index, text in slot.held:
                yield from reader.delta(kind, sub_index, text)
            slot.held = []
            if not slot.is_done:
                return
            yield from reader.end(slot.final)
            self._next_part = reader.next_part
            self._has_calls = self._has_calls or reader.is_call
            self._refused = self._refused or reader.refused
            del self._slots[index]

    def _end(self, response: Response) -> Iterator[Event]:
        yield from self._begin(response)
        output = response.output or []
        if not self._seen:
            for index, item in enumerate(output):
                self._add(index, item)
        for index, slot in self._slots.items():
            if not slot.is_done:
                slot.final = output[index] if 0 <= index < len(output) else None
                slot.is_done = True
        yield from self._flush()
        if response.usage is not None:
            yield response.usage.to_event()
        self._finished = True
        yield Finished(self._stop_reason(response))

    def _stop_reason(self, response: Response) -> StopReason:
        if response.status == "incomplete":
            details = response.incomplete_details
            return _INCOMPLETE.get((details.reason if details is not None else None) or "", StopReason.LENGTH)
        if self._has_calls:
            return StopReason.TOOL_CALLS
        return StopReason.REFUSAL if self._refused else StopReason.END


def _decode(data: bytes) -> ItemEvent | None:
    """Read an event; `None` where it is none that is known, whatever it holds."""
    try:
        return decode_item_event(data)
    except InvalidJSON:
        pass
    try:
        kind = decode_kind(data).type
    except InvalidJSON:
        raise MalformedReply("an event is not JSON of the documented shape") from None
    if kind in _KNOWN:
        raise MalformedReply("an event is not of the documented shape")
    return ItemEvent(kind) if kind in FAILURES else None


def _response(data: bytes) -> Response:
    try:
        response = decode_event(data).response
    except InvalidJSON:
        raise MalformedReply("an event is not of the documented shape") from None
    if response is None:
        raise MalformedReply("an event holds no response")
    return response
