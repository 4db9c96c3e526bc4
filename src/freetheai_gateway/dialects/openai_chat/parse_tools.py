"""A client's tools and tool choice, in every spelling that clients use."""

from typing import Literal

import msgspec

from freetheai_gateway.dialects.openai_chat.fields import FieldReader
from freetheai_gateway.dialects.openai_chat.parse_parts import cache_mark
from freetheai_gateway.dialects.openai_chat.reasoning import OWN
from freetheai_gateway.domain.conversation import Grammar, Tool, ToolChoice, ToolKind, ToolMode, VendorTool
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, decode_str, encode_raw

_MODES = {
    "auto": ToolMode.AUTO,
    "none": ToolMode.NONE,
    "required": ToolMode.REQUIRED,
    "any": ToolMode.REQUIRED,
}
"""`any` is Anthropic's and Mistral's word."""
_NAMED = frozenset({"function", "custom", "tool"})


class _Definition(msgspec.Struct, forbid_unknown_fields=True):
    syntax: str
    definition: str


class _GrammarFormat(msgspec.Struct, forbid_unknown_fields=True):
    """`format` of a custom tool; one that is not just this is left over as it came."""

    type: Literal["grammar"]
    grammar: _Definition


_decode_grammar: Decoder[_GrammarFormat] = Decoder(_GrammarFormat)


def parse_tools(items: list[Raw]) -> tuple[Tool | VendorTool, ...]:
    """Read `tools`."""
    return tuple(_tool(item, f"tools[{place}]") for place, item in enumerate(items))


def parse_functions(items: list[Raw]) -> tuple[Tool, ...]:
    """Read the legacy `functions`."""
    return tuple(_function(FieldReader.of(item, f"functions[{place}]")) for place, item in enumerate(items))


def _tool(item: Raw, path: str) -> Tool | VendorTool:
    tool = FieldReader.of(item, path)
    kind = tool.text("type") or "function"
    if kind not in {"function", "custom"}:
        return VendorTool(OWN, kind, item)
    inner = tool.object(kind)
    if inner is None:
        return _function(tool) if kind == "function" else VendorTool(OWN, kind, item)
    if kind == "custom":
        return _custom(tool, inner)
    return _function(inner, tool)


def _function(function: FieldReader, outer: FieldReader | None = None) -> Tool:
    name = function.text("name")
    function.require("name", name)
    description, strict = function.text("description"), function.flag("strict")
    schema = function.raw("parameters")
    native = _native(outer, "function", function)
    return Tool(name or "", description, schema, strict, cache=cache_mark(native), native=native)


def _custom(tool: FieldReader, inner: FieldReader) -> Tool:
    name = inner.text("name")
    inner.require("name", name)
    description, grammar = inner.text("description"), _take_grammar(inner)
    native = _native(tool, "custom", inner)
    return Tool(name or "", description, kind=ToolKind.CUSTOM, native=native, grammar=grammar)


def _take_grammar(inner: FieldReader) -> Grammar | None:
    try:
        found = _decode_grammar(inner.rest().get("format", b""))
    except InvalidJSON:
        return None
    inner.raw("format")
    return Grammar(found.grammar.syntax, found.grammar.definition)


def _native(outer: FieldReader | None, kind: str, inner: FieldReader) -> dict[str, Raw]:
    """Keep what is left over: the outer object's fields by name, the inner object's together under its own name."""
    native = dict(outer.rest()) if outer is not None else {}
    if extra := inner.rest():
        native[kind] = encode_raw(extra)
    return native


def parse_tool_choice(value: Raw) -> ToolChoice:
    """Read `tool_choice`. Raises `InvalidRequest` for what is no choice."""
    if bytes(value).startswith(b'"'):
        text = decode_str(value)
        if text in _MODES:
            return ToolChoice(_MODES[text])
        if text.lstrip().startswith("{"):  # sent as the text of the object by some clients
            return _choice_object(Raw(text.encode()))
        raise _no_choice()
    return _choice_object(value)


def parse_function_choice(value: Raw) -> ToolChoice:
    """Read the legacy `function_call`."""
    if bytes(value).startswith(b'"'):
        return parse_tool_choice(value)
    name = FieldReader.of(value, "function_call").text("name")
    if name is None:
        raise _no_choice("function_call")
    return ToolChoice(ToolMode.REQUIRED, (name,))


def _choice_object(value: Raw) -> ToolChoice:
    choice = FieldReader.of(value, "tool_choice")
    kind = choice.text("type") or ""
    if kind in _MODES:
        return ToolChoice(_MODES[kind])
    if kind == "allowed_tools":
        return _allowed(choice)
    if kind not in _NAMED:
        raise _no_choice()
    name = _name_of(choice, kind)
    if name is None:
        raise _no_choice()
    return ToolChoice(ToolMode.REQUIRED, (name,))


def _allowed(choice: FieldReader) -> ToolChoice:
    allowed = choice.object("allowed_tools") or choice
    mode = _MODES.get(allowed.text("mode") or "auto")
    if mode is None:
        raise _no_choice()
    path = allowed.path_of("tools")
    tools = [FieldReader.of(item, f"{path}[{place}]") for place, item in enumerate(allowed.items("tools") or ())]
    names = [_name_of(tool, tool.text("type") or "function") for tool in tools]
    return ToolChoice(mode, tuple(name for name in names if name), native={"type": Raw(b'"allowed_tools"')})


def _name_of(tool: FieldReader, kind: str) -> str | None:
    inner = tool.object(kind) if kind != "tool" else None
    return (inner or tool).text("name")


def _no_choice(param: str = "tool_choice") -> InvalidRequest:
    return InvalidRequest(f'{param} must be "none", "auto", "required" or an object that names a tool.', param=param)
