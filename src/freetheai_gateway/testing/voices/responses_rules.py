"""What Responses refuses. Source: OpenAI API reference, "Create a model response"."""

from collections.abc import Iterator

from freetheai_gateway.testing.voices.tool_rules import not_offered, schema_faults
from freetheai_gateway.testing.voices.voice import Object, decode_object, names, objects, unknown

_FIELDS = names(
    "model input instructions tools tool_choice parallel_tool_calls max_output_tokens max_tool_calls temperature top_p"
    " top_logprobs stream stream_options reasoning text include store metadata previous_response_id conversation"
    " truncation background service_tier prompt prompt_cache_key prompt_cache_options prompt_cache_retention user"
    " safety_identifier context_management moderation"
)
_INPUT = {"input_text", "input_image", "input_file"}
_PARTS = {
    "user": _INPUT,
    "system": _INPUT,
    "developer": _INPUT,
    "assistant": {"output_text", "refusal"},
}
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}


def complaints(body: bytes) -> list[str]:
    """List what is wrong with a request."""
    fields = decode_object(body)
    found = unknown("request", fields, _FIELDS)
    if isinstance(fields.get("input"), str):
        return found
    items = objects(fields.get("input"))
    if not items:
        found.append("input: empty")
    return [*found, *_items(items), *_tools(objects(fields.get("tools"))), *_choice(fields)]


def _choice(fields: Object) -> list[str]:
    choice = fields.get("tool_choice")
    if not isinstance(choice, dict):
        return []
    named = objects(choice.get("tools")) if choice.get("type") == "allowed_tools" else [choice]
    return not_offered([one.get("name") for one in named], [tool.get("name") for tool in objects(fields.get("tools"))])


def _items(items: list[Object]) -> Iterator[str]:
    calls: set[object] = set()
    answered: set[object] = set()
    for index, item in enumerate(items):
        place, kind = f"input[{index}]", str(item.get("type", "message"))
        if kind == "message":
            yield from _message(place, item)
        elif kind in _CALLS:
            calls.add(item.get("call_id"))
            if not isinstance(item.get("arguments", item.get("input")), str):
                yield f"{place}: arguments must be a string"
        elif kind in _CALLS.values():
            answered.add(item.get("call_id"))
            if item.get("call_id") not in calls:
                yield f"{place}: no tool call found for call_id {item.get('call_id')}"
        elif kind == "reasoning":
            if not isinstance(item.get("summary"), list):
                yield f"{place}.summary: required"
        else:
            yield f"{place}: unknown item {kind}"
    yield from (f"input: no tool output found for call {call}" for call in sorted(map(str, calls - answered)))


def _message(place: str, item: Object) -> Iterator[str]:
    role, content = str(item.get("role")), item.get("content")
    if role not in _PARTS:
        yield f"{place}: unknown role {role}"
    elif isinstance(content, list):
        kinds = {str(part.get("type")) for part in objects(content)}
        yield from (f"{place}.content: no {kind} for role {role}" for kind in sorted(kinds - _PARTS[role]))
    elif not isinstance(content, str):
        yield f"{place}.content: required"


def _tools(tools: list[Object]) -> Iterator[str]:
    for index, tool in enumerate(tools):
        if tool.get("type") == "function" and not isinstance(tool.get("name"), str):
            yield f"tools[{index}].name: required"
        if tool.get("type") == "function":
            yield from schema_faults(f"tools[{index}]", tool.get("parameters"), complete=True)
