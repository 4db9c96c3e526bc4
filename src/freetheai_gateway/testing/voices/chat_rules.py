"""What Chat Completions refuses. Source: OpenAI API reference, "Create chat completion"."""

from collections.abc import Iterator

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.tool_rules import not_offered, schema_faults
from freetheai_gateway.testing.voices.voice import Object, decode_object, names, objects, unknown

_FIELDS = names(
    "model messages max_completion_tokens max_tokens temperature top_p presence_penalty frequency_penalty stop n seed"
    " logprobs top_logprobs logit_bias stream stream_options tools tool_choice parallel_tool_calls functions"
    " function_call response_format reasoning_effort verbosity modalities audio prediction web_search_options"
    " moderation store metadata service_tier user safety_identifier prompt_cache_key prompt_cache_options"
    " prompt_cache_retention"
)
_PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
_MAX_STOPS = 4


def complaints(body: bytes) -> list[str]:
    """List what is wrong with a request."""
    fields = decode_object(body)
    found = unknown("request", fields, _FIELDS)
    if "stream_options" in fields and fields.get("stream") is not True:
        found.append("stream_options: only allowed when stream is enabled")
    if "parallel_tool_calls" in fields and not fields.get("tools"):
        found.append("parallel_tool_calls: only allowed when tools are specified")
    if "tool_choice" in fields and not fields.get("tools"):
        found.append("tool_choice: only allowed when tools are specified")
    stop = fields.get("stop")
    if isinstance(stop, list) and len(stop) > _MAX_STOPS:
        found.append("stop: at most 4")
    messages = objects(fields.get("messages"))
    if not messages:
        found.append("messages: empty")
    return [*found, *_messages(messages), *_tools(fields)]


def _tools(fields: Object) -> Iterator[str]:
    functions = objects([tool.get("function") for tool in objects(fields.get("tools"))])
    for function in functions:
        yield from schema_faults(f"tools.{function.get('name')}", function.get("parameters"), complete=True)
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and isinstance(chosen := choice.get("function"), dict):
        yield from not_offered([chosen.get("name")], [function.get("name") for function in functions])


def _messages(messages: list[Object]) -> Iterator[str]:
    open_calls: set[object] = set()
    for index, message in enumerate(messages):
        place, role = f"messages[{index}]", str(message.get("role"))
        if role not in _PARTS:
            yield f"{place}: unknown role {role}"
            continue
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield f"{place}: a tool message must answer a call of the message before it"
            open_calls.discard(message.get("tool_call_id"))
        elif open_calls:
            yield f"{place}: an assistant message with tool_calls must be followed by tool messages"
            open_calls = set()
        yield from _content(place, role, message)
        if role == "assistant":
            open_calls = {call.get("id") for call in objects(message.get("tool_calls"))}
            yield from _calls(place, message)
    if open_calls:
        yield "messages: the last calls have no results"


def _content(place: str, role: str, message: Object) -> Iterator[str]:
    content = message.get("content")
    if content is None and role == "assistant" and (message.get("tool_calls") or message.get("refusal")):
        return
    if content is None:
        yield f"{place}.content: required"
    if isinstance(content, list):
        kinds = {str(part.get("type")) for part in objects(content)}
        yield from (f"{place}.content: no {kind} in a {role} message" for kind in sorted(kinds - _PARTS[role]))


def _calls(place: str, message: Object) -> Iterator[str]:
    for call in objects(message.get("tool_calls")):
        function = call.get("function")
        if call.get("type") != "function" or not isinstance(function, dict):
            yield f"{place}.tool_calls: no function"
            continue
        try:
            jsonc.decode_any(str(function.get("arguments")))
        except jsonc.InvalidJSON:
            yield f"{place}.tool_calls: arguments are no JSON"
