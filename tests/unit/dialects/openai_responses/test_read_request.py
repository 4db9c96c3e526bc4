"""A client's request, read: statelessness, items, tools, and that the same dialect writes it back unchanged."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import Target
from freetheai_gateway.domain.conversation import (
    CacheMark,
    Conversation,
    Grammar,
    Opaque,
    OutputKind,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolKind,
    ToolMode,
    ToolResult,
    VendorTool,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import decode_any, encode

RESPONSES = OpenAIResponses()
GOLDEN = Path("tests/golden/openai_responses")
USER = {"role": "user", "content": "hi"}


def parse(**fields: object) -> Conversation:
    return RESPONSES.parse(encode({"model": "m", "input": "hi", **fields}))


def again(body: bytes) -> Any:
    conversation = RESPONSES.parse(body)
    return decode_any(RESPONSES.render(conversation, Target(conversation.model, Quirks())).body)


def items(*given_items: object) -> Conversation:
    return parse(input=list(given_items))


# --- statelessness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            "previous_response_id",
            "resp_1",
            "previous_response_id is not supported: this server stores no conversations. Send the whole input.",
        ),
        ("conversation", "conv_1", "conversation is not supported"),
        ("conversation", {"id": "conv_1"}, "Send the whole input."),
        ("background", True, "background: true is not supported"),
        ("store", True, "store: true is not supported"),
    ],
)
def test_request_when_it_needs_a_memory_then_both_lanes_refuse_it(field: str, value: object, words: str) -> None:
    """The sentence says what to do, the parameter is named."""
    body = encode({"model": "m", "input": "hi", field: value})
    for read in (RESPONSES.parse, RESPONSES.parse_request):
        with pytest.raises(InvalidRequest) as caught:
            read(body)
        assert words in caught.value.message
        assert caught.value.param == field


@pytest.mark.parametrize(
    "fields", [{}, {"store": False}, {"store": None, "previous_response_id": None, "background": False}]
)
def test_request_when_it_is_stateless_then_it_goes_up_as_not_stored(fields: dict[str, object]) -> None:
    """SDK defaults and Codex; the operator's account at a vendor keeps nothing."""
    body = encode({"model": "m", "input": "hi", **fields})
    assert again(body) == {"model": "m", "input": "hi", **fields, "store": False}
    raw = RESPONSES.render_request(RESPONSES.parse_request(body), "up", Quirks(), None)
    assert decode_any(raw) == {"model": "up", "input": "hi", **fields, "store": False}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":null}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":7}', "input"),
        (b'{"input":"hi"}', "model"),
        (b'{"model":"m","input":"hi","temperature":"hot"}', "temperature"),
        (b'{"model":"m","input":"hi","max_output_tokens":99999999999999999999}', "max_output_tokens"),
        (b'{"model":"m","input":"hi","tools":{}}', "tools"),
        (b'{"model":"m","input":"hi","text":{"format":{"type":"json_schema","name":"x"}}}', "text.format.schema"),
        (b'{"model":"m","input":[{"role":"critic","content":"x"}]}', "input[0].role"),
        (b'{"model":"m","input":[{"role":"user","content":7}]}', "input[0].content"),
        (b'{"model":"m","input":[{"type":"function_call","call_id":"c","name":"n"}]}', "input[0].arguments"),
        (b'{"model":"m","input":[{"type":"function_call_output","output":"x"}]}', "input[0].call_id"),
    ],
)
def test_request_when_it_is_wrong_then_the_place_is_named(body: bytes, param: str) -> None:
    """Every 400 says which field it is about."""
    with pytest.raises(InvalidRequest) as caught:
        RESPONSES.parse(body)
    assert caught.value.param == param


# --- items ----------------------------------------------------------------------------------------------------


def test_codex_request_is_read_and_written_back_unchanged() -> None:
    """Everything that Codex sends survives, tools and items that only its vendor knows included."""
    body = (GOLDEN / "codex_request.json").read_bytes()
    assert again(body) == decode_any(body)


