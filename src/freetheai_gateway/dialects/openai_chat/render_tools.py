"""Tools and tool choice for an upstream."""

from freetheai_gateway.dialects import custom_tools
from freetheai_gateway.dialects.openai_chat.render_calls import sent_name
from freetheai_gateway.dialects.openai_chat.render_parts import Json, PartWriter
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.dialects.tool_schema import complete_schema
from freetheai_gateway.dialects.unsayable import told
from freetheai_gateway.domain.conversation import (
    Conversation,
    Tool,
    ToolChoice,
    ToolKind,
    ToolMode,
    VendorTool,
)
from freetheai_gateway.jsonc import Decoder, Fields, Raw

_decode_fields: Decoder[Fields] = Decoder(Fields)
_decode_items: Decoder[list[Raw]] = Decoder(list[Raw])


def render_tools(conversation: Conversation, writer: PartWriter) -> Json:
    """Write `tools`, `tool_choice` and `parallel_tool_calls`; the latter two mean nothing without tools."""
    spelled = conversation.spelling if writer.own else {}
    offered = _offered(conversation, writer)
    if "functions" in spelled and bytes(spelled["functions"]) != b"null":  # as they came; their tools stand last
        offered = offered[: len(offered) - len(_decode_items(spelled["functions"]))]
    fields: Json = {}
    tools = [written for tool in offered if (written := _tool(tool, writer)) is not None]
    if tools:
        fields["tools"] = tools
    if not tools and not writer.own:
        return fields
    if conversation.tool_choice is not None and "function_call" not in spelled:
        fields["tool_choice"] = _choice(conversation.tool_choice, conversation.tools, writer)
    if conversation.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = conversation.parallel_tool_calls
    return fields


def _offered(conversation: Conversation, writer: PartWriter) -> list[Tool | VendorTool]:
    """Give the tools; of several allowed ones only those, where the upstream may not know `allowed_tools`."""
    choice = conversation.tool_choice
    if writer.own or choice is None or not _is_narrowed(choice):
        return list(conversation.tools)
    return [tool for tool in conversation.tools if isinstance(tool, Tool) and tool.name in choice.names]


def _is_narrowed(choice: ToolChoice) -> bool:
    return bool(choice.names) and (choice.mode is not ToolMode.REQUIRED or len(choice.names) > 1)


def _tool(tool: Tool | VendorTool, writer: PartWriter) -> Json | Raw | None:
    if isinstance(tool, VendorTool):
        if tool.dialect == DialectName.OPENAI_CHAT:
            return tool.raw
        writer.drop(tool.kind)
        return None
    return _own(tool) if writer.own else _foreign(tool, writer)


def _own(tool: Tool) -> Json:
    kind = tool.kind.value
    native: Json = dict(tool.native)
    extra = native.pop(kind, None)
    inner = {**(_decode_fields(extra) if isinstance(extra, Raw) else {}), **_described(tool)}
    if tool.grammar is not None:
        grammar = {"syntax": tool.grammar.syntax, "definition": tool.grammar.definition}
        inner["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": kind, kind: inner, **native}


def _foreign(tool: Tool, writer: PartWriter) -> Json:
    writer.note_cache(tool.cache)
    is_custom = tool.kind is ToolKind.CUSTOM
    for name in told(tool.native):
        if not (is_custom and name == "format"):  # free text, which the description says
            writer.drop(name)
    function = _described(tool)
    if is_custom:
        function["description"] = custom_tools.description(tool)
        function["parameters"] = custom_tools.SCHEMA
    else:
        function["parameters"] = complete_schema(tool.schema)
    return {"type": "function", "function": function}


def _described(tool: Tool) -> Json:
    described: Json = {"name": sent_name(tool.name, tool.namespace)}
    if tool.description is not None:
        described["description"] = tool.description
    if tool.schema is not None:
        described["parameters"] = tool.schema
    if tool.strict is not None:
        described["strict"] = tool.strict
    return described


def _choice(choice: ToolChoice, tools: tuple[Tool | VendorTool, ...], writer: PartWriter) -> str | Json:
    if writer.own and "type" in choice.native:
        named = [_named(name, tools, writer) for name in choice.names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode.value, "tools": named}}
    if choice.mode is ToolMode.REQUIRED and len(choice.names) == 1:
        return _named(choice.names[0], tools, writer)
    return choice.mode.value


def _named(name: str, tools: tuple[Tool | VendorTool, ...], writer: PartWriter) -> Json:
    tool = next((tool for tool in tools if isinstance(tool, Tool) and tool.name == name), None)
    kind = tool.kind.value if tool is not None and writer.own else "function"
    return {"type": kind, kind: {"name": sent_name(name, tool.namespace if tool is not None else "")}}
