"""Conversations of other dialects as requests for OpenAI-compatible upstreams."""

from typing import Any

import pytest

from freetheai_gateway.dialects.protocol import Target
from freetheai_gateway.domain.conversation import (
    Base64Source,
    CacheMark,
    Conversation,
    File,
    FileIdSource,
    Image,
    Opaque,
    OutputFormat,
    OutputKind,
    Part,
    Reasoning,
    RedactedThinking,
    Role,
    Sampling,
    Text,
    TextSource,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolMode,
    ToolResult,
    Turn,
    UrlSource,
    VendorTool,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw, decode_any
from tests.unit.dialects.openai_chat.shared import CHAT, HELLO, conversation

CLAUDE = "anthropic_messages"
PNG = Image(Base64Source("", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAA="))


def _render(said: Conversation, quirks: Quirks | None = None, **target: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    rendered = CHAT.render(said, Target("glm-5.1", quirks or Quirks(), **target))
    body = decode_any(rendered.body)
    assert isinstance(body, dict)
    return body, rendered.dropped


def _messages(*turns: Turn, quirks: Quirks | None = None) -> list[dict[str, Any]]:
    messages = _render(conversation(*turns), quirks)[0]["messages"]
    assert isinstance(messages, list)
    return messages


def _user(*parts: Part) -> Turn:
    return Turn(Role.USER, parts)


def _assistant(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def _system(*texts: str, role: Role = Role.SYSTEM) -> Turn:
    return Turn(role, tuple(Text(text) for text in texts))


def test_bug_85_system_then_is_one_leading_message() -> None:
    """All leading system and developer text, blank pieces left out."""
    lead = _system(" ", "Be kind.")
    assert _messages(lead, _system("Be brief.", role=Role.DEVELOPER), HELLO) == [
        {"role": "system", "content": "Be kind.\n\nBe brief."},
        {"role": "user", "content": "hi"},
    ]


def test_bug_86_system_at_the_end_then_is_a_note_of_the_user() -> None:
    """Never an assistant message, and never between a call and its result."""
    found = _messages(
        HELLO, _assistant(ToolCall("a", "f", "{}")), _system("Note."), _user(ToolResult("a", (Text("r"),)))
    )
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user"]
    assert found[-1]["content"] == "[System note]\nNote."


def test_bug_79_results_then_stand_before_what_else_the_user_says() -> None:
    """One tool message per call in the order of the calls, pictures and text in one user message behind them."""
    turn = _user(
        Text("look"),
        ToolResult("b", (Text("two"), PNG), is_error=True),
        ToolResult("a", (Text("one"),)),
    )
    found = _messages(HELLO, _assistant(ToolCall("a", "f", "{}"), ToolCall("b", "g", "")), turn)
    assert found[2:4] == [
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": "ERROR: two\n[image 1 attached below]"},
    ]
    assert [part["type"] for part in found[4]["content"]] == ["image_url", "text"]
    assert found[4]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert len(found) == 5


def test_bug_115_neighbouring_assistant_turns_then_are_one_message() -> None:
    """Two calls from two items are one message with two calls."""
    found = _messages(
        HELLO,
        _assistant(ToolCall("a", "f", "{}")),
        _assistant(ToolCall("b", "g", "{}")),
        _user(ToolResult("a", (Text("1"),))),
        _user(ToolResult("b", ())),
    )
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool"]
    assert found[3]["content"] == "(no output)"


def test_bug_82_text_behind_a_call_then_is_kept() -> None:
    """Text on both sides of a call becomes paragraphs; without text the content is null."""
    calls = (ToolCall("a", "f", "{}"),)
    answer = _user(ToolResult("a", (Text("r"),)))
    found = _messages(HELLO, _assistant(Text("one"), Text(" more"), *calls, Text("two")), answer)
    assert found[1]["content"] == "one more\n\ntwo"
    assert _messages(HELLO, _assistant(*calls), answer)[1]["content"] is None


def test_bug_71_blank_text_then_is_left_out() -> None:
    """Blank text and messages that are empty without it; everything else keeps its white space."""
    blank = Text(" \n")
    found = _messages(_system(""), _user(blank, Text(" a ")), _assistant(blank), _user(Text("b")))
    assert found == [{"role": "user", "content": " a "}, {"role": "user", "content": "b"}]


def test_history_with_holes_then_every_call_has_one_result() -> None:
    """A missing result is made up, one without a call becomes text."""
    found = _messages(HELLO, _assistant(ToolCall("a", "f", "{}")), _user(ToolResult("z", (Text("lost"),))))
    assert found[2] == {"role": "tool", "tool_call_id": "a", "content": "(no output)"}
    assert found[3] == {"role": "user", "content": "[Result of an earlier tool call]\nlost"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [("", "{}"), (" ", "{}"), ('{"a": 1}', '{"a": 1}'), ("{bad", '{"_raw":"{bad"}'), ("[1]", '{"_raw":"[1]"}')],
)
def test_bug_40_arguments_in_history_then_are_a_json_object(given: str, sent: str) -> None:
    """Invalid JSON is wrapped; good JSON keeps its bytes."""
    call = _messages(HELLO, _assistant(ToolCall("a", "f", given)))[1]["tool_calls"][0]
    assert call["function"]["arguments"] == sent


def test_bug_88_89_ids_and_names_then_are_made_legal_on_both_sides() -> None:
    """The same on call and result, different for different ids, and names can be restored."""
    said = conversation(
        HELLO,
        _assistant(ToolCall("f:0", "a.b", "{}"), ToolCall("f.0", "a/b", "{}")),
        _user(ToolResult("f:0", ()), ToolResult("f.0", ())),
        tools=(Tool("a.b"), Tool("a/b"), Tool("x" * 80), Tool("fine")),
        tool_choice=ToolChoice(ToolMode.REQUIRED, ("a.b",)),
    )
    rendered = CHAT.render(said, Target("m", Quirks()))
    body: Any = decode_any(rendered.body)
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert [rendered.names.get(name, name) for name in names] == ["a.b", "a/b", "x" * 80, "fine"]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names)
    calls = body["messages"][1]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == names[:2]
    assert body["tool_choice"]["function"]["name"] == names[0]
    assert [call["id"] for call in calls] == [one["tool_call_id"] for one in body["messages"][2:4]]
    assert len({call["id"] for call in calls}) == 2


def test_thinking_then_goes_upstream_only_where_it_is_replayed_and_its_own() -> None:
    """Never into content; what another vendor signed never leaves."""
    parts = (Thinking("plain"), Thinking("theirs", "sig", CLAUDE), RedactedThinking("z", CLAUDE), Text("a"))
    said = conversation(HELLO, _assistant(*parts))
    body, dropped = _render(said)
    assert body["messages"][1] == {"role": "assistant", "content": "a"}
    assert dropped == ("thinking",)
    body, _ = _render(said, Quirks(reasoning_replay=True))
    assert body["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "plain"}


def test_thinking_that_an_upstream_of_this_dialect_signed_then_goes_back_in_full() -> None:
    """Format, signature and encrypted data are what the upstream gave."""
    parts = (Thinking("t", "anthropic-claude-v1:sig", "openai_chat"), RedactedThinking(":z", "openai_chat"), Text("a"))
    body, _ = _render(conversation(HELLO, _assistant(*parts)), Quirks(reasoning_replay=True))
    assert body["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "t", "format": "anthropic-claude-v1", "signature": "sig", "index": 0},
        {"type": "reasoning.encrypted", "data": "z", "format": "unknown", "index": 1},
    ]


def test_thought_signature_of_a_call_then_goes_back_where_it_is_replayed() -> None:
    """Gemini's compatible endpoint wants it; nobody else is sent it."""
    said = conversation(HELLO, _assistant(ToolCall("a", "f", "{}", signature="s")))
    assert "extra_content" not in _render(said)[0]["messages"][1]["tool_calls"][0]
    call = _render(said, Quirks(reasoning_replay=True))[0]["messages"][1]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "s"}}


def test_call_of_another_model_when_reasoning_is_replayed_then_a_mark_stands_for_its_reasoning() -> None:
    """DeepSeek and Kimi refuse a history in which a call has none: a model was changed in mid-conversation."""
    said = conversation(HELLO, _assistant(Thinking("t", "sig", CLAUDE), ToolCall("a", "f", "{}")))
    assert "reasoning_content" not in _render(said)[0]["messages"][1]
    assert _render(said, Quirks(reasoning_replay=True))[0]["messages"][1]["reasoning_content"] == "."


def test_ids_when_the_upstream_takes_one_length_only_then_calls_and_results_still_match() -> None:
    """Mistral: nine letters and digits; its own pass as they are."""
    calls = _assistant(
        ToolCall("toolu_01A", "f", "{}"), ToolCall("toolu_01B", "f", "{}"), ToolCall("iRvM4muS4", "f", "")
    )
    results = _user(*(ToolResult(name, (Text(name),)) for name in ("toolu_01B", "toolu_01A")))
    messages = _render(conversation(HELLO, calls, results), Quirks(tool_id_length=9))[0]["messages"]
    ids = [call["id"] for call in messages[1]["tool_calls"]]
    assert all(len(one) == 9 and one.isalnum() for one in ids)
    assert len(set(ids)) == 3
    assert ids[2] == "iRvM4muS4"
    told = {message["tool_call_id"]: message["content"] for message in messages[2:]}
    assert told == {ids[0]: "toolu_01A", ids[1]: "toolu_01B", ids[2]: "(no output)"}


def test_results_when_the_user_goes_on_at_once_then_an_answer_stands_between_where_it_must() -> None:
    """Mistral: "Unexpected role 'user' after role 'tool'"; a coding agent adds reminders to most results."""
    turns = (HELLO, _assistant(ToolCall("a", "f", "{}")), _user(ToolResult("a", (Text("r"),)), Text("Be brief.")))
    roles = [
        message["role"] for message in _render(conversation(*turns), Quirks(reply_after_results=True))[0]["messages"]
    ]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert [message["role"] for message in _render(conversation(*turns))[0]["messages"]][2:] == ["tool", "user"]
    alone = (*turns[:2], _user(ToolResult("a", (Text("r"),))), _assistant(Text("Done.")), _user(Text("Thanks.")))
    roles = [
        message["role"] for message in _render(conversation(*alone), Quirks(reply_after_results=True))[0]["messages"]
    ]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_documents_then_are_files_or_text() -> None:
    """A PDF keeps its name or gets one, plain text is text; what can't be given is refused and not lost."""
    pdf = File(Base64Source("application/pdf", "JVBERi0="))
    found = _messages(_user(pdf, File(TextSource("body"), "notes")))[0]["content"]
    assert found == [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "document.pdf"}},
        {"type": "text", "text": "notes:\nbody"},
    ]
    for part in (File(UrlSource("https://x.example")), File(FileIdSource("f")), Image(FileIdSource("f"))):
        with pytest.raises(InvalidRequest):
            _messages(_user(part))


def test_what_is_left_out_then_is_named() -> None:
    """Blocks, tools and fields that mean nothing here, each once."""
    said = conversation(
        _user(Text("a", CacheMark()), Text("b", CacheMark()), Opaque(CLAUDE, "container_upload", Raw(b"{}"))),
        tools=(
            VendorTool(CLAUDE, "web_search_20250305", Raw(b"{}")),
            Tool("f", native={"defer_loading": Raw(b"true")}),
        ),
        sampling=Sampling(top_k=3, stop=("", "a", "b", "c", "d", "e")),
        native={"context_management": Raw(b"{}"), "container": Raw(b"null")},
    )
    body, dropped = _render(said, Quirks(drop=("temperature", "stop")))
    assert set(dropped) == {
        "cache_control",
        "container_upload",
        "web_search_20250305",
        "defer_loading",
        "top_k",
        "stop",
        "context_management",
    }
    assert len(dropped) == 7
    assert "stop" not in body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]


