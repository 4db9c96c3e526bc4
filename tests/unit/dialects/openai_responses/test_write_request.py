"""Requests of other dialects, written for an upstream that speaks Responses."""

from typing import Any

import pytest

from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import RenderedRequest, Target
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

RESPONSES = OpenAIResponses()
HELLO = Turn(Role.USER, (Text("hi", as_plain=True),))


def rendered(*turns: Turn, target: Target | None = None, dialect: str = "anthropic_messages", **fields: Any) -> Any:
    return decode_any(raw(*turns, target=target, dialect=dialect, **fields).body)


def raw(
    *turns: Turn, target: Target | None = None, dialect: str = "anthropic_messages", **fields: Any
) -> RenderedRequest:
    conversation = Conversation("alias", turns or (HELLO,), dialect=dialect, **fields)
    return RESPONSES.render(conversation, target or Target("up", Quirks()))


def input_of(*parts: Part, role: Role = Role.USER) -> Any:
    """Give the items of one turn; calls that it answers come before it."""
    calls = tuple(ToolCall(part.call_id, "f", "{}") for part in parts if isinstance(part, ToolResult))
    return rendered(Turn(Role.ASSISTANT, calls), Turn(role, parts))["input"][len(calls) :]


def test_request_is_never_stored() -> None:
    """The least request: model, input, store."""
    assert rendered() == {"model": "up", "input": [{"role": "user", "content": "hi"}], "store": False}


def test_system_turns_at_the_beginning_become_instructions() -> None:
    """Later ones stay where they are; none is ever the assistant's (bug 86)."""
    body = rendered(
        Turn(Role.SYSTEM, (Text("a"), Text("b", CacheMark()))), HELLO, Turn(Role.SYSTEM, (Text("c", as_plain=True),))
    )
    assert body["instructions"] == "a\n\nb"
    assert body["input"] == [{"role": "user", "content": "hi"}, {"role": "system", "content": "c"}]


def test_assistant_text_is_output_text() -> None:
    """A user's is input text."""
    assert input_of(Text("x"), role=Role.ASSISTANT) == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
    ]


def test_bug_79_results_go_before_what_the_user_said_with_them() -> None:
    """They answer the calls directly before."""
    result = ToolResult("c", (Text("r"),))
    assert input_of(Text("and"), result) == [
        {"type": "function_call_output", "call_id": "c", "output": "r"},
        {"role": "user", "content": [{"type": "input_text", "text": "and"}]},
    ]


def test_bug_83_a_failed_result_says_so() -> None:
    """This dialect has no flag for it; an empty result says that too."""
    assert input_of(ToolResult("c", (Text("boom"),), is_error=True))[0]["output"] == "ERROR: boom"
    assert input_of(ToolResult("c", ()))[0]["output"] == "(no output)"
    image = Image(Base64Source("image/png", "AA"))
    assert input_of(ToolResult("c", (Text("see"), image), is_error=True))[0]["output"] == [
        {"type": "input_text", "text": "ERROR:"},
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
    ]


def test_bug_88_and_89_ids_and_names_are_made_legal_alike_on_both_sides() -> None:
    """Two that differ in bad characters only stay apart; names come back through `names`."""
    request = raw(
        Turn(Role.ASSISTANT, (ToolCall("functions.Bash:0", "fs.read", "{}"), ToolCall("functions.Bash_0", "x", ""))),
        Turn(Role.USER, (ToolResult("functions.Bash:0", (Text("1"),)), ToolResult("functions.Bash_0", (Text("2"),)))),
        tools=(Tool("fs.read"),),
    )
    body = decode_any(request.body)
    assert isinstance(body, dict)
    ids = [item["call_id"] for item in body["input"]]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for one in ids)
    assert body["input"][1]["arguments"] == "{}"
    assert request.names == {body["input"][0]["name"]: "fs.read"}
    assert body["tools"][0]["name"] == body["input"][0]["name"]


def test_calls_and_results_without_each_other_are_completed() -> None:
    """The upstream refuses either alone."""
    body = rendered(
        Turn(Role.USER, (ToolResult("lost", (Text("r"),)), Text("q"))),
        Turn(Role.ASSISTANT, (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))),
        Turn(Role.USER, (ToolResult("b", (Text("2"),)),)),
    )
    assert body["input"][0] == {
        "role": "user",
        "content": [{"type": "input_text", "text": "r"}, {"type": "input_text", "text": "q"}],
    }
    assert [(item.get("call_id"), item.get("output")) for item in body["input"][1:]] == [
        ("a", None),
        ("b", None),
        ("a", "ERROR: no result"),
        ("b", "2"),
    ]


def test_system_turns_alone_are_input() -> None:
    """The upstream wants at least one item."""
    body = rendered(Turn(Role.SYSTEM, (Text("be", as_plain=True),)))
    assert body["input"] == [{"role": "system", "content": "be"}]
    assert "instructions" not in body


