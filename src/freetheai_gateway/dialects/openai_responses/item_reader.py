"""One item of a streamed reply, read into the events of neutral parts; knows nothing of the items beside it.

A part opens with its first text, so that empty ones leave no trace. What the deltas did not bring (some upstreams
send none) is taken from the whole item at its end.
"""

from collections.abc import Mapping

from freetheai_gateway.dialects.openai_responses.fields import read_entry, read_list, take_str
from freetheai_gateway.dialects.openai_responses.reasoning import OWN, pack
from freetheai_gateway.domain.conversation import Opaque, ToolKind
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    SignatureGiven,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    WholePart,
)
from freetheai_gateway.jsonc import Fields, Raw

_THINKING = frozenset({"summary", "reasoning"})
_CALLS = {"function_call": (ToolKind.FUNCTION, "arguments"), "custom_tool_call": (ToolKind.CUSTOM, "input")}
_CONTENT = {"output_text": ("text", "text"), "refusal": ("refusal", "refusal")}


class ItemReader:
    """Turns what is said of one item into events; `next_part` numbers its parts and is set when its turn comes."""

    __slots__ = ("_at", "_fields", "_names", "_ordinal", "_seen", "_type", "done", "next_part", "refused")

    def __init__(self, item: Raw, ordinal: int, names: Mapping[str, str]) -> None:
        self._fields = read_entry(item) or {}
        self._type = take_str(dict(self._fields), "type") or ""
        self._ordinal = ordinal
        self._names = names
        self._at: tuple[str, int] | None = None
        self._seen: set[str] = set()
        self.next_part = 0
        self.done = False
        self.refused = False

    @property
    def is_call(self) -> bool:
        """Whether the item calls a tool of the caller."""
        return self._type in _CALLS

    def delta(self, kind: str, index: int, text: str) -> list[Event]:
        """Take more text; `index` tells the item's texts of one kind apart."""
        if not text or self.done:
            return []
        events = self._open(kind, index)
        self._seen.add(kind)
        if self._at is not None:
            events.append(Delta(self.next_part, text))
        return events

    def end(self, item: Raw | None) -> list[Event]:
        """Take the whole item, where there is one, and close."""
        if self.done:
            return []
        fields = (read_entry(item) if item is not None else None) or self._fields
        self._fields = fields
        events: list[Event] = []
        if self._type in _CALLS:
            events += self._end_call(fields)
        elif self._type == "message":
            events += self._rest_of_message(fields)
        elif self._type == "reasoning":
            events += self._rest_of_reasoning(fields)
        elif item is not None and self._type:
            events += self._whole(WholePart(Opaque(OWN, self._type, item)))
        events += self._close()
        self.done = True
        return events

    def _open(self, kind: str, index: int) -> list[Event]:
        """Open the part that text belongs to; texts of one summary follow each other with an empty line."""
        if self._at == (kind, index):
            return []
        if self._at is not None and self._at[0] == kind and kind in _THINKING:
            self._at = (kind, index)
            return [Delta(self.next_part, "\n\n")]
        start = self._start_of(kind)
        if start is None:
            return []
        events = self._close()
        self._at = (kind, index)
        return [*events, PartStarted(self.next_part, start)]

    def _start_of(self, kind: str) -> PartStart | None:
        if kind == "call":
            return self._call_start()
        if kind == "refusal":
            self.refused = True
            return RefusalStarted()
        if kind in _THINKING:
            return ThinkingStarted(OWN, summary=kind == "summary")
        return TextStarted()

    def _call_start(self) -> ToolCallStarted | None:
        """Begin a call; `None` while its name is not known yet: the whole item will bring everything."""
        fields = dict(self._fields)
        name = take_str(fields, "name")
        if not name or self._type not in _CALLS:
            return None
        call_id = take_str(fields, "call_id") or take_str(fields, "id") or f"call_{self._ordinal}"
        return ToolCallStarted(
            call_id, self._names.get(name, name), _CALLS[self._type][0], take_str(fields, "namespace") or ""
        )

    def _end_call(self, fields: Fields) -> list[Event]:
        kind, name_of_input = _CALLS[self._type]
        if self._at is not None:
            return []
        text = take_str(dict(fields), name_of_input) or ("{}" if kind is ToolKind.FUNCTION else "")
        if text:
            return self.delta("call", 0, text)
        start = self._call_start()
        return self._whole(start) if start is not None else []

    def _rest_of_message(self, fields: Fields) -> list[Event]:
        events: list[Event] = []
        streamed = frozenset(self._seen)
        for index, entry in enumerate(read_list(fields.get("content")) or ()):
            part = read_entry(entry) or {}
            kind, name = _CONTENT.get(take_str(part, "type") or "", ("", ""))
            if kind and kind not in streamed:
                events += self.delta(kind, index, take_str(part, name) or "")
        return events

    def _rest_of_reasoning(self, fields: Fields) -> list[Event]:
        events: list[Event] = []
        if not self._seen:
            for kind, name in (("summary", "summary"), ("reasoning", "content")):
                for index, entry in enumerate(read_list(fields.get(name)) or ()):
                    events += self.delta(kind, index, take_str(read_entry(entry) or {}, "text") or "")
        known = dict(fields)
        encrypted = take_str(known, "encrypted_content")
        if encrypted:
            if self._at is None:
                events += self._open("summary", 0)
            events.append(SignatureGiven(self.next_part, pack(take_str(known, "id"), encrypted)))
        return events

    def _whole(self, start: PartStart) -> list[Event]:
        events = [*self._close(), PartStarted(self.next_part, start)]
        self._at = ("whole", 0)
        return events

    def _close(self) -> list[Event]:
        if self._at is None:
            return []
        self._at = None
        self.next_part += 1
        return [PartEnded(self.next_part - 1)]
