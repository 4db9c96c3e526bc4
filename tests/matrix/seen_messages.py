"""Reads request bodies of Anthropic Messages."""

from typing import Any

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Call
from tests.matrix.seen import Json, Seen, SeenResult, SeenTurn, merged

_decode: jsonc.Decoder[Json] = jsonc.Decoder(Json)


def read_messages(body: bytes) -> Seen:
    """Read a body of `POST /v1/messages`."""
    fields = _decode(body)
    choice = fields.get("tool_choice") or {}
    form = (fields.get("output_config") or {}).get("format") or {}
    return Seen(
        turns=merged(_turn(message) for message in fields["messages"]),
        system=_text(fields.get("system")),
        tools={tool["name"]: tool["input_schema"] for tool in fields.get("tools", [])},
        choice=choice["name"]
        if choice.get("type") == "tool"
        else {"any": "any", "none": "none"}.get(choice.get("type", ""), ""),
        schema=form.get("schema"),
        stop=tuple(fields.get("stop_sequences") or ()),
        max_tokens=fields["max_tokens"],
        thinks=(fields.get("thinking") or {}).get("type") in {"enabled", "adaptive"},
    )


def _turn(message: Json) -> SeenTurn:
    turn = SeenTurn(message["role"])
    content = message["content"]
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        turn.join(_block(message["role"], block))
    return turn


def _block(role: str, block: Json) -> SeenTurn:
    match block["type"]:
        case "text":
            return SeenTurn(role, text=block["text"])
        case "image":
            return SeenTurn(role, pictures=_pictures([block]))
        case "tool_use":
            return SeenTurn(role, calls=[Call(block["name"], block["input"], block["id"])])
        case "thinking":
            return SeenTurn(role, thinking=block["thinking"], signatures=[block["signature"]])
        case "tool_result":
            content = block.get("content")
            result = SeenResult(block["tool_use_id"], _text(content), block.get("is_error") is True)
            return SeenTurn(role, results=[result], pictures=_pictures(content))
        case kind:
            raise AssertionError(f"a block of type {kind}")


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _pictures(content: Any) -> list[str]:
    blocks = content if isinstance(content, list) else []
    sources = [block["source"] for block in blocks if block["type"] == "image"]
    assert all(source["type"] == "base64" and source["media_type"] == "image/png" for source in sources)
    return [source["data"] for source in sources]
