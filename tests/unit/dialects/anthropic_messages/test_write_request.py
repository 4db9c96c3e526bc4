"""Requests of other dialects, written for a Messages upstream."""

from dataclasses import replace
from typing import Any

import pytest

from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.anthropic_messages.capabilities import capabilities_of
from freetheai_gateway.dialects.protocol import RenderedRequest, Target
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    Conversation,
    File,
    FileIdSource,
    Grammar,
    Image,
    Opaque,
    OutputFormat,
    OutputKind,
    Part,
    Reasoning,
    Refusal,
    Role,
    Sampling,
    Text,
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

MESSAGES = MessagesTranslator()
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
HI = Turn(Role.USER, (Text("hi", as_plain=True),))
OLD, NEW, NEWEST = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8"


def user(*parts: Part) -> Turn:
    return Turn(Role.USER, parts)


def assistant(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def call(call_id: str, name: str = "f", arguments: str = "{}") -> ToolCall:
    return ToolCall(call_id, name, arguments)


def result(call_id: str, text: str = "r", *, is_error: bool = False) -> ToolResult:
    return ToolResult(call_id, (Text(text, as_plain=True),), is_error)


def render(*turns: Turn, model: str = OLD, target: Target | None = None, **fields: Any) -> RenderedRequest:
    conversation = Conversation("alias", turns or (HI,), dialect="openai_chat", **fields)
    return MESSAGES.render(conversation, target or Target(model, Quirks()))


def body(*turns: Turn, **fields: Any) -> dict[str, Any]:
    written = decode_any(render(*turns, **fields).body)
    assert isinstance(written, dict)
    return written


def messages(*turns: Turn) -> list[Any]:
    found = body(*turns)["messages"]
    assert isinstance(found, list)
    return found


# --- turns ----------------------------------------------------------------------------------------------------


def test_bug_85_system_and_developer_turns_stand_in_system() -> None:
    """One block each; also those from the middle of the conversation."""
    written = body(
        Turn(Role.SYSTEM, (Text("a"),)), Turn(Role.DEVELOPER, (Text("b"),)), HI, Turn(Role.SYSTEM, (Text("c"),))
    )
    assert written["system"] == [{"type": "text", "text": text} for text in "abc"]
    assert written["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def test_bug_86_a_last_system_turn_is_never_the_assistants() -> None:
    """Where there is nothing else, it is the user's message."""
    assert messages(Turn(Role.SYSTEM, (Text("only"),))) == [
        {"role": "user", "content": [{"type": "text", "text": "only"}]}
    ]


def test_bug_80_neighbours_merge_with_tool_results_first() -> None:
    """Chat has one message per result, and the user's text may stand between them."""
    _, second, third = messages(
        HI, assistant(call("a"), call("b")), user(result("b")), user(Text("and")), user(result("a", is_error=True))
    )
    assert [block["id"] for block in second["content"]] == ["a", "b"]
    assert third["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "content": "r"},
        {"type": "tool_result", "tool_use_id": "a", "content": "r", "is_error": True},
        {"type": "text", "text": "and"},
    ]


def test_results_without_call_are_told_and_calls_without_result_are_answered() -> None:
    """Anthropic refuses both; also at the end."""
    written = messages(user(result("gone", "old")), assistant(call("a")), user(Text("x")), assistant(call("b")))
    assert [block["type"] for block in written[0]["content"]] == ["text", "text"]
    assert written[0]["content"][1]["text"] == "old"
    missing = {"type": "tool_result", "content": "no result", "is_error": True}
    assert written[2]["content"] == [{**missing, "tool_use_id": "a"}, {"type": "text", "text": "x"}]
    assert written[4]["content"] == [{**missing, "tool_use_id": "b"}]


def test_bug_88_89_ids_are_put_into_form_alike_on_both_sides_and_never_collide() -> None:
    """Two that differ only in bad characters; and the same one again in a later turn."""
    written = messages(
        HI,
        assistant(call("functions.Bash:0"), call("functions:Bash.0"), call("")),
        user(result("functions:Bash.0", "second"), result("functions.Bash:0", "first"), result("", "third")),
        assistant(call("functions.Bash:0")),
        user(result("functions.Bash:0", "later")),
    )
    ids = [block["id"] for at in (1, 3) for block in written[at]["content"]]
    assert len(set(ids)) == 4
    assert all(set(sent) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for sent in ids)
    texts = {block["tool_use_id"]: block["content"] for at in (2, 4) for block in written[at]["content"]}
    assert [texts[sent] for sent in ids] == ["first", "second", "third", "later"]


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("", {}),
        ('{"a":1}', {"a": 1}),
        ('{"a":', {"_raw": '{"a":'}),
        ("[1]", {"_raw": "[1]"}),
        ("\ud83d", {"_raw": "?"}),
    ],
)
def test_bug_40_arguments_are_always_an_object(arguments: str, written: object) -> None:
    """What the model wrote wrong stays readable."""
    assert messages(HI, assistant(call("a", arguments=arguments)))[1]["content"][0]["input"] == written


