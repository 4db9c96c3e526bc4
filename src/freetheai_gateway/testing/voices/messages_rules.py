"""What Messages refuses. Source: Anthropic API reference, "Messages", "Tool use", "Extended thinking"."""

import re
from collections.abc import Iterator

from freetheai_gateway.testing.voices.tool_rules import not_offered, schema_faults
from freetheai_gateway.testing.voices.voice import Object, decode_object, names, objects, unknown

_FIELDS = names(
    "model messages max_tokens system stop_sequences temperature top_p top_k stream metadata service_tier"
    " inference_geo container cache_control thinking output_config tools tool_choice"
)
_USER = {"text", "image", "document", "search_result", "tool_result"}
_ASSISTANT = {"text", "thinking", "redacted_thinking", "tool_use"}
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_MINIMUM_BUDGET_TOKENS = 1024
_MAX_CACHE_MARKS = 4
_NO_PREFILL = re.compile(r"claude-(opus|sonnet|haiku|fable)-(4-[6-9]|5)")


def complaints(body: bytes) -> list[str]:
    """List what is wrong with a request."""
    fields = decode_object(body)
    found = unknown("request", fields, _FIELDS)
    if not isinstance(fields.get("max_tokens"), int):
        found.append("max_tokens: Field required")
    found += _blank("system", fields.get("system"))
    messages = objects(fields.get("messages"))
    if not messages:
        found.append("messages: at least one message is required")
    if messages and messages[-1].get("role") != "user" and _NO_PREFILL.match(str(fields.get("model"))):
        found.append("messages: the conversation must end with a user message")
    return [*found, *_messages(messages), *_thinking(fields), *_tools(fields), *_cache(fields)]


def _tools(fields: Object) -> Iterator[str]:
    tools = objects(fields.get("tools"))
    offered = [tool.get("name") for tool in tools]
    if len(set(map(str, offered))) < len(offered):
        yield "tools: Tool names must be unique"
    for tool in tools:
        yield from schema_faults(f"tools.{tool.get('name')}", tool.get("input_schema"), complete=False)
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "tool":
        yield from not_offered([choice.get("name")], offered)


def _cache(fields: Object) -> Iterator[str]:
    blocks = [block for message in objects(fields.get("messages")) for block in objects(message.get("content"))]
    inner = [found for block in blocks for found in objects(block.get("content"))]
    marked = [*objects(fields.get("tools")), *objects(fields.get("system")), *blocks, *inner]
    count = sum("cache_control" in block for block in marked)
    if count > _MAX_CACHE_MARKS:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {count}."


def _messages(messages: list[Object]) -> Iterator[str]:
    open_calls: list[object] = []
    for index, message in enumerate(messages):
        place, content = f"messages.{index}", message.get("content")
        role = message.get("role")
        if role not in {"user", "assistant"}:
            yield f"{place}: Unexpected role {role}"
        if not content:
            yield f"{place}: content is empty"
        yield from _blank(place, content)
        blocks = objects(content)
        kinds = [str(block.get("type")) for block in blocks]
        known = _USER if role == "user" else _ASSISTANT
        yield from (f"{place}: no {kind} block in a {role} message" for kind in kinds if kind not in known)
        results = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        if sorted(map(str, results)) != sorted(map(str, open_calls)):
            yield f"{place}: tool_result blocks {results} do not answer the tool_use blocks {open_calls} before"
        if results and kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
            yield f"{place}: tool_result blocks must come first"
        uses = [block for block in blocks if block.get("type") == "tool_use"]
        open_calls = [use.get("id") for use in uses]
        yield from _uses(place, uses)
    if open_calls:
        yield "messages: tool_use ids were found without tool_result blocks"


def _uses(place: str, uses: list[Object]) -> Iterator[str]:
    ids = [str(use.get("id")) for use in uses]
    if len(set(ids)) != len(ids):
        yield f"{place}: tool_use ids must be unique"
    yield from (f"{place}: tool_use id {one} has bad characters" for one in ids if not _ID.fullmatch(one))
    yield from (f"{place}: tool_use.input is no object" for use in uses if not isinstance(use.get("input"), dict))


def _blank(place: str, content: object) -> list[str]:
    found = []
    if isinstance(content, str) and not content.strip():
        found.append(f"{place}: text content blocks must contain non-whitespace text")
    for block in objects(content):
        if block.get("type") == "text" and not str(block.get("text")).strip():
            found.append(f"{place}: text content blocks must contain non-whitespace text")
        if block.get("type") == "tool_result":
            found += [text for text in _blank(place, block.get("content")) if isinstance(block["content"], list)]
    return found


def _thinking(fields: Object) -> Iterator[str]:
    thinking = fields.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") not in {"enabled", "adaptive"}:
        return
    if fields.get("temperature") not in {None, 1}:
        yield "temperature: may only be set to 1 when thinking is enabled"
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in {"any", "tool"}:
        yield "thinking: may not be enabled when tool_choice forces tool use"
    if thinking["type"] == "enabled":
        budget, cap = thinking.get("budget_tokens"), fields.get("max_tokens")
        if not isinstance(budget, int) or budget < _MINIMUM_BUDGET_TOKENS:
            yield "thinking.budget_tokens: must be at least 1024"
        elif isinstance(cap, int) and cap <= budget:
            yield "max_tokens: must be greater than thinking.budget_tokens"
