"""A client's chat request as a conversation."""

from typing import Any

import pytest

from freetheai_gateway.domain.conversation import (
    Base64Source,
    CacheMark,
    Conversation,
    Image,
    OutputKind,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolMode,
    ToolResult,
    UrlSource,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import encode
from tests.unit.dialects.openai_chat.shared import CHAT

USER = {"role": "user", "content": "hi"}


def _parse(*messages: object, **fields: Any) -> Conversation:
    return CHAT.parse(encode({"model": "m", "messages": list(messages) or [USER], **fields}))


def test_messages_then_are_turns() -> None:
    """Tool messages that follow each other are the results of one user turn."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}}
    said = _parse(
        {"role": "developer", "content": "d"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        },
        {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
    )
    assert [turn.role for turn in said.turns] == [Role.DEVELOPER, Role.USER, Role.ASSISTANT, Role.USER]
    user, assistant, results = said.turns[1:]
    assert isinstance(user.parts[0], Text)
    assert user.parts[0].cache == CacheMark("1h")
    assert assistant.parts == (
        Thinking("r"),
        Text("", as_plain=True),
        ToolCall("a", "f", "{}"),
        ToolCall("b", "g", "x", ToolKind.CUSTOM),
    )
    assert results.parts == (
        ToolResult("b", (Text("2", as_plain=True),), kind=ToolKind.CUSTOM),
        ToolResult("a", (Text("1"),)),
    )


def test_bug_37_missing_and_doubled_ids_then_calls_and_results_still_match() -> None:
    """Ids are made up in order; of two equal ones the second is changed on both sides."""
    calls = [{"id": one, "function": {"name": "f", "arguments": "{}"}} for one in ("", "x", "x")]
    answers = [{"role": "tool", "tool_call_id": one, "content": one} for one in ("x", "x", "")]
    said = _parse(USER, {"role": "assistant", "tool_calls": calls}, *answers)
    ids = [part.id for part in said.turns[1].parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 3
    assert all(ids)
    found = [part.call_id for part in said.turns[2].parts if isinstance(part, ToolResult)]
    assert found == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://x.example/a.png", UrlSource("https://x.example/a.png")),
        ("data:image/png;base64,AAAA", Base64Source("image/png", "AAAA")),
    ],
)
def test_image_then_is_bytes_or_address(url: str, source: object) -> None:
    """Also where the client sends the address alone."""
    for image in ({"url": url, "detail": "low"}, url):
        part = _parse({"role": "user", "content": [{"type": "image_url", "image_url": image}]}).turns[0].parts[0]
        assert isinstance(part, Image)
        assert part.source == source


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(ToolMode.AUTO)),
        ("any", ToolChoice(ToolMode.REQUIRED)),
        ('{"type":"auto"}', ToolChoice(ToolMode.AUTO)),
        ({"type": "none"}, ToolChoice(ToolMode.NONE)),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(ToolMode.REQUIRED, ("f",))),
        ({"type": "function", "name": "f"}, ToolChoice(ToolMode.REQUIRED, ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice(ToolMode.REQUIRED, ("f",))),
        ({"type": "tool", "name": "f"}, ToolChoice(ToolMode.REQUIRED, ("f",))),
    ],
)
def test_bug_98_tool_choice_in_other_spellings_then_is_understood(choice: object, expected: ToolChoice) -> None:
    """The text of an object and the forms of other dialects are normalised."""
    assert _parse(tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize("choice", ["f", 7, ["auto"], {"type": "x"}, {"type": "function"}, "{", {}])
def test_bug_98_tool_choice_that_is_none_then_is_refused_by_name(choice: object) -> None:
    """A clear 400 and nothing else."""
    with pytest.raises(InvalidRequest) as refused:
        _parse(tool_choice=choice)
    assert refused.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([7], "messages[0]"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": {}}], "messages[0].content"),
        ([{"role": "user", "content": [3]}], "messages[0].content[0]"),
        ([USER, {"role": "user", "content": [{"type": "text"}]}], "messages[1].content[0].text"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0].image_url"),
        ([{"role": "assistant", "tool_calls": [{"function": {}}]}], "messages[0].tool_calls[0].function.name"),
    ],
)
def test_message_that_is_wrong_then_its_field_is_named(messages: list[object], param: str) -> None:
    """As the client would write it."""
    with pytest.raises(InvalidRequest) as refused:
        _parse(*messages)
    assert refused.value.param == param


def test_settings_then_have_their_meaning() -> None:
    """The caps, stop in both forms, format, reasoning in the forms of three vendors, and the caller's user."""
    said = _parse(
        max_tokens=5,
        max_completion_tokens=9,
        stop="x",
        temperature=1,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        safety_identifier="s",
        n=2,
        stream=True,
        stream_options={"include_usage": True},
        functions=[{"name": "f"}],
        function_call={"name": "f"},
        service_tier="flex",
        seed=None,
    )
    assert (said.sampling.max_tokens, said.sampling.stop, said.sampling.choices) == (9, ("x",), 2)
    assert said.output is not None
    assert (said.output.kind, said.output.name, said.output.strict) == (OutputKind.JSON_SCHEMA, "n", True)
    assert (said.user, said.streamed, said.usage_asked) == ("s", True, True)
    assert said.tools == (Tool("f"),)
    assert said.tool_choice == ToolChoice(ToolMode.REQUIRED, ("f",))
    assert set(said.native) == {"service_tier"}


@pytest.mark.parametrize(
    ("fields", "effort", "budget", "enabled"),
    [
        ({"reasoning_effort": "low"}, "low", None, None),
        ({"reasoning_effort": "none"}, "none", None, False),
        ({"reasoning": {"effort": "high"}}, "high", None, None),
        ({"reasoning": {"max_tokens": 100}}, None, 100, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 7}}, None, 7, True),
        ({"thinking": {"type": "disabled"}}, None, None, False),
    ],
)
def test_reasoning_then_is_read_from_every_field(
    fields: dict[str, object], effort: str | None, budget: int | None, enabled: bool | None
) -> None:
    """OpenAI's effort, OpenRouter's object, and the switch of Z.ai and DeepSeek."""
    found = _parse(**fields).reasoning
    assert (found.effort, found.budget_tokens, found.enabled) == (effort, budget, enabled)
