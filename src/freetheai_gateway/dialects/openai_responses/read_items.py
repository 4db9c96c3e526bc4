"""Input items of a request, read into turns. No type of item is an error: unknown ones are kept for their vendor.

Calls of tools that this dialect has a form of its own for (`local_shell_call` and its kin) are read as calls of a
function where their output is there too; alone they would be calls without a result, which other dialects refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from freetheai_gateway.dialects.openai_responses.content import read_content
from freetheai_gateway.dialects.openai_responses.fields import (
    native_of,
    read_entry,
    read_list,
    require_entries,
    require_str,
    take_str,
)
from freetheai_gateway.dialects.openai_responses.marks import ITEM, MESSAGE
from freetheai_gateway.dialects.openai_responses.read_tools import read_tools
from freetheai_gateway.dialects.openai_responses.reasoning import OWN, pack, read_minted
from freetheai_gateway.dialects.openai_responses.turns import Turns
from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, InvalidJSON, Raw, decode_str, encode_raw

MAX_ITEMS = 100_000

_ROLES = {role.value: role for role in Role}
_CALLS: Mapping[str, tuple[str, str]] = {
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
    "tool_search_call": ("tool_search", "arguments"),
}
"""Items that are calls of a tool with a form of its own: the tool's name, the field with its arguments."""

_OUTPUTS: Mapping[str, str] = {
    "local_shell_call_output": "output",
    "shell_call_output": "output",
    "apply_patch_call_output": "output",
    "tool_search_output": "tools",
}
"""Their outputs, and the field with the result."""


@dataclass(frozen=True, slots=True)
class Item:
    """An input item, split into its fields."""

    type: str
    fields: Fields
    raw: Raw
    where: str

    def call_id(self) -> str:
        """Name the call; the output of `local_shell` has it as `id`."""
        fields = dict(self.fields)
        return take_str(fields, "call_id") or take_str(fields, "id") or ""


class ItemReader:
    """Reads all items of one request."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._pairs: frozenset[str] = frozenset()
        self._call_signature: str | None = None
        self.tools: list[Tool] = []
        """What `additional_tools` and `tool_search_output` items brought to call; the vendor's own stay in the item."""

    def read(self, entries: Sequence[Raw]) -> None:
        """Read the items in their order. Raises `InvalidRequest` for a documented item that lacks what it needs."""
        if len(entries) > MAX_ITEMS:
            raise InvalidRequest(f"input has more than {MAX_ITEMS} items.", param="input")
        items = [_split(entry, f"input[{index}]") for index, entry in enumerate(entries)]
        self._pairs = _pairs(items)
        for item in items:
            self._READERS.get(item.type, ItemReader._other)(self, item)

    def _message(self, item: Item) -> None:
        fields = item.fields
        role = _ROLES.get(require_str(fields, "role", item.where))
        if role is None:
            place = f"{item.where}.role"
            raise InvalidRequest(f"{place} must be one of {', '.join(_ROLES)}.", param=place)
        parts = _read_message_content(fields.pop("content", None), role, f"{item.where}.content")
        envelope = native_of(fields)
        if not parts:
            self._turns.opaque(Opaque(OWN, "message", item.raw))
        elif role is Role.ASSISTANT:
            self._turns.said(_with_mark(parts[0], envelope), *parts[1:])
        else:
            self._turns.message(role, parts, envelope)

    def _reasoning(self, item: Item) -> None:
        fields = item.fields
        summary, content = _texts(fields.get("summary")), _texts(fields.get("content"))
        text, is_summary = "\n\n".join(summary or content), bool(summary)
        encrypted = take_str(fields, "encrypted_content")
        if encrypted is None:
            if text:
                self._turns.said(Thinking(text, summary=is_summary, native=native_of(fields)))
            else:
                self._other(item)
            return
        minted = read_minted(encrypted)
        if minted is None:
            signature = pack(take_str(fields, "id"), encrypted)
            self._turns.said(Thinking(text, signature, OWN, is_summary, native_of(fields)))
        elif minted.of_call:
            self._call_signature = minted.payload
        elif minted.redacted:
            self._turns.said(RedactedThinking(minted.payload, minted.vendor))
        else:
            self._turns.said(Thinking(text, minted.payload or None, minted.vendor, is_summary))

    def _call(self, item: Item) -> None:
        kind, name_of_input = _CALL_KINDS[item.type]
        fields = item.fields
        call = ToolCall(
            id=require_str(fields, "call_id", item.where),
            name=require_str(fields, "name", item.where),
            arguments=require_str(fields, name_of_input, item.where),
            kind=kind,
            namespace=take_str(fields, "namespace") or "",
            signature=self._call_signature,
            native=native_of(fields),
        )
        self._call_signature = None
        self._turns.said(call)

    def _output(self, item: Item) -> None:
        fields = item.fields
        call_id = require_str(fields, "call_id", item.where)
        parts = _read_output(fields.pop("output", None))
        kind = ToolKind.CUSTOM if item.type.startswith("custom") else ToolKind.FUNCTION
        self._turns.result(ToolResult(call_id, parts, kind=kind, native=native_of(fields)))

    def _special_call(self, item: Item) -> None:
        if item.call_id() not in self._pairs:
            self._other(item)
            return
        name, field = _CALLS[item.type]
        arguments = bytes(item.fields.get(field, b"{}")).decode()
        self._turns.said(ToolCall(item.call_id(), name, arguments, native={ITEM: item.raw}))

    def _special_output(self, item: Item) -> None:
        self._lift(item)
        if item.call_id() not in self._pairs:
            self._other(item)
            return
        result = ToolResult(
            item.call_id(),
            (Text(_as_text(item.fields.get(_OUTPUTS[item.type])), as_plain=True),),
            is_error=bytes(item.fields.get("status", b"")) == b'"failed"',
            native={ITEM: item.raw},
        )
        self._turns.result(result)

    def _additional_tools(self, item: Item) -> None:
        self._lift(item)
        self._other(item)

    def _lift(self, item: Item) -> None:
        if item.type in {"additional_tools", "tool_search_output"}:
            found = read_tools(read_list(item.fields.get("tools")) or ())
            self.tools += [tool for tool in found if isinstance(tool, Tool)]

    def _other(self, item: Item) -> None:
        self._turns.opaque(Opaque(OWN, item.type or "unknown", item.raw))

    _READERS: ClassVar[Mapping[str, Callable[["ItemReader", Item], None]]] = {
        "message": _message,
        "reasoning": _reasoning,
        "function_call": _call,
        "custom_tool_call": _call,
        "function_call_output": _output,
        "custom_tool_call_output": _output,
        "additional_tools": _additional_tools,
        **dict.fromkeys(_CALLS, _special_call),
        **dict.fromkeys(_OUTPUTS, _special_output),
    }
    """By the item's type. One table for all readers: one of bound methods would be a circle in each."""


