"""Requests that are documented and still odd, on every other dialect: nothing that a vendor refuses goes out."""

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.testing.voices import Answer
from tests.matrix.limits import CHAT, GEMINI, MESSAGES, RESPONSES, SHORT, UPSTREAMS
from tests.matrix.loop import Loop
from tests.matrix.readers import READERS

Json = dict[str, object]

ASK: dict[str, Json] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi."}]},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi."}], "max_tokens": 100},
    RESPONSES: {"input": "Hi."},
}
SCHEMA: Json = {"type": "object", "properties": {}}
HOSTED: Json = {"type": "web_search_20250305", "name": "web_search"}
SEARCH: Json = {"type": "tool", "name": "web_search"}
OWN: Json = {"name": "f", "input_schema": SCHEMA}


def _others(client: str) -> list[str]:
    return [upstream for upstream in UPSTREAMS if upstream != client]


def _sent(client: str, upstream: str, quirks: Quirks | None = None, **fields: object) -> tuple[Json, Loop]:
    loop = Loop(client, upstream, [Answer("Yes.")], quirks=quirks or Quirks())
    reply = loop.post(jsonc.encode({"model": "test/model", **ASK[client], **fields}))
    assert reply.status_code == 200, reply.text
    return jsonc.Decoder(Json)(loop.bodies[0]), loop


@pytest.mark.parametrize("tools", [[HOSTED], [HOSTED, OWN]], ids=["alone", "beside another"])
@pytest.mark.parametrize("upstream", _others(MESSAGES), ids=SHORT.__getitem__)
def test_hosted_tool_when_it_is_forced_then_neither_it_nor_the_choice_of_it_goes_elsewhere(
    upstream: str, tools: list[Json]
) -> None:
    """Claude Code forces its web search; each vendor refuses a choice of a tool that is not offered."""
    _, loop = _sent(MESSAGES, upstream, tools=tools, tool_choice=SEARCH)
    assert {"tool_choice", "web_search_20250305"} == set(loop.dropped)
    seen = READERS[upstream](loop.bodies[0])
    assert seen.choice == ""
    assert set(seen.tools) == ({"f"} if OWN in tools else set())
    assert b"web_search" not in loop.bodies[0]


@pytest.mark.parametrize("upstream", _others(MESSAGES), ids=SHORT.__getitem__)
def test_choice_when_any_tool_must_be_called_and_one_is_left_then_it_stays(upstream: str) -> None:
    _, loop = _sent(MESSAGES, upstream, tools=[HOSTED, OWN], tool_choice={"type": "any"})
    assert loop.dropped == ("web_search_20250305",)


def test_choice_of_allowed_tools_when_one_of_them_is_hosted_then_the_others_stay() -> None:
    function = {"type": "function", "name": "f", "parameters": SCHEMA}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}, function]}
    body, _ = _sent(RESPONSES, MESSAGES, tools=[{"type": "web_search"}, function], tool_choice=choice)
    assert body["tool_choice"] == {"type": "tool", "name": "f"}


def test_tools_when_a_name_stands_twice_then_messages_gets_it_once() -> None:
    """Two MCP servers may bring the same tool, and the vendor refuses the request for it."""
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    body, _ = _sent(CHAT, MESSAGES, tools=[tool, tool])
    assert body["tools"] == [OWN]


@pytest.mark.parametrize("upstream", _others(RESPONSES), ids=SHORT.__getitem__)
def test_item_when_it_stands_first_and_is_unknown_then_it_is_named_as_what_it_is(upstream: str) -> None:
    items = [{"type": "item_reference", "id": "x"}, {"role": "user", "content": "Hi."}]
    assert _sent(RESPONSES, upstream, input=items)[1].dropped == ("item_reference",)


@pytest.mark.parametrize("upstream", _others(MESSAGES), ids=SHORT.__getitem__)
def test_field_when_it_says_nothing_then_it_is_not_named_as_lost(upstream: str) -> None:
    assert _sent(MESSAGES, upstream, container=None, mcp_servers=[])[1].dropped == ()