def test_blank_texts_and_emptied_turns_vanish_and_the_rest_closes_up() -> None:
    """Roles alternate still; a refusal is text."""
    written = messages(HI, assistant(Text(" ")), user(Text("again")), assistant(Refusal("no")), user(Text("ok")))
    assert [(message["role"], len(message["content"])) for message in written] == [
        ("user", 2),
        ("assistant", 1),
        ("user", 1),
    ]


def test_bug_73_a_trailing_assistant_turn_is_kept_without_blanks_at_its_end() -> None:
    """Whether the model takes one is the model's to say."""
    assert messages(HI, assistant(Text("The answer is ")))[-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "The answer is"}],
    }


def test_foreign_reasoning_and_opaque_parts_are_dropped_and_named() -> None:
    """Another vendor's signature never reaches Anthropic."""
    rendered = render(
        HI, assistant(Thinking("t", "sig", "gemini"), Opaque("openai_chat", "annotation", Raw(b"{}")), Text("x"))
    )
    assert rendered.dropped == ("annotation", "thinking")
    assert b"sig" not in rendered.body


def test_images_get_the_type_that_their_bytes_have() -> None:
    """Anthropic compares; what it can't show is refused."""
    written = messages(
        user(Image(Base64Source("image/jpeg", PNG), detail="low"), Image(UrlSource("https://example.org/a")))
    )
    assert [block["source"] for block in written[0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "url", "url": "https://example.org/a"},
    ]


def test_files_become_documents() -> None:
    """PDF as it is, text as text."""
    written = messages(
        user(File(Base64Source("application/pdf", "JVBE"), "a.pdf"), File(Base64Source("text/csv", "YSxi")))
    )
    pdf, text = written[0]["content"]
    assert (pdf["source"]["type"], pdf["title"]) == ("base64", "a.pdf")
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "a,b"}


@pytest.mark.parametrize(
    "part",
    [
        Image(Base64Source("image/tiff", "SUkq")),
        Image(FileIdSource("file-1")),
        File(FileIdSource("file-1")),
        File(Base64Source("application/zip", "UEsD")),
        File(Base64Source("text/plain", "!")),
        Audio("AAAA", "wav"),
    ],
)
def test_content_that_cannot_be_said_is_refused(part: Part) -> None:
    """Leaving it out would change what is asked."""
    with pytest.raises(InvalidRequest):
        render(user(part))


# --- options --------------------------------------------------------------------------------------------------


def test_bug_92_max_tokens_is_filled_in_and_capped() -> None:
    """Anthropic requires it."""
    assert body()["max_tokens"] == 4096
    target = Target(OLD, Quirks(), default_output_tokens=777, max_output_tokens=1000)
    assert body(target=target)["max_tokens"] == 777
    assert body(target=Target(OLD, Quirks(), max_output_tokens=8192))["max_tokens"] == 8192
    assert body(target=Target(OLD, Quirks(), max_output_tokens=128_000))["max_tokens"] == 32_000
    assert body(target=target, sampling=Sampling(max_tokens=5000))["max_tokens"] == 1000


def test_sampling_keeps_to_what_the_model_takes() -> None:
    """Never temperature and top_p together; nothing at all on the newest."""
    sampling = Sampling(temperature=1.7, top_p=0.5, top_k=3, stop=("a", " ", ""), seed=0, logit_bias=Raw(b"{}"))
    old = body(sampling=sampling)
    assert (old["temperature"], old.get("top_p"), old["top_k"], old["stop_sequences"]) == (1.0, None, 3, ["a"])
    rendered = render(model=NEWEST, sampling=sampling, verbosity="low", native={"store": Raw(b"true")})
    assert rendered.dropped == ("logit_bias", "stop", "store", "temperature", "top_k", "top_p", "verbosity")
    assert body(model="glm-5.1", sampling=sampling)["top_p"] == 0.5


