"""Renders conversations for Gemini and has the official SDK's types judge the bodies."""

import itertools
from collections.abc import Sequence
from typing import Any

from google.genai import types

from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.protocol import RenderedRequest, Target
from freetheai_gateway.domain.conversation import (
    Conversation,
    Part,
    Role,
    Text,
    Tool,
    Turn,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.jsonc import decode_any, encode_raw

Body = dict[str, Any]

HELLO = Turn(Role.USER, (Text("hello"),))
NEW, OLD = "gemini-3-pro-preview", "gemini-2.5-flash"
WEATHER = Tool("get_weather", "Tells it.", encode_raw({"type": "object", "properties": {"city": {"type": "string"}}}))


def rendered(conversation: Conversation, model: str = NEW, **target: Any) -> RenderedRequest:
    """Render for a model."""
    return Gemini().render(conversation, Target(model, **{"quirks": Quirks(), **target}))


def body_of(conversation: Conversation, model: str = NEW, **target: Any) -> Body:
    """Render, have the SDK judge it, and decode."""
    body = decode_any(rendered(conversation, model, **target).body)
    assert isinstance(body, dict)
    check(body)
    return body


def check(body: Body) -> None:
    """Judge a body by the SDK's types, which forbid unknown fields, and by the documented order of contents."""
    assert body.keys() <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    for content in body["contents"]:
        types.Content.model_validate(content)
        assert content["parts"]
    types.Content.model_validate(body.get("systemInstruction", {}))
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    check_order(body["contents"])


def check_order(contents: Sequence[Body]) -> None:
    """Roles alternate, and every call is answered by the content after it, by id and name, responses first."""
    roles = [content["role"] for content in contents]
    assert all(first != second for first, second in itertools.pairwise(roles))
    waiting: list[tuple[str, str]] = []
    seen: set[str] = set()
    for content in contents:
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        responses = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        assert sorted((found["id"], found["name"]) for found in responses) == sorted(waiting)
        assert ["functionResponse" in part for part in content["parts"]][: len(responses)] == [True] * len(responses)
        assert all(isinstance(found["response"], dict) for found in responses)
        assert all(isinstance(found["args"], dict) for found in calls)
        waiting = [(found["id"], found["name"]) for found in calls]
        assert not seen & {found["id"] for found in calls}
        seen |= {found["id"] for found in calls}
    assert not waiting


def talk(*turns: Turn, **fields: Any) -> Conversation:
    """Build a conversation."""
    return Conversation("alias", turns or (HELLO,), **fields)


def user(*parts: Part) -> Turn:
    """Build a user's turn."""
    return Turn(Role.USER, parts)


def model(*parts: Part) -> Turn:
    """Build a turn of the model."""
    return Turn(Role.ASSISTANT, parts)


def config_of(name: str = NEW, *, target: Any = None, **fields: Any) -> Body:
    """Render a short conversation and give its `generationConfig`."""
    found = body_of(talk(**fields), name, **(target or {})).get("generationConfig", {})
    assert isinstance(found, dict)
    return found