def test_codex_request_is_read_as_turns() -> None:
    """Instructions, developer, user; calls in one turn and their results in the next."""
    conversation = RESPONSES.parse((GOLDEN / "codex_request.json").read_bytes())
    shape = [(turn.role.value, [type(part).__name__ for part in turn.parts]) for turn in conversation.turns]
    assert shape == [
        ("system", ["Text"]),
        ("developer", ["Text"]),
        ("user", ["Text", "Image"]),
        ("assistant", ["Thinking", "Text", "ToolCall", "ToolCall"]),
        ("user", ["ToolResult", "ToolResult"]),
        ("assistant", ["ToolCall"]),
        ("user", ["ToolResult"]),
        ("assistant", ["ToolCall"]),
        ("user", ["ToolResult", "Opaque", "Opaque", "Opaque"]),
        ("user", ["Text"]),
    ]
    assert conversation.reasoning.effort == "medium"
    assert conversation.verbosity == "low"
    assert conversation.streamed
    assert conversation.output is not None
    assert (conversation.output.kind, conversation.output.name) == (OutputKind.JSON_SCHEMA, "out")


def test_tools_are_flattened_and_lifted() -> None:
    """Namespaces stand at each tool; `additional_tools` are callable; hosted tools stay their vendor's."""
    conversation = RESPONSES.parse((GOLDEN / "codex_request.json").read_bytes())
    tools = [(t.namespace, t.name) if isinstance(t, Tool) else t.kind for t in conversation.tools]
    assert tools == [
        ("", "shell_command"),
        ("", "apply_patch"),
        ("mcp__fs", "read"),
        ("mcp__fs", "write"),
        "web_search",
        "local_shell",
        ("", "late"),
    ]
    patch = conversation.tools[1]
    assert isinstance(patch, Tool)
    assert (patch.kind, patch.grammar) == (ToolKind.CUSTOM, Grammar("lark", "start: begin"))


def test_bug_115_two_calls_then_two_outputs_are_one_turn_each() -> None:
    """Chat upstreams want one assistant message with both calls, then both tool messages."""
    conversation = items(
        USER,
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": "{}", "id": "fc_2"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    )
    assert [turn.role for turn in conversation.turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    calls = [part.id for part in conversation.turns[1].parts if isinstance(part, ToolCall)]
    results = [part.call_id for part in conversation.turns[2].parts if isinstance(part, ToolResult)]
    assert calls == results == ["a", "b"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "status": "completed", "new_field": {"x": [1]}},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "of_tomorrow", "x": None},
        {"type": 7},
        {},
        7,
        None,
        "text",
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}},
        {"type": "local_shell_call", "id": "l", "call_id": "c", "status": "completed", "action": {"type": "exec"}},
        {"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "server_label": "s", "output": "o"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "user", "content": []},
    ],
)
def test_bug_118_unknown_items_are_never_an_error(item: object) -> None:
    """They are kept for an upstream of this dialect; a call without its output is no call for the others."""
    conversation = items(USER, item)
    assert isinstance(conversation.turns[0].parts[-1], Opaque)
    body = encode({"model": "m", "input": [USER, item], "store": False})
    assert again(body) == decode_any(body)


def test_codex_request_leaves_no_mark_that_another_dialect_would_name() -> None:
    """What is only a matter of this dialect's spelling is not native."""
    conversation = RESPONSES.parse((GOLDEN / "codex_request.json").read_bytes())
    assert set(conversation.native) == {"include", "prompt_cache_key"}
    assert not [tool for tool in conversation.tools if isinstance(tool, Tool) and tool.native]


def test_bug_118_hosted_tools_with_unknown_fields_are_no_error() -> None:
    """Also tools that are no objects, and namespaces that hold nothing to call."""
    tools = [{"type": "web_search", "x": 1}, {"type": "namespace", "name": "n", "tools": []}, 7, {"type": "function"}]
    conversation = parse(tools=tools)
    assert [tool.kind for tool in conversation.tools if isinstance(tool, VendorTool)] == [
        "web_search",
        "namespace",
        "unknown",
        "function",
    ]
    assert again(encode({"model": "m", "input": "hi", "store": False, "tools": tools}))["tools"] == tools


