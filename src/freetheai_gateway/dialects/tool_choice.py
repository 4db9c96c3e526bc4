"""A choice of tools, when some of them are the vendor's own and can't be had from another vendor."""

from collections.abc import Callable
from dataclasses import replace

from freetheai_gateway.dialects.tool_names import flat_name
from freetheai_gateway.domain.conversation import Conversation, Tool, ToolMode, VendorTool


def with_reachable_choice(conversation: Conversation, drop: Callable[[str], object]) -> Conversation:
    """Take out of `tool_choice` what is left out of `tools`: every vendor refuses a choice that is not offered.

    Clients force hosted tools: Claude Code asks for a search with `web_search` as the one tool that may be called.
    A name that was never offered stays, so that the client is told.
    """
    choice = conversation.tool_choice
    if choice is None or not any(isinstance(tool, VendorTool) for tool in conversation.tools):
        return conversation
    tools = [tool for tool in conversation.tools if isinstance(tool, Tool)]
    known = {name for tool in tools for name in (tool.name, flat_name(tool.name, tool.namespace))}
    kept = tuple(name for name in choice.names if name in known)
    is_reachable = bool(kept) if choice.names else bool(tools) or choice.mode is not ToolMode.REQUIRED
    if not is_reachable:
        drop("tool_choice")
        return replace(conversation, tool_choice=None)
    return conversation if kept == choice.names else replace(conversation, tool_choice=replace(choice, names=kept))
