"""A client's request, read and written again."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.protocol import Target
from freetheai_gateway.domain.conversation import (
    Base64Source,
    CacheMark,
    Conversation,
    File,
    Image,
    Opaque,
    OutputKind,
    RedactedThinking,
    Role,
    Text,
    TextSource,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    VendorTool,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import decode_any, encode

MESSAGES = MessagesTranslator()
TARGET = Target("m", Quirks())


def parse(**fields: object) -> Conversation:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
    return MESSAGES.parse(encode(body))


def again(body: Mapping[str, Any]) -> object:
    return decode_any(MESSAGES.render(MESSAGES.parse(encode(body)), TARGET).body)


# --- the round trip -------------------------------------------------------------------------------------------

_name = st.text("abcXYZ_-19", min_size=1, max_size=8)
_said = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"x{text}")
_cache = st.fixed_dictionaries(
    {},
    optional={
        "cache_control": st.sampled_from(
            [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "scope": "global"}, None]
        )
    },
)


def _block(kind: str, optional: Mapping[str, st.SearchStrategy[object]] | None = None, **fields: Any) -> Any:
    shape = st.fixed_dictionaries({"type": st.just(kind), **fields}, optional=dict(optional or {}))
    return st.builds(lambda block, cache: {**block, **cache}, shape, _cache)


_text = _block("text", {"citations": st.just([{"type": "char_location"}]), "unknown": _said}, text=_said)
_image = _block(
    "image",
    source=st.one_of(
        st.fixed_dictionaries({"type": st.just("base64"), "media_type": st.just("image/png"), "data": st.just("iVBO")}),
        st.fixed_dictionaries({"type": st.just("url"), "url": st.just("https://example.org/a.png")}),
        st.fixed_dictionaries({"type": st.just("file"), "file_id": _name}),
        st.fixed_dictionaries({"type": st.just("hologram"), "beam": _said}),
    ),
)
_document = _block(
    "document",
    {"title": _said, "context": _said, "citations": st.just({"enabled": True})},
    source=st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "media_type": st.just("text/plain"), "data": _said}),
        st.fixed_dictionaries(
            {"type": st.just("content"), "content": st.one_of(_said, st.lists(_text), st.lists(_image))}
        ),
    ),
)
_search_result = _block("search_result", source=_said, title=_said, content=st.lists(_text, max_size=2))
_reference = _block("tool_reference", tool_name=_name)
_result = _block(
    "tool_result",
    {
        "is_error": st.booleans(),
        "content": st.one_of(
            _said, st.lists(st.one_of(_text, _image, _document, _search_result, _reference), max_size=3)
        ),
    },
    tool_use_id=_name,
)
_user_rest = st.one_of(_text, _image, _document, _search_result, _block("container_upload", file_id=_name))
_user = st.one_of(
    _said,
    st.builds(lambda results, rest: results + rest, st.lists(_result, max_size=2), st.lists(_user_rest, min_size=1)),
)
_assistant_block = st.one_of(
    _text,
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.text("ab ", max_size=3), "signature": _name}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": _name}),
    _block(
        "tool_use",
        {"caller": st.just({"type": "direct"})},
        id=_name,
        name=_name,
        input=st.dictionaries(_said, st.one_of(st.integers(), _said), max_size=2),
    ),
    _block("server_tool_use", id=_name, name=st.just("web_search"), input=st.just({"query": "x"})),
    _block("web_search_tool_result", tool_use_id=_name, content=st.just([])),
)
_message = st.one_of(
    st.fixed_dictionaries({"role": st.just("user"), "content": _user}, optional={"unknown": _said}),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": st.one_of(_said, st.lists(_assistant_block, min_size=1, max_size=4))}
    ),
)
_messages = st.builds(
    lambda first, rest: [{"role": "user", "content": first}, *rest],
    _user,
    st.lists(
        st.one_of(_message, st.fixed_dictionaries({"role": st.just("system"), "content": st.lists(_text, min_size=1)})),
        max_size=4,
    ),
)
_schema = st.just({"type": "object", "properties": {"a": {"type": "string"}}, "$schema": "x"})
_custom_tool = st.builds(
    lambda tool, cache: {**tool, **cache},
    st.fixed_dictionaries(
        {"name": _name, "input_schema": _schema},
        optional={
            "description": _said,
            "type": st.sampled_from(["custom", None]),
            "strict": st.booleans(),
            "defer_loading": st.booleans(),
            "input_examples": st.just([{"a": "x"}]),
        },
    ),
    _cache,
)
_tool = st.one_of(_custom_tool, st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}))
_display = {"display": st.sampled_from(["summarized", "omitted"])}
_body = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": _messages, "max_tokens": st.integers(0, 64000)},
    optional={
        "system": st.one_of(_said, st.lists(_text, min_size=1, max_size=3), st.just([]), st.none()),
        "stop_sequences": st.lists(_said, max_size=3),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 100),
        "stream": st.booleans(),
        "metadata": st.one_of(st.just({"user_id": "u"}), st.just({"user_id": None}), st.just({"a": 1, "user_id": "u"})),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "container": st.just({"id": "c"}),
        "context_management": st.just({"edits": [{"type": "clear_tool_uses_20250919"}]}),
        "mcp_servers": st.just([{"type": "url", "url": "https://example.org", "name": "m"}]),
        "cache_control": st.just({"type": "ephemeral"}),
        "thinking": st.one_of(
            st.fixed_dictionaries(
                {"type": st.just("enabled"), "budget_tokens": st.integers(1024, 9999)}, optional=_display
            ),
            st.fixed_dictionaries({"type": st.just("adaptive")}, optional=_display),
            st.just({"type": "disabled"}),
            st.just({"type": "between_tools", "more": 1}),
            st.none(),
        ),
        "output_config": st.fixed_dictionaries(
            {},
            optional={
                "effort": st.sampled_from(["low", "max", None]),
                "format": st.one_of(
                    st.none(), st.fixed_dictionaries({"type": st.just("json_schema"), "schema": _schema})
                ),
                "task_budget": st.just({"type": "tokens", "total": 5}),
            },
        ),
        "output_format": st.just({"type": "json_schema", "schema": {"type": "object"}}),
        "tools": st.lists(_tool, max_size=3),
        "tool_choice": st.one_of(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["auto", "any"])}, optional={"disable_parallel_tool_use": st.booleans()}
            ),
            st.just({"type": "tool", "name": "a", "disable_parallel_tool_use": True}),
            st.just({"type": "none"}),
        ),
        "invented_later": st.just({"a": [1, None]}),
    },
)


@settings(max_examples=150, deadline=None)
@given(_body)
def test_render_of_parse_equals_the_body(body: dict[str, Any]) -> None:
    """Nothing that the dialect documents is lost or changed on the way through the neutral form."""
    assert again(body) == body


# --- what it means --------------------------------------------------------------------------------------------


def test_system_when_claude_code_puts_its_attribution_first_then_only_this_dialect_sees_it() -> None:
    """The line changes with every request and would spoil another upstream's prompt cache."""
    line = "x-anthropic-billing-header: cc_version=2.1.36; cc_entrypoint=cli; cch=fa690;"
    system = [
        {"type": "text", "text": line},
        {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}},
    ]
    conversation = parse(system=system)
    attribution, words = conversation.turns[0].parts
    assert isinstance(attribution, Opaque)
    assert attribution.kind == "attribution"
    assert words == Text("You are.", CacheMark())
    for given_system in (system, f"{line}\nYou are.", [{"type": "text", "text": f"{line}\n\nYou are."}], line):
        body = {"model": "m", "max_tokens": 1, "system": given_system, "messages": [{"role": "user", "content": "x"}]}
        assert again(body) == body
    said = [
        parse(system=f"{line}\nYou are.").turns[0].parts[0],
        parse(system=[{"type": "text", "text": f"{line}\nA"}]).turns[0].parts[0],
    ]
    assert [part.text for part in said if isinstance(part, Text)] == ["You are.", "A"]