def test_local_shell_and_its_kin_are_read_as_calls_of_a_function_with_results() -> None:
    """A failed patch says so."""
    conversation = items(
        {"type": "apply_patch_call", "call_id": "c", "status": "completed", "operation": {"type": "delete_file"}},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no such file"},
    )
    call, result = conversation.turns[0].parts[0], conversation.turns[1].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.name, decode_any(call.arguments)) == ("apply_patch", {"type": "delete_file"})
    assert (result.is_error, result.parts) == (True, (Text("no such file", as_plain=True),))


def test_tools_that_a_search_found_are_callable() -> None:
    """`tool_search_output` brings tools as `additional_tools` does."""
    conversation = items(
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "x"}},
        {
            "type": "tool_search_output",
            "call_id": "c",
            "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}],
        },
    )
    assert [(t.namespace, t.name) for t in conversation.tools if isinstance(t, Tool)] == [("n", "f")]
    assert [type(turn.parts[0]) for turn in conversation.turns] == [ToolCall, ToolResult]


def test_bug_119_reasoning_stays_with_the_item_that_follows_and_keeps_its_id() -> None:
    """Id and encrypted content belong together; both are in the signature."""
    conversation = items(
        {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    )
    assert len(conversation.turns) == 1
    thinking, call = conversation.turns[0].parts
    assert isinstance(call, ToolCall)
    assert isinstance(thinking, Thinking)
    assert (thinking.vendor, thinking.signature, thinking.text) == ("openai_responses", "rs_9|gAAA", "")


def test_reasoning_of_other_vendors_comes_back_as_theirs() -> None:
    """Signed, redacted, and the signature of the call that follows."""

    def reasoning(encrypted: str, *summary: str) -> dict[str, object]:
        texts = [{"type": "summary_text", "text": text} for text in summary]
        return {"type": "reasoning", "id": "rs_1", "summary": texts, "encrypted_content": encrypted}

    conversation = items(
        reasoning(signatures.mint("anthropic_messages", "sig.with.dots"), "hm"),
        reasoning(signatures.mint("anthropic_messages-redacted", "blob")),
        reasoning(signatures.mint(signatures.TOOL_CALL, "thought")),
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    )
    assert conversation.turns[0].parts[:2] == (
        Thinking("hm", "sig.with.dots", "anthropic_messages", summary=True),
        RedactedThinking("blob", "anthropic_messages"),
    )
    call = conversation.turns[0].parts[2]
    assert isinstance(call, ToolCall)
    assert call.signature == "thought"


def test_reasoning_without_signature_is_kept_as_text() -> None:
    """Upstreams that reason in the open; their clients send it back."""
    thinking = (
        items({"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "so"}]})
        .turns[0]
        .parts[0]
    )
    assert isinstance(thinking, Thinking)
    assert (thinking.text, thinking.signature, thinking.vendor, thinking.summary) == ("so", None, "", False)


def test_cache_breakpoints_are_neutral() -> None:
    """So that another vendor can be told."""
    part = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
    assert items({"role": "user", "content": [part]}).turns[0].parts == (Text("x", CacheMark("30m")),)


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        ("auto", ToolMode.AUTO, ()),
        ("none", ToolMode.NONE, ()),
        ("required", ToolMode.REQUIRED, ()),
        ({"type": "function", "name": "f"}, ToolMode.REQUIRED, ("f",)),
        ({"type": "custom", "name": "p"}, ToolMode.REQUIRED, ("p",)),
        ({"type": "function", "name": "inner"}, ToolMode.REQUIRED, ("ns__inner",)),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}],
            },
            ToolMode.REQUIRED,
            ("f",),
        ),
        ({"type": "web_search_preview"}, ToolMode.AUTO, ()),
    ],
)
def test_tool_choice_is_read_and_written_back(choice: object, mode: ToolMode, names: tuple[str, ...]) -> None:
    """Names are flat; a hosted tool can't be forced on another vendor."""
    tools = [
        {"type": "function", "name": "f"},
        {"type": "namespace", "name": "ns", "description": "", "tools": [{"type": "function", "name": "inner"}]},
    ]
    found = parse(tools=tools, tool_choice=choice).tool_choice
    assert found is not None
    assert (found.mode, found.names) == (mode, names)
    body = encode({"model": "m", "input": "hi", "store": False, "tools": tools, "tool_choice": choice})
    assert again(body) == decode_any(body)