_CALL_KINDS = {
    "function_call": (ToolKind.FUNCTION, "arguments"),
    "custom_tool_call": (ToolKind.CUSTOM, "input"),
}


def _split(entry: Raw, where: str) -> Item:
    """Split an item; a message may come without a type, and keeps it among its fields where it has one."""
    fields = read_entry(entry)
    if fields is None:
        return Item("", {}, entry, where)
    value = fields.get("type")
    kind = take_str(fields, "type")
    if kind == "message" and value is not None:
        fields["type"] = value
    if kind is None and "role" in fields:
        kind = "message"
    return Item(kind or "", fields, entry, where)


def _pairs(items: Sequence[Item]) -> frozenset[str]:
    calls = {item.call_id() for item in items if item.type in _CALLS}
    outputs = {item.call_id() for item in items if item.type in _OUTPUTS}
    return frozenset(calls & outputs) - {""}


def _read_message_content(value: Raw | None, role: Role, where: str) -> list[Part]:
    if value is None or bytes(value) == b"null":
        return []
    if bytes(value).startswith(b'"'):
        fields = {"content": value}
        return [Text(require_str(fields, "content", where.removesuffix(".content")), as_plain=True)]
    return list(read_content(require_entries(value, where), role))


def _with_mark(part: Part, envelope: Fields) -> Part:
    mark = {MESSAGE: encode_raw(envelope)}
    if isinstance(part, Opaque):
        return part
    return replace(part, native={**getattr(part, "native", {}), **mark})


def _read_output(value: Raw | None) -> tuple[Part, ...]:
    entries = read_list(value)
    if entries is not None:
        return tuple(read_content(entries, Role.USER))
    return (Text(_as_text(value), as_plain=True),)


def _as_text(value: Raw | None) -> str:
    """Give a string as it is, any other JSON as its text, nothing as nothing."""
    if value is None or bytes(value) == b"null":
        return ""
    if bytes(value).startswith(b'"'):
        try:
            return decode_str(value)
        except InvalidJSON:
            return ""
    return bytes(value).decode()


def _texts(value: Raw | None) -> list[str]:
    found = []
    for entry in read_list(value) or ():
        fields = read_entry(entry)
        text = take_str(fields, "text") if fields is not None else None
        if text:
            found.append(text)
    return found
