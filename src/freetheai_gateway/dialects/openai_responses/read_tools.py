"""`tools` and `tool_choice` of a request. Namespaces are flattened: each tool carries the name of its own."""

from collections.abc import Sequence

from freetheai_gateway.dialects.openai_responses.fields import (
    native_of,
    read_entry,
    read_list,
    take_bool,
    take_object,
    take_str,
)
from freetheai_gateway.dialects.openai_responses.reasoning import OWN
from freetheai_gateway.dialects.tool_names import flat_name
from freetheai_gateway.domain.conversation import (
    Grammar,
    Tool,
    ToolChoice,
    ToolKind,
    ToolMode,
    VendorTool,
)
from freetheai_gateway.jsonc import Fields, InvalidJSON, Raw, decode_str

_KINDS = {"function": ToolKind.FUNCTION, "custom": ToolKind.CUSTOM}
_MODES = {"auto": ToolMode.AUTO, "none": ToolMode.NONE, "required": ToolMode.REQUIRED}


def read_tools(entries: Sequence[Raw]) -> list[Tool | VendorTool]:
    """Read tools; what is neither a function nor a custom tool is kept for its vendor."""
    tools: list[Tool | VendorTool] = []
    for entry in entries:
        fields = read_entry(entry)
        kind = take_str(fields, "type") if fields is not None else None
        if fields is not None and kind == "namespace":
            tools += _read_namespace(fields) or [VendorTool(OWN, kind, entry)]
        else:
            tool = _read_tool(fields, kind) if fields is not None else None
            tools.append(tool or VendorTool(OWN, kind or "unknown", entry))
    return tools


def _read_tool(fields: Fields, kind: str | None, namespace: str = "") -> Tool | None:
    """Read a function or a custom tool; `None` where it is none or has no name."""
    known = _KINDS.get(kind or "")
    name = take_str(fields, "name")
    if known is None or not name:
        return None
    schema = fields.get("parameters") if known is ToolKind.FUNCTION else None
    if schema is not None and bytes(schema).startswith(b"{"):
        del fields["parameters"]
    else:
        schema = None
    return Tool(
        name=name,
        description=take_str(fields, "description"),
        schema=schema,
        strict=take_bool(fields, "strict"),
        kind=known,
        namespace=namespace,
        grammar=_take_grammar(fields) if known is ToolKind.CUSTOM else None,
        native=native_of(fields),
    )


def _take_grammar(fields: Fields) -> Grammar | None:
    value = fields.get("format")
    form = read_entry(value) if value is not None else None
    if form is None or take_str(form, "type") != "grammar":
        return None
    syntax, definition = take_str(form, "syntax"), take_str(form, "definition")
    if syntax is None or definition is None or form:
        return None
    del fields["format"]
    return Grammar(syntax, definition)


def _read_namespace(fields: Fields) -> list[Tool | VendorTool]:
    """Read the functions and custom tools of a namespace."""
    name = take_str(fields, "name")
    if not name:
        return []
    inner = [entry for raw in read_list(fields.get("tools")) or () if (entry := read_entry(raw)) is not None]
    return [tool for entry in inner if (tool := _read_tool(entry, take_str(entry, "type"), name)) is not None]


def read_tool_choice(value: Raw, tools: Sequence[Tool | VendorTool]) -> ToolChoice | None:
    """Read `tool_choice`; a choice among the vendor's own tools is left to the model in other dialects."""
    if bytes(value).startswith(b'"'):
        return _read_mode(value)
    fields = read_entry(value)
    if fields is None:
        return None
    native = native_of(fields)
    kind = take_str(fields, "type")
    if kind in _KINDS:
        names = _names([fields], tools)
        return ToolChoice(ToolMode.REQUIRED if names else ToolMode.AUTO, names, native)
    if kind == "allowed_tools":
        entries = [entry for raw in read_list(fields.get("tools")) or () if (entry := read_entry(raw)) is not None]
        mode = _MODES.get(take_str(fields, "mode") or "", ToolMode.AUTO)
        return ToolChoice(mode, _names(entries, tools), native)
    if kind is None and (inner := take_object(fields, "function")) is not None:
        return ToolChoice(ToolMode.REQUIRED, _names([inner], tools), native)
    return ToolChoice(ToolMode.AUTO, native=native)


def _read_mode(value: Raw) -> ToolChoice | None:
    try:
        mode = _MODES.get(decode_str(value))
    except InvalidJSON:
        return None
    return ToolChoice(mode) if mode is not None else None


def _names(entries: Sequence[Fields], tools: Sequence[Tool | VendorTool]) -> tuple[str, ...]:
    """Give flat names; a tool that is named without its namespace is found where only one can be meant."""
    names = []
    for entry in entries:
        name, namespace = take_str(entry, "name"), take_str(entry, "namespace") or ""
        if name:
            names.append(flat_name(name, namespace or _namespace_of(name, tools)))
    return tuple(names)


def _namespace_of(name: str, tools: Sequence[Tool | VendorTool]) -> str:
    found = {tool.namespace for tool in tools if isinstance(tool, Tool) and tool.name == name}
    return found.pop() if len(found) == 1 else ""
