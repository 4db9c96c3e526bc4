"""The content blocks of a reply as machines: each takes its deltas and gives neutral events.

A part begins with its first content, so that an empty text is none. Its number is given then, by `Numbers`.
"""

from collections.abc import Mapping
from typing import Protocol

from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.reply_wire import DeltaWire, decode_delta
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.domain.conversation import Opaque, RedactedThinking
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    PartEnded,
    PartStart,
    PartStarted,
    SignatureGiven,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    WholePart,
)
from freetheai_gateway.jsonc import Fields, InvalidJSON, Raw, decode_any, decode_str, encode

MAX_OPAQUE_BYTES = 8 * 1024 * 1024
"""Most that is held of a block which is given in one piece."""


class Numbers:
    """Counts the parts of a reply, and its tool calls."""

    __slots__ = ("calls", "parts")

    def __init__(self) -> None:
        self.parts = 0
        self.calls = 0

    def next_part(self) -> int:
        """Give the next part's number."""
        self.parts += 1
        return self.parts - 1


class Block(Protocol):
    """One block while it is open."""

    def start(self) -> list[Event]:
        """Give what the block began with."""
        ...

    def take(self, delta: DeltaWire, data: bytes) -> list[Event]:
        """Take a delta; `data` is its event as it came."""
        ...

    def end(self) -> list[Event]:
        """Give the rest."""
        ...


class _Part:
    """Opens a part at its first content."""

    __slots__ = ("_index", "_numbers", "_start")

    def __init__(self, start: PartStart, numbers: Numbers) -> None:
        self._start = start
        self._numbers = numbers
        self._index = -1

    def more(self, text: str) -> list[Event]:
        if not text:
            return []
        events = self.open()
        events.append(Delta(self._index, text))
        return events

    def signed(self, signature: str) -> list[Event]:
        return [*self.open(), SignatureGiven(self._index, signature)]

    def open(self) -> list[Event]:
        if self._index >= 0:
            return []
        self._index = self._numbers.next_part()
        return [PartStarted(self._index, self._start)]

    def close(self) -> list[Event]:
        return [PartEnded(self._index)] if self._index >= 0 else []


class TextBlock:
    """`text`. Citations are left out: no other dialect says them in the same way."""

    __slots__ = ("_first", "_part")

    def __init__(self, fields: Fields, numbers: Numbers) -> None:
        self._first = _string(fields, "text")
        self._part = _Part(TextStarted(), numbers)

    def start(self) -> list[Event]:
        """Give the text that came with the start: some upstreams begin so."""
        return self._part.more(self._first)

    def take(self, delta: DeltaWire, data: bytes) -> list[Event]:
        """Take a `text_delta`."""
        del data
        return self._part.more(delta.text or "")

    def end(self) -> list[Event]:
        """End the part, if there was any text."""
        return self._part.close()


class ThinkingBlock:
    """`thinking`; its signature is the last that was told."""

    __slots__ = ("_first", "_part", "_signature")

    def __init__(self, fields: Fields, numbers: Numbers) -> None:
        self._first = _string(fields, "thinking")
        self._signature = _string(fields, "signature")
        self._part = _Part(ThinkingStarted(MESSAGES), numbers)

    def start(self) -> list[Event]:
        """Give the text that came with the start."""
        return self._part.more(self._first)

    def take(self, delta: DeltaWire, data: bytes) -> list[Event]:
        """Take a `thinking_delta` or a `signature_delta`."""
        del data
        self._signature = delta.signature or self._signature
        return self._part.more(delta.thinking or "")

    def end(self) -> list[Event]:
        """Sign and end the part."""
        signed = self._part.signed(self._signature) if self._signature else []
        return [*signed, *self._part.close()]


class ToolBlock:
    """`tool_use`. Arguments that are never told are an empty object."""

    __slots__ = ("_given", "_is_told", "_part")

    def __init__(self, fields: Fields, numbers: Numbers, names: Mapping[str, str], reply_id: str) -> None:
        numbers.calls += 1
        name = _string(fields, "name")
        if not name:
            raise MalformedReply("a tool call has no name")
        call_id = _string(fields, "id") or f"toolu_{reply_id}_{numbers.calls}"
        self._part = _Part(ToolCallStarted(call_id, names.get(name, name)), numbers)
        self._given = bytes(fields.get("input", Raw(b"{}"))).decode(errors="replace").strip()
        self._is_told = False

    def start(self) -> list[Event]:
        """Name the call at once."""
        return self._part.open()

    def take(self, delta: DeltaWire, data: bytes) -> list[Event]:
        """Take an `input_json_delta`."""
        del data
        if delta.partial_json:
            self._is_told = True
        return self._part.more(delta.partial_json or "")

    def end(self) -> list[Event]:
        """End the part; the input of the start counts where no delta came."""
        given = [] if self._is_told else self._part.more("{}" if self._given in {"", "null"} else self._given)
        return [*given, *self._part.close()]


class WholeBlock:
    """A block of any other type, put together until it ends: strings of its deltas are appended to its own."""

    __slots__ = ("_fields", "_kind", "_numbers", "_size", "_texts")

    def __init__(self, fields: Fields, numbers: Numbers) -> None:
        self._kind = _string(fields, "type")
        self._fields = fields
        self._numbers = numbers
        self._texts: dict[str, list[str]] = {}
        self._size = 0

    def start(self) -> list[Event]:
        """Wait for the end."""
        return []

    def take(self, delta: DeltaWire, data: bytes) -> list[Event]:
        """Collect the strings of a delta."""
        del delta
        self._size += len(data)
        if self._size > MAX_OPAQUE_BYTES:
            raise MalformedReply("a block is too large")
        for name, value in decode_delta(data).delta.items():
            if name != "type" and bytes(value).startswith(b'"'):
                self._texts.setdefault(name, []).append(decode_str(value))
        return []

    def end(self) -> list[Event]:
        """Give the whole block."""
        for name, texts in self._texts.items():
            text = "".join(texts)
            if name == "partial_json":
                self._fields["input"] = _json_or_empty(text)
            else:
                self._fields[name] = Raw(encode(_string(self._fields, name) + text))
        index = self._numbers.next_part()
        return [PartStarted(index, WholePart(self._part())), PartEnded(index)]

    def _part(self) -> RedactedThinking | Opaque:
        if self._kind == "redacted_thinking":
            return RedactedThinking(_string(self._fields, "data"), MESSAGES)
        return Opaque(MESSAGES, self._kind, Raw(encode(self._fields)))


def open_block(fields: Fields, numbers: Numbers, names: Mapping[str, str], reply_id: str) -> Block:
    """Make the machine for a block that begins. Raises `MalformedReply`."""
    match _string(fields, "type"):
        case "text":
            return TextBlock(fields, numbers)
        case "thinking":
            return ThinkingBlock(fields, numbers)
        case "tool_use":
            return ToolBlock(fields, numbers, names, reply_id)
        case "":
            raise MalformedReply("a content block has no type")
    return WholeBlock(fields, numbers)


def _string(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if value is None or not bytes(value).startswith(b'"'):
        return ""
    return decode_str(value)


def _json_or_empty(text: str) -> Raw:
    data = text.encode(errors="replace")
    try:
        decode_any(data)
    except InvalidJSON:
        return Raw(b"{}")
    return Raw(data)