AS_CLAUDE_CODE: dict[str, object] = {
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "Eq=="},
                {"type": "redacted_thinking", "data": "Em"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                        {"type": "tool_reference", "tool_name": "g"},
                        {
                            "type": "search_result",
                            "source": "s",
                            "title": "T",
                            "content": [{"type": "text", "text": "c"}],
                        },
                    ],
                }
            ],
        },
        {"role": "system", "content": "from now on"},
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}, "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "metadata": {"user_id": "u"},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "stop_sequences": ["a", "b"],
    "stream": True,
}


def test_parse_reads_turns_and_results() -> None:
    """What Claude Code sends, in neutral words."""
    conversation = parse(**AS_CLAUDE_CODE)
    _, assistant, user, system = conversation.turns
    assert assistant.parts[0] == Thinking("t", "Eq==", "anthropic_messages")
    assert assistant.parts[1] == RedactedThinking("Em", "anthropic_messages")
    call = assistant.parts[2]
    assert isinstance(call, ToolCall)
    assert decode_any(call.arguments) == {"a": 1}
    result = user.parts[0]
    assert isinstance(result, ToolResult)
    assert result.is_error
    text, image, reference, found = result.parts
    assert text == Text("no")
    assert image == Image(Base64Source("image/png", "iVBO"))
    assert isinstance(reference, Text)
    assert "g" in reference.text
    assert isinstance(found, File)
    assert (found.filename, found.source) == ("T", TextSource("c"))
    assert system.role is Role.SYSTEM


