"""A client's messages as turns: tool messages that follow each other become the results of one user turn."""

from freetheai_gateway.dialects.openai_chat.call_ids import CallIds
from freetheai_gateway.dialects.openai_chat.fields import FieldReader
from freetheai_gateway.dialects.openai_chat.parse_parts import parse_content
from freetheai_gateway.dialects.openai_chat.reasoning import (
    OWN,
    read_details,
    thinking_of_history,
    thought_signature,
)
from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    Refusal,
    Role,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
    Turn,
)
from freetheai_gateway.domain.conversation import RedactedThinking as Redacted
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, Raw, encode_raw

CALL_PREFIX = "tool_calls."
"""Begins the kind of an entry of `tool_calls` that is neither a function nor a custom tool."""
REASONING_FIELDS = ("reasoning_details", "reasoning_content", "reasoning")


def parse_messages(messages: list[Raw]) -> tuple[Turn, ...]:
    """Read all messages."""
    reader = _MessageReader()
    for place, message in enumerate(messages):
        reader.read(FieldReader.of(message, f"messages[{place}]"))
    return reader.turns()


class _MessageReader:
    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._results: list[Part] = []
        self._ids = CallIds()

    def read(self, message: FieldReader) -> None:
        role = message.text("role")
        message.require("role", role)
        match role:
            case "tool":
                self._results.append(self._tool_result(message))
                return
            case "function":
                self._results.append(self._function_result(message))
                return
            case "assistant":
                turn = self._assistant(message)
            case "system" | "developer" | "user":
                parts = parse_content(message)
                turn = Turn(Role(role), parts, message.text("name"), message.rest())
            case _:
                path = message.path_of("role")
                raise InvalidRequest(f"{path} must be one of system, developer, user, assistant, tool.", param=path)
        self._end_results()
        self._turns.append(turn)

    def turns(self) -> tuple[Turn, ...]:
        self._end_results()
        return tuple(self._turns)

    def _end_results(self) -> None:
        if self._results:
            self._turns.append(Turn(Role.USER, tuple(self._results)))
            self._results = []

    def _tool_result(self, message: FieldReader) -> ToolResult:
        call_id, kind = self._ids.result(message.text("tool_call_id") or "")
        parts = parse_content(message)
        return ToolResult(call_id, parts, kind=kind, native=message.rest())

    def _function_result(self, message: FieldReader) -> ToolResult:
        name = message.text("name") or ""
        parts = parse_content(message)
        native = {**message.rest(), "role": Raw(b'"function"'), "name": encode_raw(name)}
        return ToolResult(self._ids.result_of(name), parts, native=native)

    def _assistant(self, message: FieldReader) -> Turn:
        self._ids.begin_turn()
        parts = [*parse_content(message)]
        refusal = message.text("refusal")
        if refusal is not None:
            parts.append(Refusal(refusal))
        path = message.path_of("tool_calls")
        calls = message.items("tool_calls") or []
        parts += [self._call(call, f"{path}[{place}]") for place, call in enumerate(calls)]
        if (legacy := message.object("function_call")) is not None:
            parts.append(self._legacy_call(legacy))
        name = message.text("name")
        native = message.rest()
        return Turn(Role.ASSISTANT, (*_reasoning(native), *parts), name, native)

    def _call(self, item: Raw, path: str) -> ToolCall | Opaque:
        call = FieldReader.of(item, path)
        kind = call.text("type") or "function"
        if kind not in {"function", "custom"}:
            return Opaque(OWN, CALL_PREFIX + kind, item)
        given = call.text("id") or ""
        inner = call.object(kind)
        call.require(kind, inner)
        assert inner is not None
        name = inner.text("name")
        inner.require("name", name)
        arguments = _arguments(inner) if kind == "function" else inner.text("input") or ""
        tool_kind = ToolKind(kind)
        native = call.rest()
        if extra := inner.rest():
            native = {**native, kind: encode_raw(extra)}
        call_id = self._ids.call(given, name or "", tool_kind)
        signature = thought_signature(native.get("extra_content"))
        return ToolCall(call_id, name or "", arguments, tool_kind, signature=signature, native=native)

    def _legacy_call(self, call: FieldReader) -> ToolCall:
        name = call.text("name") or ""
        call_id = self._ids.call("", name, ToolKind.FUNCTION)
        return ToolCall(call_id, name, _arguments(call), native={"function_call": encode_raw(call.rest())})


def _arguments(call: FieldReader) -> str:
    """Take `arguments`: JSON text; some clients send the object itself."""
    if call.kind("arguments") in {"{", "["}:
        return bytes(call.raw("arguments") or b"").decode()
    return call.text("arguments") or ""


def _reasoning(native: Fields) -> list[Thinking | Redacted]:
    """Read the reasoning of a message; the fields stay native, for an upstream of this dialect."""
    fields = FieldReader(native)
    details = read_details(native["reasoning_details"]) if fields.kind("reasoning_details") == "[" else []
    plain = next((fields.text(name) for name in REASONING_FIELDS[1:] if fields.kind(name) == '"'), None)
    return thinking_of_history(details, plain or "")
