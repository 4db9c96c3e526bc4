"""Tools and their choice, as `tools` and `toolConfig`. Source: Gemini API reference, "Function calling"."""

from freetheai_gateway.dialects import custom_tools
from freetheai_gateway.dialects.gemini.names import sent_name
from freetheai_gateway.dialects.gemini.schema import parameters
from freetheai_gateway.dialects.tool_names import flat_name
from freetheai_gateway.domain.conversation import Conversation, Tool, ToolChoice, ToolKind, ToolMode

Body = dict[str, object]

_MODES = {ToolMode.AUTO: "AUTO", ToolMode.NONE: "NONE", ToolMode.REQUIRED: "ANY"}


def write_tools(conversation: Conversation, dropped: set[str]) -> Body:
    """Write both fields, as far as there are functions to declare."""
    choice = conversation.tool_choice
    declared = [_declaration(tool) for tool in _offered(conversation, dropped)]
    if not declared:
        if choice is not None and choice.mode is ToolMode.REQUIRED:
            dropped.add("tool_choice")
        return {}
    body: Body = {"tools": [{"functionDeclarations": declared}]}
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _calling_config(conversation, choice)}
    if conversation.parallel_tool_calls is False:
        dropped.add("parallel_tool_calls")
    return body


def _offered(conversation: Conversation, dropped: set[str]) -> list[Tool]:
    """List the functions by their sent names, of which none may stand twice.

    Names may be allowed only where a call is demanded; where it is not, the others are left out instead.
    """
    choice = conversation.tool_choice
    allowed = choice.names if choice is not None and choice.mode is ToolMode.AUTO else ()
    offered: dict[str, Tool] = {}
    for tool in conversation.tools:
        if not isinstance(tool, Tool):
            dropped.add(tool.kind)
        elif not allowed or tool.name in allowed or _own_name(tool) in allowed:
            offered.setdefault(sent_name(_own_name(tool)), tool)
    return list(offered.values())


def _own_name(tool: Tool) -> str:
    return flat_name(tool.name, tool.namespace)


def _declaration(tool: Tool) -> Body:
    is_custom = tool.kind is ToolKind.CUSTOM
    written: Body = {"name": sent_name(_own_name(tool))}
    description = custom_tools.description(tool) if is_custom else tool.description
    if description:
        written["description"] = description
    schema = parameters(custom_tools.SCHEMA if is_custom else tool.schema)
    if schema is not None:
        written["parameters"] = schema
    return written


def _calling_config(conversation: Conversation, choice: ToolChoice) -> Body:
    config: Body = {"mode": _MODES[choice.mode]}
    if choice.mode is ToolMode.REQUIRED and choice.names:
        sent = {tool.name: sent_name(_own_name(tool)) for tool in conversation.tools if isinstance(tool, Tool)}
        config["allowedFunctionNames"] = [sent.get(name) or sent_name(name) for name in choice.names]
    return config
