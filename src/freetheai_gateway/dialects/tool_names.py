"""Names and ids of tools under the rules of an upstream: deterministic, the same wherever they stand, no collisions.

What keeps the rules stays as it is. What does not gets its bad characters replaced and a digest of the whole
original appended, so that two that differ only in bad characters stay apart.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

from freetheai_gateway.domain.conversation import Conversation, Tool, ToolCall

MAX_NAME_LENGTH = 64
MAX_ID_LENGTH = 64

_BAD = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_LENGTH = 8


def safe(text: str, limit: int = MAX_ID_LENGTH) -> str:
    """Put a name or an id into `[A-Za-z0-9_-]{1,limit}`."""
    cleaned = _BAD.sub("_", text)
    if cleaned == text and 0 < len(text) <= limit:
        return text
    digest = sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST_LENGTH]
    return f"{cleaned[: limit - _DIGEST_LENGTH - 1]}_{digest}"


def flat_name(name: str, namespace: str) -> str:
    """Join a namespace (OpenAI Responses) and a name as one; what dialects without namespaces call the tool."""
    return f"{namespace}__{name}" if namespace else name


def restored_names(conversation: Conversation, limit: int = MAX_NAME_LENGTH) -> dict[str, str]:
    """Map every safe name that differs from the caller's flat name back to it, for `RenderedRequest.names`."""
    return {sent: own for own in _flat_names(conversation) if (sent := safe(own, limit)) != own}


def _flat_names(conversation: Conversation) -> Iterable[str]:
    for tool in conversation.tools:
        if isinstance(tool, Tool):
            yield flat_name(tool.name, tool.namespace)
    for turn in conversation.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                yield flat_name(part.name, part.namespace)
