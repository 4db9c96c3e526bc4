"""Reads request bodies of Chat Completions and Responses."""

from collections.abc import Iterator
from typing import Any

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Call
from tests.matrix.seen import Json, Seen, SeenResult, SeenTurn, data_of, merged

_decode: jsonc.Decoder[Json] = jsonc.Decoder(Json)


def read_chat(body: bytes) -> Seen:
    """Read a body of `POST /chat/completions`."""
    fields = _decode(body)
    messages = fields["messages"]
    system = [message for message in messages if message["role"] in {"system", "developer"}]
    spoken = [message for message in messages if message not in system]
    form = fields.get("response_format") or {}
    stop = fields.get("stop") or ()
    return Seen(
        turns=merged(_chat_turn(message) for message in spoken),
        system="\n".join(_text(message["content"]) for message in system),
        tools={tool["function"]["name"]: tool["function"]["parameters"] for tool in fields.get("tools", [])},
        choice=_choice(fields.get("tool_choice"), lambda choice: choice["function"]["name"]),
        schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        max_tokens=fields.get("max_completion_tokens", fields.get("max_tokens")),
        thinks=fields.get("reasoning_effort") not in {None, "none"},
    )


def read_responses(body: bytes) -> Seen:
    """Read a body of `POST /responses`."""
    fields = _decode(body)
    given = fields["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    form = (fields.get("text") or {}).get("format") or {}
    system = [item for item in items if item.get("role") in {"system", "developer"}]
    first = [fields["instructions"]] if fields.get("instructions") else []
    return Seen(
        turns=merged(turn for item in items if item not in system for turn in _item_turns(item)),
        system="\n".join([*first, *(_text(item["content"]) for item in system)]),
        tools={tool["name"]: tool["parameters"] for tool in fields.get("tools", [])},
        choice=_choice(fields.get("tool_choice"), lambda choice: choice["name"]),
        schema=form["schema"] if form.get("type") == "json_schema" else None,
        stop=(),
        max_tokens=fields.get("max_output_tokens"),
        thinks=(fields.get("reasoning") or {}).get("effort") not in {None, "none"},
    )


def _choice(choice: Any, name: Any) -> str:
    if isinstance(choice, dict):
        return str(name(choice))
    return {"required": "any", "none": "none"}.get(choice, "")


def _chat_turn(message: Json) -> SeenTurn:
    if message["role"] == "tool":
        return SeenTurn("user", results=[_result(message["tool_call_id"], message["content"])])
    content = message.get("content")
    calls = message.get("tool_calls") or []
    return SeenTurn(
        message["role"],
        text=_text(content),
        pictures=_pictures(content),
        calls=[_call(call["function"], call["id"]) for call in calls],
        thinking=message.get("reasoning_content") or "",
        signatures=list(_chat_signatures(message)),
    )


def _chat_signatures(message: Json) -> Iterator[str]:
    for detail in message.get("reasoning_details") or []:
        if detail.get("signature"):
            yield detail["signature"]
    for call in message.get("tool_calls") or []:
        google = (call.get("extra_content") or {}).get("google") or {}
        if google.get("thought_signature"):
            yield google["thought_signature"]


def _item_turns(item: Json) -> Iterator[SeenTurn]:
    kind = item.get("type", "message")
    if kind == "message":
        yield SeenTurn(item["role"], text=_text(item["content"]), pictures=_pictures(item["content"]))
    elif kind == "function_call":
        yield SeenTurn("assistant", calls=[_call(item, item["call_id"])])
    elif kind == "function_call_output":
        output = item["output"]
        yield SeenTurn("user", results=[_result(item["call_id"], output)], pictures=_pictures(output))
    elif kind == "reasoning":
        secret = item.get("encrypted_content")
        words = "".join(part["text"] for part in [*item["summary"], *(item.get("content") or [])])
        yield SeenTurn("assistant", thinking=words, signatures=[secret] if secret else [])
    else:
        raise AssertionError(f"an item of type {kind}")


def _result(call_id: str, content: Any) -> SeenResult:
    text = _text(content)
    return SeenResult(call_id, text, failed=text.startswith("ERROR: "))


def _call(function: Json, call_id: str) -> Call:
    return Call(function["name"], _decode(function["arguments"]), call_id)


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part["text"] for part in content if "text" in part)


def _pictures(content: Any) -> list[str]:
    if content is None or isinstance(content, str):
        return []
    found = [part["image_url"] for part in content if "image_url" in part]
    return [data_of(url if isinstance(url, str) else url["url"]) for url in found]