def test_tools_are_not_strict_unless_asked() -> None:
    """This dialect's default is the opposite of the others'."""
    body = rendered(tools=(Tool("f", "d", Raw(b'{"type":"object"}')), Tool("g", strict=True)))
    empty = {"type": "object", "properties": {}}
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "d", "parameters": empty, "strict": False},
        {"type": "function", "name": "g", "parameters": empty, "strict": True},
    ]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(ToolMode.REQUIRED), "required"),
        (ToolChoice(ToolMode.NONE, ("f",)), "none"),
        (ToolChoice(ToolMode.REQUIRED, ("f",), {"x": Raw(b"1")}), {"type": "function", "name": "f"}),
        (ToolChoice(ToolMode.REQUIRED, ("p",)), {"type": "custom", "name": "p"}),
        (
            ToolChoice(ToolMode.AUTO, ("f", "p")),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}],
            },
        ),
    ],
)
def test_tool_choice_is_written(choice: ToolChoice, written: object) -> None:
    """Forced, allowed, forbidden."""
    assert rendered(tools=(Tool("f"), Tool("p", kind=ToolKind.CUSTOM)), tool_choice=choice)["tool_choice"] == written


def test_signatures_go_to_their_vendor_only() -> None:
    """Own reasoning comes back with its id; foreign reasoning is left out and named."""
    request = raw(
        Turn(
            Role.ASSISTANT,
            (
                Thinking("a", "sig", "anthropic_messages"),
                Thinking("b", "rs_1|gAAA", "openai_responses", summary=True),
                RedactedThinking("z", "anthropic_messages"),
                Thinking("c"),
                Text("said"),
            ),
        )
    )
    body = decode_any(request.body)
    assert isinstance(body, dict)
    assert body["input"][0] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "b"}],
        "encrypted_content": "gAAA",
    }
    assert [item["type"] for item in body["input"]] == ["reasoning", "message"]
    assert request.dropped == ("thinking", "redacted_thinking")
    assert b"sig" not in request.body


def test_open_reasoning_is_replayed_where_the_model_needs_it() -> None:
    """A quirk of the model."""
    body = rendered(Turn(Role.ASSISTANT, (Thinking("so"),)), target=Target("up", Quirks(reasoning_replay=True)))
    assert body["input"] == [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "so"}]}
    ]


def test_files_are_written_as_the_upstream_takes_them() -> None:
    """Bytes, addresses and plain text; a vendor's file id is refused."""
    assert input_of(
        File(Base64Source("application/pdf", "AA")), File(UrlSource("https://x/a.pdf")), File(TextSource("plain"))
    )[0]["content"] == [
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,AA"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_text", "text": "plain"},
    ]
    with pytest.raises(InvalidRequest):
        input_of(Image(FileIdSource("file-1")))


def test_what_cannot_be_said_is_named() -> None:
    """Stop sequences, seeds, foreign fields, hosted tools, opaque parts."""
    request = raw(
        Turn(Role.USER, (Text("x"), Opaque("anthropic_messages", "search_result", Raw(b"{}")))),
        sampling=Sampling(stop=("x",), seed=0, top_k=3, choices=1),
        tools=(VendorTool("anthropic_messages", "web_search_20250305", Raw(b"{}")),),
        native={"container": Raw(b'"c"')},
        user="u" * 65,
    )
    assert set(request.dropped) == {
        "stop",
        "seed",
        "top_k",
        "web_search_20250305",
        "container",
        "user",
        "search_result",
    }
    with pytest.raises(InvalidRequest):
        raw(sampling=Sampling(choices=2))


def test_fields_that_chat_has_too_are_kept() -> None:
    """Same vendor, same meaning."""
    request = raw(dialect="openai_chat", native={"metadata": Raw(b'{"a":"b"}'), "prediction": Raw(b"{}")}, user="u")
    body = decode_any(request.body)
    assert isinstance(body, dict)
    assert (body["metadata"], body["user"], request.dropped) == ({"a": "b"}, "u", ("prediction",))


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(effort="high", budget_tokens=1), "high"),
        (Reasoning(enabled=False), "none"),
        (Reasoning(budget_tokens=1024, enabled=True), "low"),
        (Reasoning(budget_tokens=4096), "medium"),
        (Reasoning(budget_tokens=32000), "high"),
    ],
)
def test_reasoning_is_written_as_effort(reasoning: Reasoning, effort: str) -> None:
    """And where the model reasons, what makes it replayable is asked for."""
    body = rendered(reasoning=reasoning)
    assert body["reasoning"] == {"effort": effort}
    assert ("include" in body) == (effort != "none")


def test_output_format_caps_and_quirks_are_written() -> None:
    """Everything that has a word here."""
    body = rendered(
        output=OutputFormat(OutputKind.JSON_SCHEMA, Raw(b'{"type":"object"}'), strict=True),
        verbosity="low",
        sampling=Sampling(max_tokens=500, temperature=0.5, top_p=0.9),
        streamed=True,
        target=Target("up", Quirks(drop=("temperature",)), 10, 100),
    )
    assert body["text"] == {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    assert (body["max_output_tokens"], body["top_p"], body["stream"]) == (100, 0.9, True)
    assert "temperature" not in body
    assert rendered(target=Target("up", Quirks(max_tokens_field="n_predict"), 10))["n_predict"] == 10