def test_documents_of_a_tool_when_they_are_text_then_they_stand_in_its_result() -> None:
    """Chat Completions: what needs no message of its own gets none."""
    texts = [
        {"type": "search_result", "source": "s", "title": "T", "content": [{"type": "text", "text": "found"}]},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "written"}},
    ]
    messages = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": texts}]},
    ]
    body, _ = _sent(MESSAGES, CHAT, messages=messages, tools=[OWN])
    sent = body["messages"]
    assert isinstance(sent, list)
    assert sent[2:] == [{"role": "tool", "tool_call_id": "a", "content": "T:\nfound\nwritten"}]


@pytest.mark.parametrize("upstream", [MESSAGES, GEMINI], ids=SHORT.__getitem__)
@pytest.mark.parametrize("data", ["JVBERi0=", "DATA:application/pdf;BASE64,JVBERi0="], ids=["bare", "upper case"])
def test_pdf_when_its_type_is_left_out_or_oddly_spelt_then_it_is_known_as_one(upstream: str, data: str) -> None:
    part = {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}
    _, loop = _sent(CHAT, upstream, messages=[{"role": "user", "content": [part]}])
    assert b"application/pdf" in loop.bodies[0]
    assert b'"data":"JVBERi0="' in loop.bodies[0]


@pytest.mark.parametrize(
    ("asked", "known", "sent"),
    [
        ("xhigh", ("low", "medium", "high"), "high"),
        ("max", ("none", "low"), "low"),
        ("low", ("none", "high"), "high"),
        ("medium", (), "medium"),
        ("medium", ("low", "medium"), "medium"),
    ],
)
def test_effort_when_the_model_knows_fewer_then_the_nearest_is_sent(
    asked: str, known: tuple[str, ...], sent: str
) -> None:
    """The nearest below, which costs no more; what is known is configured with the model."""
    quirks = Quirks(efforts=known)
    assert _sent(MESSAGES, CHAT, quirks, output_config={"effort": asked})[0]["reasoning_effort"] == sent
    assert _sent(MESSAGES, RESPONSES, quirks, output_config={"effort": asked})[0]["reasoning"] == {"effort": sent}


def test_effort_when_thinking_can_not_be_switched_off_then_the_request_goes_without_and_says_so() -> None:
    quirks = Quirks(efforts=("low", "high"))
    body, loop = _sent(MESSAGES, CHAT, quirks, thinking={"type": "disabled"})
    assert "reasoning_effort" not in body
    assert loop.dropped == ("reasoning_effort",)
    body, loop = _sent(MESSAGES, RESPONSES, quirks, thinking={"type": "disabled"})
    assert body["reasoning"] == {}
    assert loop.dropped == ("reasoning.effort",)


def test_structured_output_when_its_schema_is_closed_then_it_is_asked_for_strictly_on_both() -> None:
    """Messages promises an answer that fits; the others only with `strict`."""
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    for upstream in (CHAT, RESPONSES):
        assert b'"strict":true' in _sent(MESSAGES, upstream, output_config=wanted)[1].bodies[0]


@pytest.mark.parametrize(("count", "kept"), [(4, [0, 1, 2, 3]), (5, [0, 2, 3, 4]), (7, [0, 4, 5, 6])])
def test_cache_marks_when_they_are_more_than_the_vendor_takes_then_the_first_and_the_last_stay(
    count: int, kept: list[int]
) -> None:
    """Chat clients mark parts as OpenRouter has it; Messages refuses more than four."""
    mark = {"cache_control": {"type": "ephemeral"}}
    parts = [{"type": "text", "text": f"{number}", **mark} for number in range(count - 2)]
    messages: list[Json] = [
        {"role": "system", "content": [{"type": "text", "text": "s", **mark}]},
        {"role": "user", "content": parts},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "r", **mark}]},
    ]
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    body, loop = _sent(CHAT, MESSAGES, messages=messages, tools=[tool])
    system, sent = body["system"], body["messages"]
    assert isinstance(system, list)
    assert isinstance(sent, list)
    blocks = [*system, *sent[0]["content"], *sent[2]["content"][0]["content"]]
    assert [place for place, block in enumerate(blocks) if "cache_control" in block] == kept
    assert loop.dropped == (("cache_control",) if count > 4 else ())
