"""The blocks of a streamed reply as machines: each gives the bytes of its events.

A block begins with its first content: one that stays empty never appears, and takes no index.
"""

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.write_blocks import RAW_ARGUMENTS
from freetheai_gateway.domain.conversation import Opaque, RedactedThinking, ToolKind
from freetheai_gateway.jsonc import encode

_CUSTOM_ARGUMENTS = "input"


def write_event(name: str, fields: dict[str, object]) -> bytes:
    """Write one event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode({"type": name, **fields}))


def delta_prefix(index: int, kind: str, field: str) -> bytes:
    """Give the bytes of a delta up to its string; `DELTA_SUFFIX` follows."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":' % (
        index,
        kind.encode(),
        field.encode(),
    )


DELTA_SUFFIX = b"}}\n\n"


def started(index: int, block: object) -> bytes:
    """Write `content_block_start`."""
    return write_event("content_block_start", {"index": index, "content_block": block})


def stopped(index: int) -> bytes:
    """Write `content_block_stop`."""
    return write_event("content_block_stop", {"index": index})


class Block:
    """A part that is left out; the base of all others. `is_open` tells whether it has taken its index."""

    __slots__ = ("index", "is_open")

    def __init__(self, index: int) -> None:
        self.index = index
        self.is_open = False

    def text(self, text: str) -> bytes:
        """Take content."""
        del text
        return b""

    def signature(self, signature: str) -> bytes:
        """Take a signature."""
        del signature
        return b""

    def end(self) -> bytes:
        """Close the block, if it was opened."""
        return stopped(self.index) if self.is_open else b""


_MAX_BLANKS = 256


class TextBlock(Block):
    """Text; blanks alone are none, because clients send them back and the API refuses them."""

    __slots__ = ("_blanks", "_prefix")

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self._prefix = delta_prefix(index, "text_delta", "text")
        self._blanks = ""

    def text(self, text: str) -> bytes:
        """Write a `text_delta`; blanks at the beginning wait for what follows."""
        if self.is_open:
            return self._prefix + encode(text) + DELTA_SUFFIX
        text = self._blanks + text
        if text.isspace() and len(text) <= _MAX_BLANKS:
            self._blanks = text
            return b""
        self.is_open = True
        self._blanks = ""
        return started(self.index, {"type": "text", "text": ""}) + self._prefix + encode(text) + DELTA_SUFFIX


class ThinkingBlock(Block):
    """Reasoning. Another vendor's goes out under a signature that says whose it is.

    `shows_text`: the client asked to see it, not only to be able to send it back.
    """

    __slots__ = ("_prefix", "_shows_text", "_signature", "_vendor")

    def __init__(self, index: int, vendor: str, *, shows_text: bool) -> None:
        super().__init__(index)
        self._prefix = delta_prefix(index, "thinking_delta", "thinking")
        self._vendor = vendor
        self._shows_text = shows_text
        self._signature = ""

    def text(self, text: str) -> bytes:
        """Write a `thinking_delta`."""
        begun = self._begin()
        return begun + self._prefix + encode(text) + DELTA_SUFFIX if self._shows_text else begun

    def signature(self, signature: str) -> bytes:
        """Keep the signature for the end, where clients expect it."""
        self._signature = signature
        return self._begin()

    def end(self) -> bytes:
        """Write the `signature_delta` and close."""
        if not self.is_open:
            return b""
        signature = signed(self._signature, self._vendor)
        delta = delta_prefix(self.index, "signature_delta", "signature") + encode(signature) + DELTA_SUFFIX
        return (delta if signature else b"") + super().end()

    def _begin(self) -> bytes:
        if self.is_open:
            return b""
        self.is_open = True
        return started(self.index, {"type": "thinking", "thinking": "", "signature": ""})


class ToolBlock(Block):
    """A tool call. Arguments that do not begin as an object are wrapped as the string of one."""

    __slots__ = ("_first", "_is_wrapped", "_prefix", "_wrapper")

    def __init__(self, index: int, kind: ToolKind) -> None:
        super().__init__(index)
        self.is_open = True
        self._prefix = delta_prefix(index, "input_json_delta", "partial_json")
        self._wrapper = _CUSTOM_ARGUMENTS if kind is ToolKind.CUSTOM else RAW_ARGUMENTS
        self._is_wrapped = kind is ToolKind.CUSTOM
        self._first = True

    def begin(self, call_id: str, name: str) -> bytes:
        """Write the start and the empty first delta, which a call without arguments consists of."""
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        return started(self.index, block) + self._delta("")

    def text(self, text: str) -> bytes:
        """Write an `input_json_delta`."""
        if self._first:
            if not self._is_wrapped and not text.strip():
                return b""
            self._first = False
            self._is_wrapped = self._is_wrapped or not text.lstrip().startswith("{")
            if self._is_wrapped:
                return self._delta(f'{{"{self._wrapper}":"{_escaped(text)}')
        return self._delta(_escaped(text) if self._is_wrapped else text)

    def end(self) -> bytes:
        """Close."""
        closing = self._delta('"}') if self._is_wrapped and not self._first else b""
        return closing + super().end()

    def _delta(self, text: str) -> bytes:
        return self._prefix + encode(text) + DELTA_SUFFIX


class WholeBlock(Block):
    """A block that is given in its start."""

    __slots__ = ("_block",)

    def __init__(self, index: int, block: object) -> None:
        super().__init__(index)
        self.is_open = True
        self._block = block

    def begin(self) -> bytes:
        """Write the start."""
        return started(self.index, self._block)


def signed(signature: str, vendor: str) -> str:
    """Give a signature as it goes to the client: Anthropic's own as it is, any other wrapped."""
    return signature if vendor == MESSAGES else signatures.mint(vendor, signature)


def call_signature_block(signature: str) -> dict[str, object]:
    """Carry the signature of the call that follows as empty thinking: clients send it back before the call."""
    return {"type": "thinking", "thinking": "", "signature": signatures.mint(signatures.TOOL_CALL, signature)}


def whole_block(part: RedactedThinking | Opaque) -> object | None:
    """Write a part that comes in one piece; `None` where it is another dialect's own."""
    if isinstance(part, RedactedThinking):
        return {"type": "redacted_thinking", "data": signed(part.data, part.vendor)}
    return part.raw if part.dialect == MESSAGES else None


def _escaped(text: str) -> str:
    return encode(text)[1:-1].decode()