def test_parse_reads_tools_and_options() -> None:
    """Of the same request."""
    conversation = parse(**AS_CLAUDE_CODE)
    tool, search = conversation.tools
    assert isinstance(tool, Tool)
    assert isinstance(search, VendorTool)
    assert search.kind == "web_search_20250305"
    assert conversation.tool_choice == ToolChoice(ToolMode.REQUIRED, ("f",))
    assert conversation.parallel_tool_calls is False
    assert (conversation.user, conversation.streamed, conversation.sampling.stop) == ("u", True, ("a", "b"))
    reasoning = conversation.reasoning
    assert (reasoning.adaptive, reasoning.enabled, reasoning.effort, reasoning.summary) == (
        True,
        True,
        "xhigh",
        "omitted",
    )
    assert conversation.output is not None
    assert conversation.output.kind is OutputKind.JSON_SCHEMA


def test_bug_95_only_what_no_other_dialect_can_be_told_is_native() -> None:
    """Renderers of other dialects name it as dropped; ways of writing are no loss."""
    conversation = parse(
        stream=False,
        tools=[],
        system=None,
        temperature=None,
        metadata={},
        output_format={"type": "json_schema", "schema": {}},
        context_management={"edits": []},
        mcp_servers=[],
        invented_later=1,
    )
    assert set(conversation.native) == {"context_management", "mcp_servers", "invented_later"}
    assert conversation.output is not None


def test_max_tokens_of_zero_is_kept() -> None:
    """It fills the prompt cache and asks for no answer."""
    assert parse(max_tokens=0).sampling.max_tokens == 0


def test_signatures_that_were_minted_come_back_to_their_vendor() -> None:
    """On thinking, on redacted thinking, and before a tool call."""
    content = [
        {"type": "thinking", "thinking": "t", "signature": signatures.mint("gemini", "S.1")},
        {"type": "thinking", "thinking": "u", "signature": ""},
        {"type": "redacted_thinking", "data": signatures.mint("openai_responses", "enc")},
        {"type": "thinking", "thinking": "", "signature": signatures.mint(signatures.TOOL_CALL, "call-sig")},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
    ]
    assert parse(messages=[{"role": "assistant", "content": content}]).turns[0].parts == (
        Thinking("t", "S.1", "gemini"),
        Thinking("u", None, ""),
        RedactedThinking("enc", "openai_responses"),
        ToolCall("a", "f", "{}", signature="call-sig"),
    )


