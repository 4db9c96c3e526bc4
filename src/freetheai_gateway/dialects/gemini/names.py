"""Function names under Gemini's rules: a letter or underscore first, then letters, digits, `_`, `-`; 64 in all."""

from collections.abc import Iterator
from hashlib import sha256

from freetheai_gateway.dialects.tool_names import MAX_NAME_LENGTH, flat_name, safe
from freetheai_gateway.domain.conversation import Conversation, Tool, ToolCall

_DIGEST_LENGTH = 8


def sent_name(own: str) -> str:
    """Put a caller's flat name into the accepted form; one that begins otherwise gets an underscore and a digest."""
    name = safe(own, MAX_NAME_LENGTH)
    if name[0].isalpha() or name[0] == "_":
        return name
    digest = sha256(own.encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]
    return f"_{name[: MAX_NAME_LENGTH - _DIGEST_LENGTH - 2]}_{digest}"


def own_names(conversation: Conversation) -> dict[str, str]:
    """Map every sent name that differs from the caller's flat name back to it, for `RenderedRequest.names`."""
    return {sent: own for own in _flat_names(conversation) if (sent := sent_name(own)) != own}


def _flat_names(conversation: Conversation) -> Iterator[str]:
    for tool in conversation.tools:
        if isinstance(tool, Tool):
            yield flat_name(tool.name, tool.namespace)
    for turn in conversation.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                yield flat_name(part.name, part.namespace)