@pytest.mark.parametrize(("sampling", "param"), [(Sampling(choices=2), "n"), (Sampling(logprobs=True), "logprobs")])
def test_what_changes_the_form_of_the_answer_is_refused(sampling: Sampling, param: str) -> None:
    """By the name of the field."""
    with pytest.raises(InvalidRequest) as raised:
        render(sampling=sampling)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        (NEWEST, Reasoning(effort="minimal"), {"type": "adaptive"}, "low"),
        (NEWEST, Reasoning(effort="xhigh", summary="auto"), {"type": "adaptive", "display": "summarized"}, "xhigh"),
        (NEW, Reasoning(effort="xhigh"), {"type": "adaptive"}, "high"),
        (NEW, Reasoning(budget_tokens=5000), {"type": "adaptive"}, "medium"),
        (NEW, Reasoning(enabled=True), {"type": "adaptive"}, None),
        (NEW, Reasoning(effort="none"), {"type": "disabled"}, None),
        (NEW, Reasoning(), None, None),
        (OLD, Reasoning(effort="high"), {"type": "enabled", "budget_tokens": 16384}, None),
        (OLD, Reasoning(budget_tokens=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (OLD, Reasoning(enabled=True, adaptive=True), {"type": "enabled", "budget_tokens": 8192}, None),
        ("kimi-k2", Reasoning(effort="low"), {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-3-5-haiku", Reasoning(effort="low"), None, None),
    ],
)
def test_bug_94_effort_is_said_as_the_model_knows_it(
    model: str, reasoning: Reasoning, thinking: object, effort: str | None
) -> None:
    """Effort from 4.6 on, a budget before; never effort to those that refuse it."""
    written = body(model=model, reasoning=reasoning)
    assert written.get("thinking") == thinking
    assert written.get("output_config", {}).get("effort") == effort


def test_thinking_fits_into_max_tokens_or_is_left_out() -> None:
    """A budget is always below the cap, and no temperature goes with it."""
    written = body(reasoning=Reasoning(effort="high"), sampling=Sampling(max_tokens=1000, temperature=0.2))
    assert written["max_tokens"] == 17384
    assert "temperature" not in written
    for cap, budget in ((4000, 2000), (1100, 1024)):
        target = Target(OLD, Quirks(), max_output_tokens=cap)
        assert body(target=target, reasoning=Reasoning(effort="high"))["thinking"]["budget_tokens"] == budget
    rendered = render(target=Target(OLD, Quirks(), max_output_tokens=1000), reasoning=Reasoning(effort="high"))
    assert rendered.dropped == ("reasoning",)


def test_bug_74_a_budget_is_left_out_where_the_history_lacks_thinking() -> None:
    """And where a tool is forced; thinking that adapts takes both histories."""
    turns = (HI, assistant(call("a")), user(result("a")))
    signed = (HI, assistant(Thinking("t", "s", "anthropic_messages"), call("a")), user(result("a")))
    effort = Reasoning(effort="low")
    assert "thinking" not in body(*turns, reasoning=effort)
    assert body(*signed, reasoning=effort)["thinking"]["type"] == "enabled"
    assert body(*turns, user(Text("next")), reasoning=effort).get("thinking") is None
    assert body(*turns, model=NEW, reasoning=effort)["thinking"] == {"type": "adaptive"}
    tools = (Tool("f"),)
    forced = ToolChoice(ToolMode.REQUIRED)
    assert "thinking" not in body(model=NEW, reasoning=effort, tools=tools, tool_choice=forced)


def test_tools_are_put_into_form_and_their_names_come_back() -> None:
    """Missing schemas, bad names, namespaces, free text, tools of another vendor."""
    long = "n" * 70
    rendered = render(
        tools=(
            Tool("f", "d", Raw(b'{"properties":{}}'), strict=True),
            Tool("a.b"),
            Tool(long),
            Tool("patch", "p", kind=ToolKind.CUSTOM, grammar=Grammar("lark", "start: x")),
            Tool("x", namespace="ns"),
            VendorTool("openai_chat", "web_search", Raw(b"{}")),
        ),
        parallel_tool_calls=False,
    )
    written = decode_any(rendered.body)
    assert isinstance(written, dict)
    first, dotted, cut, custom, spaced = written["tools"]
    schema = {"properties": {}, "type": "object"}
    assert first == {"name": "f", "description": "d", "input_schema": schema, "strict": True}
    assert dotted["input_schema"] == {"type": "object", "properties": {}}
    assert rendered.names == {dotted["name"]: "a.b", cut["name"]: long}
    assert len(cut["name"]) == 64
    assert custom["input_schema"]["required"] == ["input"]
    assert "start: x" in custom["description"]
    assert spaced["name"] == "ns__x"
    assert written["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert rendered.dropped == ("web_search",)


@pytest.mark.parametrize(
    ("choice", "written", "names"),
    [
        (ToolChoice(ToolMode.NONE), {"type": "none"}, ["f", "g.h"]),
        (ToolChoice(ToolMode.REQUIRED), {"type": "any"}, ["f", "g.h"]),
        (ToolChoice(ToolMode.REQUIRED, ("f",)), {"type": "tool", "name": "f"}, ["f", "g.h"]),
        (ToolChoice(ToolMode.AUTO, ("f",)), {"type": "auto"}, ["f"]),
        (ToolChoice(ToolMode.REQUIRED, ("f", "x")), {"type": "any"}, ["f"]),
    ],
)
def test_tool_choice_in_all_forms(choice: ToolChoice, written: object, names: list[str]) -> None:
    """Several allowed tools are the ones that are offered."""
    found = body(tools=(Tool("f"), Tool("g.h")), tool_choice=choice)
    assert found["tool_choice"] == written
    assert [tool["name"][:3] for tool in found["tools"]] == [name.replace(".", "_")[:3] for name in names]


def test_a_history_with_calls_names_its_tools_even_where_none_are_offered() -> None:
    """Anthropic refuses it otherwise; they are not to be called again."""
    written = body(HI, assistant(call("a", "f"), call("b", "f")), user(result("a"), result("b")))
    assert [tool["name"] for tool in written["tools"]] == ["f"]
    assert written["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in body(tool_choice=ToolChoice(ToolMode.AUTO))


def test_structured_output_is_a_field_or_an_instruction() -> None:
    """By what the model knows; refused keywords are cut, objects closed, names of properties left alone."""
    schema = Raw(
        b'{"type":"object","properties":{"pattern":{"type":"string","pattern":"x","format":"uuid"},"n":'
        b'{"type":"integer","minimum":1,"enum":[1]},"l":{"type":"array","minItems":2,"items":{"type":"object"}}}}'
    )
    output = OutputFormat(OutputKind.JSON_SCHEMA, schema, "s")
    assert body(output=output)["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "pattern": {"type": "string", "format": "uuid"},
                "n": {"type": "integer", "enum": [1]},
                "l": {"type": "array", "items": {"type": "object", "additionalProperties": False}},
            },
        },
    }
    assert "minItems" in body(model="glm-5.1", output=output)["system"][-1]["text"]
    assert "JSON object" in body(output=OutputFormat(OutputKind.JSON))["system"][-1]["text"]
    assert "system" not in body(output=OutputFormat(OutputKind.TEXT))


def test_schemas_without_end_are_bounded() -> None:
    """A hostile depth is neither followed nor an error."""
    deep = b'{"items":' * 300 + b"{}" + b"}" * 300
    assert body(output=OutputFormat(OutputKind.JSON_SCHEMA, Raw(deep)))["output_config"]


def test_user_stream_and_quirks() -> None:
    """The rest of the body."""
    target = Target(OLD, Quirks(drop=("metadata", "top_k")))
    rendered = render(streamed=True, target=target)
    assert decode_any(rendered.body) == {**body(streamed=True), "stream": True}
    conversation = replace(Conversation("a", (HI,), user="u"), dialect="gemini")
    assert MESSAGES.render(conversation, target).dropped == ("metadata",)
    assert b'"metadata":{"user_id":"u"}' in MESSAGES.render(conversation, Target(OLD, Quirks())).body


def test_a_conversation_of_nothing_is_refused() -> None:
    """There is nothing to send."""
    with pytest.raises(InvalidRequest):
        render(user(Text(" ")))


@pytest.mark.parametrize(
    ("model", "adaptive", "manual", "sampling"),
    [
        ("claude-opus-4-8", True, False, False),
        ("claude-sonnet-5", True, False, False),
        ("claude-fable-5-2", True, False, False),
        ("claude-mythos-preview", True, False, False),
        ("anthropic/claude-sonnet-4.6", True, False, True),
        ("claude-haiku-4-5-20251001", False, True, True),
        ("claude-sonnet-4-20250514", False, True, True),
        ("claude-3-7-sonnet-20250219", False, True, True),
        ("claude-3-5-sonnet-latest", False, False, True),
        ("glm-5.1", False, True, True),
    ],
)
def test_capabilities_are_read_from_the_name(model: str, adaptive: bool, manual: bool, sampling: bool) -> None:
    """Dates are no versions."""
    found = capabilities_of(model)
    assert (found.adaptive_thinking, found.manual_thinking, found.sampling) == (adaptive, manual, sampling)