def test_foreign_signatures_are_never_written_for_anthropic() -> None:
    """Anthropic refuses them."""
    content = [
        {"type": "thinking", "thinking": "t", "signature": signatures.mint("gemini", "S")},
        {"type": "thinking", "thinking": "u", "signature": ""},
        {"type": "text", "text": "x"},
    ]
    body = {"messages": [{"role": "assistant", "content": content}, {"role": "user", "content": "y"}]}
    rendered = MESSAGES.render(parse(**body), TARGET)
    written = decode_any(rendered.body)
    assert isinstance(written, dict)
    assert written["messages"][0]["content"] == [{"type": "text", "text": "x"}]
    assert rendered.dropped == ("thinking",)


def test_bug_71_blank_texts_are_left_out_and_so_are_emptied_messages() -> None:
    """In messages, in system and inside results; Anthropic refuses them."""
    body = {
        "model": "m",
        "max_tokens": 1,
        "system": [{"type": "text", "text": " "}, {"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": "  \n"},
            {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": ""}]}],
            },
        ],
    }
    assert again(body) == {
        "model": "m",
        "max_tokens": 1,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
        ],
    }


def test_bug_80_tool_results_stand_first_in_their_turn() -> None:
    """Text before them may be refused."""
    result = {"type": "tool_result", "tool_use_id": "a", "content": "r"}
    text = {"type": "text", "text": "t"}
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [text, result]}]}
    assert again(body) == {**body, "messages": [{"role": "user", "content": [result, text]}]}


def test_bug_14_lone_surrogates_become_the_replacement_character() -> None:
    """In a tool result; nothing behind us can encode them."""
    content = b'[{"type":"tool_result","tool_use_id":"a","content":"x\\ud83dy"}]'
    body = b'{"model":"m","messages":[{"role":"user","content":' + content + b"}]}"
    rendered = MESSAGES.render(MESSAGES.parse(body), TARGET)
    assert "x\ufffdy".encode() in rendered.body


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
            "messages[0].content[0].source.type",
        ),
        ({"system": 5}, "system"),
        ({"system": [5]}, "system[0]"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"temperature": "1"}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {}}, "thinking.type"),
        ({"metadata": "x"}, "metadata"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_bug_98_odd_types_are_refused_with_the_place(fields: dict[str, object], param: str) -> None:
    """The error names the field, in its message and in `param`."""
    with pytest.raises(InvalidRequest) as raised:
        parse(**fields)
    assert raised.value.param == param
    assert param in raised.value.message


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "source", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_kinds = st.sampled_from(
    ["text", "image", "document", "search_result", "thinking", "tool_use", "tool_result", "mid_conv_system"]
)


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(["messages", "system", "tools", "thinking", "output_config", "metadata", "tool_choice"]),
    value=_json,
    kind=_kinds,
    block=st.dictionaries(st.sampled_from(["text", "source", "content", "id", "input", "title", "thinking"]), _json),
)
def test_no_request_raises_anything_but_invalid_request(
    field: str, value: object, kind: str, block: dict[str, object]
) -> None:
    """Whatever a client sends."""
    for fields in ({field: value}, {"messages": [{"role": "user", "content": [{**block, "type": kind}]}]}):
        try:
            MESSAGES.render(parse(**fields), TARGET)
        except InvalidRequest as refused:
            assert refused.message  # noqa: PT017 - either outcome is good, nothing else may be raised


def test_results_nested_in_results_are_not_followed() -> None:
    """Depth is the caller's to choose; ours has a bound."""
    block: dict[str, object] = {"type": "text", "text": "x"}
    for _ in range(50):
        block = {"type": "tool_result", "tool_use_id": "a", "content": [block]}
    conversation = parse(messages=[{"role": "user", "content": [block]}])
    outer = conversation.turns[0].parts[0]
    assert isinstance(outer, ToolResult)
    assert isinstance(outer.parts[0], Opaque)
