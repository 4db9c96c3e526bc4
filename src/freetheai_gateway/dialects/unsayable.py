"""What an upstream of another dialect can't be told: refused where the answer would be another one, else named."""

from collections.abc import Iterable

from freetheai_gateway.domain.conversation import Conversation, Native, Part, Tool, ToolResult
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw

_NOTHING = frozenset({b"null", b"[]"})


def told(native: Native) -> list[str]:
    """List the fields that say something: null and an empty array do not, and are no loss."""
    return [name for name, value in native.items() if bytes(value) not in _NOTHING]


def refuse_unsayable_fields(conversation: Conversation) -> None:
    """Raise `InvalidRequest` for a field of the client's dialect that may not be dropped silently.

    Spoken answers, searches of the web and tools on other servers: without them the client gets something else than
    it asked for.
    """
    for name, value in conversation.native.items():
        if _is_indispensable(name, value):
            raise InvalidRequest(f"{name} is not supported with this model.", param=name)


def _is_indispensable(name: str, value: Raw) -> bool:
    if name == "modalities":
        return b'"audio"' in bytes(value)
    return name in {"web_search_options", "mcp_servers"} and bytes(value) not in _NOTHING


def has_cache_marks(conversation: Conversation) -> bool:
    """Tell whether a part or a tool carries a cache breakpoint."""
    tools = (tool for tool in conversation.tools if isinstance(tool, Tool))
    return any(tool.cache for tool in tools) or any(_is_marked(turn.parts) for turn in conversation.turns)


def _is_marked(parts: Iterable[Part]) -> bool:
    return any(
        getattr(part, "cache", None) is not None or (isinstance(part, ToolResult) and _is_marked(part.parts))
        for part in parts
    )
