"""Writes a reply for a client, whole; and what both forms of it ask of the client's request."""

from collections.abc import Iterator

from freetheai_gateway.dialects.anthropic_messages.outcome import completed_usage, write_stop, write_usage
from freetheai_gateway.dialects.anthropic_messages.write_blocks import is_visible, tool_input
from freetheai_gateway.dialects.anthropic_messages.write_parts import call_signature_block, signed, whole_block
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.dialects.tool_names import safe
from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from freetheai_gateway.domain.events import Reply
from freetheai_gateway.jsonc import encode

Content = Iterator[object]


class CallIds:
    """Gives tool calls ids of the accepted form that no call of the conversation has yet."""

    __slots__ = ("_taken", "_view", "has_calls")

    def __init__(self, view: ClientView) -> None:
        self._view = view
        self._taken: set[str] = set()
        self.has_calls = False

    def id_of(self, given: str) -> str:
        """Give the id for a call; upstreams that count from 0 in every reply give the same ones again."""
        if not self.has_calls:
            self._taken = _ids_of(self._view)
            self.has_calls = True
        base = safe(given)
        sent, copy = base, 1
        while sent in self._taken:
            copy += 1
            sent = f"{base[:56]}_{copy}"
        self._taken.add(sent)
        return sent


def _ids_of(view: ClientView) -> set[str]:
    parts = (part for turn in view.request.turns for part in turn.parts)
    return {safe(part.id) for part in parts if isinstance(part, ToolCall)}


def wants_thinking(view: ClientView) -> bool:
    """Tell whether the client did not switch thinking off."""
    return view.request.reasoning.enabled is not False


def shows_thinking(view: ClientView) -> bool:
    """Tell whether the client wants to see the text of thinking."""
    return view.request.reasoning.summary != "omitted"


def write_whole(reply: Reply, view: ClientView) -> bytes:
    """Write a whole reply."""
    ids = CallIds(view)
    content = [block for part in reply.parts for block in _blocks(part, view, ids)]
    characters = sum(len(part.text) for part in reply.parts if isinstance(part, Text | Refusal | Thinking))
    characters += sum(len(part.arguments) for part in reply.parts if isinstance(part, ToolCall))
    usage = completed_usage(reply.usage, view.input_tokens_estimate, characters)
    has_refusal = any(isinstance(part, Refusal) for part in reply.parts)
    return encode(
        {
            "id": f"msg_{view.reply_id}",
            "type": "message",
            "role": "assistant",
            "model": view.alias,
            "content": content,
            **write_stop(reply.finished, has_calls=ids.has_calls, has_refusal=has_refusal),
            "usage": write_usage(usage, reply.cache_written_tokens),
        }
    )


def _blocks(part: Part, view: ClientView, ids: CallIds) -> Content:
    match part:
        case Text(text=text) | Refusal(text=text):
            if is_visible(text):
                yield {"type": "text", "text": text}
        case Thinking():
            if wants_thinking(view) and (part.text or part.signature):
                text = part.text if shows_thinking(view) else ""
                yield {"type": "thinking", "thinking": text, "signature": signed(part.signature or "", part.vendor)}
        case ToolCall():
            if part.signature is not None:
                yield call_signature_block(part.signature)
            yield {"type": "tool_use", "id": ids.id_of(part.id), "name": part.name, "input": tool_input(part)}
        case RedactedThinking() | Opaque():
            block = whole_block(part)
            if block is not None:
                yield block
