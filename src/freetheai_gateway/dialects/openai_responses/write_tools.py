"""Tools, `tool_choice`, `text` and `reasoning`: for an upstream, and for the `Response` that repeats them."""

from collections.abc import Mapping
from dataclasses import replace

from freetheai_gateway.dialects.openai_responses.reasoning import OWN
from freetheai_gateway.dialects.strictness import fits_strict
from freetheai_gateway.dialects.tool_names import MAX_NAME_LENGTH, safe
from freetheai_gateway.dialects.tool_schema import complete_schema
from freetheai_gateway.domain.conversation import (
    Conversation,
    OutputFormat,
    OutputKind,
    Reasoning,
    Tool,
    ToolChoice,
    ToolKind,
    ToolMode,
    VendorTool,
)
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw

_NO_TOOLS = Raw(b"[]")
_OUTPUT_TYPES = {OutputKind.TEXT: "text", OutputKind.JSON: "json_object", OutputKind.JSON_SCHEMA: "json_schema"}
_SUMMARIES = {"summarized": "auto", "omitted": None}
_LOW_BUDGET, _HIGH_BUDGET = 4096, 16384

_decode_fields: Decoder[Fields] = Decoder(Fields)


def write_tools(conversation: Conversation) -> Raw | list[object]:
    """Write tools; those that came in this dialect go out as they were, namespaces and all."""
    if conversation.dialect == OWN:
        named = conversation.spelling.get("tools", _NO_TOOLS)
        return named if bytes(named) != b"null" else _NO_TOOLS
    return [written for tool in conversation.tools if (written := _write_tool(tool)) is not None]


def _write_tool(tool: Tool | VendorTool) -> object | None:
    if isinstance(tool, VendorTool):
        return tool.raw if tool.dialect == OWN else None
    written: dict[str, object] = {"type": tool.kind.value, "name": safe(tool.name, MAX_NAME_LENGTH)}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.kind is ToolKind.FUNCTION:
        written["parameters"] = complete_schema(tool.schema)
        written["strict"] = bool(tool.strict)  # this dialect's default is true, the others' is false
    elif tool.grammar is not None:
        grammar = tool.grammar
        written["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return written


def write_tool_choice(choice: ToolChoice, conversation: Conversation) -> object:
    """Write `tool_choice`; one that came in this dialect as an object goes out as it was."""
    if conversation.dialect == OWN:
        if choice.native:
            return choice.native
        return choice.mode.value
    if not choice.names or choice.mode is ToolMode.NONE:
        return choice.mode.value
    kinds = {tool.name: tool.kind for tool in conversation.tools if isinstance(tool, Tool)}
    named = [
        {"type": kinds.get(name, ToolKind.FUNCTION).value, "name": safe(name, MAX_NAME_LENGTH)} for name in choice.names
    ]
    if choice.mode is ToolMode.REQUIRED and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "mode": choice.mode.value, "tools": named}


def write_text(conversation: Conversation) -> dict[str, object] | None:
    """Write `text`: format and verbosity; `None` where neither was asked for."""
    written: dict[str, object] = {}
    left = _left(conversation, "text")
    if left is not None:
        written |= left
    if conversation.output is not None:
        output = conversation.output
        if conversation.dialect != OWN and output.strict is None and output.schema is not None:
            output = replace(output, strict=fits_strict(output.schema))
        written["format"] = _write_format(output, _fields(written.get("format")))
    if conversation.verbosity is not None:
        written["verbosity"] = conversation.verbosity
    return written if written or left is not None else None


def _write_format(output: OutputFormat, rest: Mapping[str, Raw]) -> dict[str, object]:
    written: dict[str, object] = {**rest, "type": _OUTPUT_TYPES[output.kind]}
    if output.kind is not OutputKind.JSON_SCHEMA:
        return written
    written["name"] = safe(output.name or "answer", MAX_NAME_LENGTH)
    written["schema"] = output.schema
    if output.description is not None:
        written["description"] = output.description
    if output.strict is not None:
        written["strict"] = output.strict
    return written


def write_reasoning(conversation: Conversation) -> dict[str, object] | None:
    """Write `reasoning`; a budget of tokens becomes an effort."""
    written: dict[str, object] = {}
    own = conversation.dialect == OWN
    left = _left(conversation, "reasoning")
    if left is not None:
        written |= left
    reasoning = conversation.reasoning
    effort = reasoning.effort if own else _effort(reasoning)
    if effort is not None:
        written["effort"] = effort
    summary = reasoning.summary if own else _SUMMARIES.get(reasoning.summary or "", reasoning.summary)
    if summary is not None:
        written["summary"] = summary
    return written if written or left is not None else None


def _effort(reasoning: Reasoning) -> str | None:
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.enabled is False:
        return "none"
    if reasoning.budget_tokens is None:
        return None
    if reasoning.budget_tokens < _LOW_BUDGET:
        return "low"
    return "medium" if reasoning.budget_tokens < _HIGH_BUDGET else "high"


def _left(conversation: Conversation, name: str) -> Fields | None:
    """Give what was left of an object that came in this dialect; `None` where it was not there."""
    if conversation.dialect != OWN:
        return None
    value = conversation.native.get(name, conversation.spelling.get(name))
    return _fields(value) if value is not None and bytes(value) != b"null" else None


def _fields(value: object) -> Fields:
    if not isinstance(value, Raw):
        return {}
    try:
        return _decode_fields(value)
    except InvalidJSON:
        return {}