def test_stop_sequences_then_the_first_four_are_sent() -> None:
    """Empty ones do not count."""
    body, dropped = _render(conversation(sampling=Sampling(stop=("", "a", "b", "c", "d", "e"))))
    assert body["stop"] == ["a", "b", "c", "d"]
    assert dropped == ("stop",)


def test_mcp_servers_then_are_refused() -> None:
    """Without them the answer would be another one."""
    with pytest.raises(InvalidRequest) as refused:
        _render(conversation(native={"mcp_servers": Raw(b'[{"url":"x"}]')}))
    assert refused.value.param == "mcp_servers"


@pytest.mark.parametrize(
    ("quirks", "target", "expected"),
    [
        (Quirks(), {}, {"max_tokens": 5000}),
        (Quirks(max_tokens_field="max_completion_tokens"), {}, {"max_completion_tokens": 5000}),
        (Quirks(), {"max_output_tokens": 4096}, {"max_tokens": 4096}),
        (Quirks(drop=("max_tokens",)), {}, {}),
    ],
)
def test_bug_91_output_cap_then_has_the_upstreams_name_and_limit(
    quirks: Quirks, target: dict[str, int], expected: dict[str, int]
) -> None:
    """The field is data of the model, the cap at most what the model can."""
    body, _ = _render(conversation(sampling=Sampling(max_tokens=5000)), quirks, **target)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == expected