# --- render(parse(x)) == x ------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NAME = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
JSON_OBJECT = st.dictionaries(NAME, st.none() | st.booleans() | st.integers(-9, 9) | TEXT, max_size=2)
BREAKPOINT = st.fixed_dictionaries({"mode": st.just("explicit")}, optional={"ttl": st.sampled_from(["30m", "12h"])})
STATUS = st.sampled_from(["in_progress", "completed", "incomplete", None])


def form(kind: str, optional: dict[str, st.SearchStrategy[Any]] | None = None, **required: Any) -> Any:
    fields = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in required.items()
    }
    return st.fixed_dictionaries({"type": st.just(kind), **fields}, optional=optional or {})


URL = st.sampled_from(["https://x/y.png", "data:image/png;base64,AAAA", "data:,x", "data:image/png;x=1;base64,AA"])
MARK = {"prompt_cache_breakpoint": BREAKPOINT}
INPUT_PART = st.one_of(
    form("input_text", MARK, text=TEXT),
    form("input_image", {**MARK, "detail": st.sampled_from(["auto", "low", "high", "original"])}, image_url=URL),
    form("input_image", {"detail": st.none()}, file_id=NAME),
    form("input_file", {"filename": NAME, "detail": st.just("low")}, file_data=URL | NAME),
    form("input_file", MARK, file_url=URL),
    form("input_file", file_id=NAME),
    form("input_audio", input_audio={"data": "AAAA", "format": "wav"}),
    form("part_of_tomorrow", x=JSON_OBJECT),
)
OUTPUT_PART = form("output_text", {"annotations": st.just([]), "logprobs": st.just([])}, text=TEXT) | form(
    "refusal", refusal=TEXT
)
CALLER = {"caller": form("direct"), "id": NAME | st.none(), "status": STATUS}
OUTPUT = TEXT | st.lists(INPUT_PART, min_size=1, max_size=2)
ITEM = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "developer"]), "content": TEXT | st.lists(INPUT_PART, max_size=3)},
        optional={"type": st.just("message"), "status": STATUS},
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TEXT | st.lists(OUTPUT_PART, max_size=3)},
        optional={"type": st.just("message"), "id": NAME, "status": STATUS, "phase": st.just("commentary")},
    ),
    form(
        "function_call", {**CALLER, "namespace": NAME, "async": st.booleans()}, call_id=NAME, name=NAME, arguments=TEXT
    ),
    form("function_call_output", {**CALLER, "name": NAME, "namespace": NAME}, call_id=NAME, output=OUTPUT),
    form("custom_tool_call", {**CALLER, "namespace": NAME}, call_id=NAME, name=NAME, input=TEXT),
    form("custom_tool_call_output", CALLER, call_id=NAME, output=OUTPUT),
    form(
        "reasoning",
        {
            "content": st.none() | st.lists(form("reasoning_text", text=TEXT), max_size=2),
            "encrypted_content": st.none() | NAME,
            "status": STATUS,
        },
        id=NAME,
        summary=st.lists(form("summary_text", text=TEXT), max_size=2),
    ),
    form("local_shell_call", id=NAME, call_id="c1", status=STATUS, action=JSON_OBJECT),
    form("local_shell_call_output", id="c1", output=TEXT),
    form("shell_call", call_id="c2", action=JSON_OBJECT),
    form("shell_call_output", call_id="c2", output=st.just([])),
    form("item_reference", id=NAME),
    form("compaction", encrypted_content=NAME),
    form("additional_tools", role="developer", tools=st.just([{"type": "function", "name": "x"}])),
)
FUNCTION = form(
    "function",
    {
        "description": TEXT | st.none(),
        "parameters": st.none() | JSON_OBJECT,
        "strict": st.none() | st.booleans(),
        "defer_loading": st.booleans(),
        "output_schema": JSON_OBJECT,
    },
    name=NAME,
)
CUSTOM = form(
    "custom",
    {"description": TEXT, "format": form("text") | form("grammar", syntax="lark", definition=TEXT)},
    name=NAME,
)
TOOL = st.one_of(
    FUNCTION,
    CUSTOM,
    form("namespace", name=NAME, description=TEXT, tools=st.lists(FUNCTION | CUSTOM, min_size=1, max_size=2)),
    form("web_search", {"search_context_size": st.just("low")}),
    form("mcp", server_label=NAME, server_url="https://x"),
)
FORMAT = st.one_of(
    form("text"),
    form("json_object"),
    form("json_schema", {"strict": st.booleans() | st.none(), "description": TEXT}, name=NAME, schema=JSON_OBJECT),
)
REQUEST = st.fixed_dictionaries(
    {"model": st.just("m"), "store": st.just(False), "input": TEXT | st.lists(ITEM, min_size=1, max_size=6)},
    optional={
        "instructions": TEXT,
        "tools": st.none() | st.lists(TOOL, max_size=4),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "name": "f"}]),
        "parallel_tool_calls": st.booleans(),
        "text": st.fixed_dictionaries({}, optional={"format": FORMAT, "verbosity": st.sampled_from(["low", None])}),
        "reasoning": st.fixed_dictionaries(
            {}, optional={"effort": st.sampled_from(["low", None]), "summary": st.just("auto"), "mode": st.just("pro")}
        ),
        "max_output_tokens": st.none() | st.integers(1, 99),
        "temperature": st.none() | st.floats(0, 2),
        "previous_response_id": st.none(),
        "background": st.just(False),
        "top_p": st.floats(0, 1),
        "top_logprobs": st.integers(0, 20),
        "user": TEXT,
        "stream": st.none() | st.booleans(),
        "stream_options": st.just({"include_obfuscation": False}),
        "include": st.just(["reasoning.encrypted_content"]),
        "metadata": JSON_OBJECT,
        "truncation": st.just("auto"),
        "service_tier": st.just("flex"),
        "safety_identifier": NAME,
        "prompt_cache_key": NAME,
        "max_tool_calls": st.integers(1, 9),
        "prompt": st.just({"id": "pmpt_1"}),
        "context_management": st.just([{"type": "compaction"}]),
        "x_of_tomorrow": JSON_OBJECT,
    },
)


@settings(max_examples=120, deadline=None)
@given(REQUEST)
def test_render_of_parse_gives_the_same_json(body: dict[str, Any]) -> None:
    """For every documented field; bare `type` and `id` spellings included."""
    assert again(encode(body)) == body


@settings(max_examples=120, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | TEXT | st.sampled_from(["message", "reasoning", "user"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "role", "content", "text", "name", "tools", "call_id", "summary", ".message", ".item"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning"]),
)
def test_parse_raises_nothing_but_invalid_request(value: object, field: str) -> None:
    """Whatever stands in a field; what is read can be written."""
    body = encode({"model": "m", "input": "x"} | {field: value})
    try:
        conversation = RESPONSES.parse(body)
    except InvalidRequest:
        return
    RESPONSES.render(conversation, Target("m", Quirks()))


def test_parse_when_it_is_nested_without_end_then_it_is_refused() -> None:
    """Or passed by as bytes; never a crash."""
    deep = b"[" * 100_000 + b"]" * 100_000
    for field in (b"input", b"tools", b"metadata"):
        try:
            RESPONSES.parse(b'{"model":"m","input":"x","' + field + b'":' + deep + b"}")
        except InvalidRequest:
            continue