def test_output_cap_then_defaults_only_where_there_is_a_default_and_zero_is_refused() -> None:
    """`max_tokens: 0` warms a cache elsewhere; here it would be an error of the upstream."""
    assert "max_tokens" not in _render(conversation())[0]
    assert _render(conversation(), default_output_tokens=256)[0]["max_tokens"] == 256
    with pytest.raises(InvalidRequest):
        _render(conversation(sampling=Sampling(max_tokens=0)))


def test_streamed_request_then_asks_for_usage() -> None:
    """Whatever the client wants to see."""
    body, _ = _render(conversation(streamed=True, usage_asked=False))
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in _render(conversation())[0]


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(), None),
        (Reasoning(adaptive=True, enabled=True), None),
        (Reasoning(effort="max", budget_tokens=1), "max"),
        (Reasoning(enabled=False), "none"),
        (Reasoning(budget_tokens=4095), "low"),
        (Reasoning(budget_tokens=4096), "medium"),
        (Reasoning(budget_tokens=16384), "high"),
    ],
)
def test_bug_94_reasoning_then_is_an_effort(reasoning: Reasoning, effort: str | None) -> None:
    """The effort wins over the budget; adaptive thinking without one is left to the model."""
    assert _render(conversation(reasoning=reasoning))[0].get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("choice", "sent", "offered"),
    [
        (None, None, ["f", "g"]),
        (ToolChoice(ToolMode.AUTO), "auto", ["f", "g"]),
        (ToolChoice(ToolMode.NONE), "none", ["f", "g"]),
        (ToolChoice(ToolMode.REQUIRED), "required", ["f", "g"]),
        (ToolChoice(ToolMode.REQUIRED, ("g",)), {"type": "function", "function": {"name": "g"}}, ["f", "g"]),
        (ToolChoice(ToolMode.AUTO, ("g",)), "auto", ["g"]),
    ],
)
def test_tool_choice_then_every_server_knows_its_form(
    choice: ToolChoice | None, sent: object, offered: list[str]
) -> None:
    """Allowed tools are the only ones offered, since few servers know the choice of that name."""
    body, _ = _render(conversation(tools=(Tool("f"), Tool("g")), tool_choice=choice, parallel_tool_calls=False))
    assert body.get("tool_choice") == sent
    assert [tool["function"]["name"] for tool in body["tools"]] == offered
    assert body["parallel_tool_calls"] is False
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_tool_choice_without_tools_then_is_not_sent() -> None:
    """Servers refuse it."""
    body, _ = _render(conversation(tool_choice=ToolChoice(ToolMode.AUTO), parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_bug_116_custom_tool_then_is_a_function_of_one_text() -> None:
    """Also in the history; a namespace becomes part of the name."""
    said = conversation(
        HELLO,
        _assistant(ToolCall("a", "patch", "*** Begin", ToolKind.CUSTOM)),
        tools=(Tool("patch", "Patches.", kind=ToolKind.CUSTOM), Tool("f", namespace="ns")),
        dialect="openai_responses",
    )
    body, _ = _render(said)
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert body["tools"][1]["function"]["name"] == "ns__f"
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "patch", "arguments": '{"input":"*** Begin"}'}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}', True),
        (b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}', False),
        (b'{"type":"array","items":{"type":"object"}}', False),
    ],
)
def test_structured_output_then_is_strict_where_the_schema_allows(schema: bytes, strict: bool) -> None:
    """The vendor refuses `strict` with an open object; a name is required."""
    body, _ = _render(conversation(output=OutputFormat(OutputKind.JSON_SCHEMA, Raw(schema))))
    form = body["response_format"]["json_schema"]
    assert (form["name"], form["strict"], form["schema"]) == ("answer", strict, decode_any(schema))
    assert _render(conversation(output=OutputFormat(OutputKind.JSON)))[0]["response_format"] == {"type": "json_object"}


def test_user_that_is_too_long_then_is_hashed() -> None:
    """Claude Code's id is longer than the vendor allows."""
    assert _render(conversation(user="u"))[0]["user"] == "u"
    assert len(_render(conversation(user="u" * 65))[0]["user"]) == 64
