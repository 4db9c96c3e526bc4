"""Replies written for clients that speak Responses, judged by the official SDK and by what Codex needs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import ParsedResponse, Response

from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.openai_responses.errors import AFTER_ALL_SEQUENCE_NUMBERS
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.conversation import Opaque, RedactedThinking, ToolCall, ToolKind
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    SignatureGiven,
    Started,
    StopReason,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    UsageReported,
    WholePart,
    fold,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    LimitExceeded,
    ProviderError,
)
from freetheai_gateway.jsonc import Raw, decode_any, encode
from freetheai_gateway.sse import event_data, split_events

RESPONSES = OpenAIResponses()
ALIAS = "rev/claude"
TOOLS = [
    {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False},
    {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
    {"type": "namespace", "name": "fs", "description": "d", "tools": [{"type": "function", "name": "read"}]},
]
REQUIRED = {
    "id",
    "object",
    "created_at",
    "status",
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "model",
    "output",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
}


def view(**fields: object) -> ClientView:
    request = RESPONSES.parse(encode({"model": ALIAS, "input": "hi", "stream": True, "tools": TOOLS, **fields}))
    return ClientView(ALIAS, "01J", 1700000000, request)


def part(index: int, start: PartStart, *deltas: str, signature: str | None = None) -> list[Event]:
    signed = [SignatureGiven(index, signature)] if signature is not None else []
    return [PartStarted(index, start), *(Delta(index, text) for text in deltas), *signed, PartEnded(index)]


def reply(*parts: list[Event], reason: StopReason = StopReason.END) -> list[Event]:
    usage = UsageReported(Usage(10, 5, 4, 2), 3)
    return [Started("up", "up-model", 1), *(event for events in parts for event in events), usage, Finished(reason)]


def stream(events: Sequence[Event], seen: ClientView | None = None) -> bytes:
    """Render event by event; the last event comes from `final` only."""
    renderer = RESPONSES.reply_renderer(seen or view())
    out = b"".join(renderer.render([event]) for event in events)
    assert b"response.completed" not in out
    assert b"response.incomplete" not in out
    return out + renderer.final()


def sent(body: bytes) -> list[dict[str, Any]]:
    """Read all events; each has its type on both lines, and the numbers rise by one."""
    found = []
    for number, event in enumerate(split_events(body)):
        data = decode_any(event_data(event) or b"")
        assert isinstance(data, dict)
        assert event.startswith(f"event: {data['type']}\n".encode())
        assert data["sequence_number"] == number
        found.append(data)
    return found


def client(body: bytes, content_type: str) -> openai.OpenAI:
    response = httpx2.Response(200, headers={"content-type": content_type}, content=body)
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _request: response))
    return openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=http, max_retries=0)


def accumulated(body: bytes) -> ParsedResponse[None]:
    """Let the official client accumulate a stream."""
    with client(body, "text/event-stream") as sdk, sdk.responses.stream(model=ALIAS, input="hi") as found:
        return found.get_final_response()


def whole(events: Sequence[Event], seen: ClientView | None = None) -> Response:
    """Let the official client read the whole reply."""
    folded = fold(events)
    assert folded is not None
    with client(RESPONSES.render_whole(folded, seen or view()), "application/json") as sdk:
        return sdk.responses.create(model=ALIAS, input="hi")


def both(events: Sequence[Event], seen: ClientView | None = None) -> dict[str, Any]:
    """Render streamed and whole: the SDK must see the same response, of the strict shape."""
    body = sent(stream(events, seen))[-1]["response"]
    Response.model_validate(body, strict=False)
    read_whole = whole(events, seen).to_dict(mode="json")
    assert read_whole == body
    return read_whole


def items_of_codex(body: bytes) -> list[dict[str, Any]]:
    """Read as Codex does: items come from `response.output_item.done` and nowhere else."""
    return [event["item"] for event in sent(body) if event["type"] == "response.output_item.done"]


THINK = part(0, ThinkingStarted("anthropic_messages"), "let me", " see", signature="c2ln")
SAY = part(1, TextStarted(), "Hel", 'lo "q" 時🕛\n')
CALL = part(2, ToolCallStarted("call_1", "get_weather"), '{"city":', '"Köln"}')


# --- the SDK --------------------------------------------------------------------------------------------------


def test_sdk_accumulates_reasoning_text_and_call() -> None:
    """The final response of the accumulator is the one that was meant."""
    found = accumulated(stream(reply(THINK, SAY, CALL, reason=StopReason.TOOL_CALLS)))
    assert found.output_text == 'Hello "q" 時🕛\n'
    assert [item.type for item in found.output] == ["reasoning", "message", "function_call"]
    assert (found.id, found.model, found.status) == ("resp_01J", ALIAS, "completed")
    assert found.usage is not None
    assert found.usage.to_dict() == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }


def test_sdk_reads_the_whole_reply_as_it_reads_the_stream() -> None:
    """One response, two ways."""
    both(reply(THINK, SAY, CALL, reason=StopReason.TOOL_CALLS))


def test_events_come_in_the_documented_order() -> None:
    """Types, and the places they name."""
    events = sent(stream(reply(THINK, SAY, CALL)))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    for event in events:
        if "item_id" in event:
            assert event["item_id"] == events[-1]["response"]["output"][event["output_index"]]["id"]


def test_response_has_every_required_key_and_repeats_the_request() -> None:
    """In every state; what it stored is nothing."""
    seen = view(instructions="be", temperature=0.5, metadata={"a": "b"}, text={"verbosity": "low"}, reasoning={})
    for event in sent(stream(reply(SAY), seen)):
        response = event.get("response")
        if response is not None:
            assert response.keys() >= REQUIRED
            assert (response["store"], response["background"]) == (False, False)
            assert (response["instructions"], response["temperature"]) == ("be", 0.5)
            assert response["tools"] == TOOLS
            assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
            assert response["metadata"] == {"a": "b"}


def test_request_that_was_printed_over_several_lines_does_not_break_events() -> None:
    """Its tools and settings are repeated in events, whose data is one line; so are a vendor's own items."""
    request = RESPONSES.parse(Path("tests/golden/openai_responses/codex_request.json").read_bytes())
    item = Raw(
        b'{\r\n "id":"ws_1",\n"type":"web_search_call","status":"completed",\n\n"action":{"type":"search","query":"q"}}'
    )
    events = reply(part(0, WholePart(Opaque("openai_responses", "web_search_call", item))), SAY)
    response = both(events, ClientView(ALIAS, "01J", 1, request))
    assert [tool["type"] for tool in response["tools"]] == [
        "function",
        "custom",
        "namespace",
        "web_search",
        "local_shell",
    ]


def test_response_to_a_request_without_settings_is_of_the_strict_shape() -> None:
    """Nulls in the request are no nulls where the schema has none."""
    response = both(reply(SAY), view(tools=None, metadata=None, tool_choice=None, parallel_tool_calls=None, text=None))
    assert (response["tools"], response["metadata"], response["tool_choice"]) == ([], {}, "auto")


def test_text_parts_that_follow_each_other_are_one_message() -> None:
    """Text that a vendor splits at citations."""
    output = both(reply(part(0, TextStarted(), "a"), part(1, TextStarted(), "b"), part(2, RefusalStarted(), "no")))[
        "output"
    ]
    assert [content["type"] for content in output[0]["content"]] == ["output_text", "output_text", "refusal"]
    assert len(output) == 1


def test_bug_70_empty_parts_leave_no_item() -> None:
    """Neither text nor reasoning."""
    events = reply(
        part(0, TextStarted()), part(1, ThinkingStarted()), part(2, ToolCallStarted("c", "get_weather"), "{}")
    )
    assert [item["type"] for item in both(events)["output"]] == ["function_call"]


def test_bug_34_call_without_arguments_has_an_empty_object() -> None:
    """Deltas and whole agree."""
    output = both(reply(part(0, ToolCallStarted("c", "get_weather"))))["output"]
    assert output[0]["arguments"] == "{}"


# --- Codex ----------------------------------------------------------------------------------------------------


def test_codex_gets_whole_items_from_output_item_done_only() -> None:
    """Text, call id and arguments stand there in full."""
    reasoning, message, call = items_of_codex(stream(reply(THINK, SAY, CALL)))
    assert reasoning["summary"] == [{"type": "summary_text", "text": "let me see"}]
    assert message["role"] == "assistant"
    assert message["content"][0]["text"] == 'Hello "q" 時🕛\n'
    assert (call["call_id"], call["name"], call["arguments"]) == ("call_1", "get_weather", '{"city":"Köln"}')


def test_codex_bug_113_gets_response_completed_with_string_id_and_integer_usage() -> None:
    """Before the end of the body, also where the upstream told no usage."""
    for events in (reply(SAY), [Started("", ""), *SAY, Finished(StopReason.END)]):
        last = sent(stream(events))[-1]
        assert last["type"] == "response.completed"
        assert isinstance(last["response"]["id"], str)
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            assert type(last["response"]["usage"][name]) is int


@pytest.mark.parametrize("wrapped", ['{"input":"*** Begin\\nPatch"}', "*** Begin\nPatch"])
def test_codex_bug_116_custom_tool_comes_back_as_raw_text(wrapped: str) -> None:
    """The upstream knows it as a function with one string, or keeps to no form at all."""
    events = reply(part(0, ToolCallStarted("c", "apply_patch"), wrapped[:5], wrapped[5:]), reason=StopReason.TOOL_CALLS)
    (item,) = items_of_codex(stream(events))
    assert (item["type"], item["call_id"], item["name"]) == ("custom_tool_call", "c", "apply_patch")
    assert item["input"] == "*** Begin\nPatch"
    assert both(events)["output"] == [item]


def test_codex_custom_tool_of_an_upstream_that_knows_them_streams() -> None:
    """As it comes."""
    events = sent(stream(reply(part(0, ToolCallStarted("c", "apply_patch", ToolKind.CUSTOM), "*** ", "Begin"))))
    deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["*** ", "Begin"]


@pytest.mark.parametrize("name", ["fs__read", "read"])
def test_codex_namespace_is_restored(name: str) -> None:
    """From the flat name; a model that left the namespace out is understood where only one tool can be meant."""
    (item,) = items_of_codex(stream(reply(part(0, ToolCallStarted("c", name), "{}"))))
    assert (item["namespace"], item["name"]) == ("fs", "read")


def test_codex_history_of_a_turn_can_be_sent_back() -> None:
    """The items of one turn are input of the next and mean the same."""
    gemini = part(3, ToolCallStarted("call_2", "fs__read", signature="dGhvdWdodA"), "{}")
    items = items_of_codex(stream(reply(THINK, SAY, CALL, gemini)))
    turn = RESPONSES.parse(encode({"model": ALIAS, "input": items, "tools": TOOLS})).turns[0]
    folded = fold(reply(THINK, SAY, CALL, gemini))
    assert folded is not None
    thinking, _, call, other = turn.parts
    assert getattr(thinking, "signature", None) == "c2ln"
    assert getattr(thinking, "vendor", None) == "anthropic_messages"
    assert isinstance(call, ToolCall)
    assert isinstance(other, ToolCall)
    assert (call.arguments, call.signature) == ('{"city":"Köln"}', None)
    assert (other.namespace, other.name, other.signature) == ("fs", "read", "dGhvdWdodA")


def test_redacted_reasoning_can_be_sent_back() -> None:
    """Nothing of it is shown; nothing of it is lost."""
    items = items_of_codex(stream(reply(part(0, WholePart(RedactedThinking("blob.x", "anthropic_messages"))))))
    parts = RESPONSES.parse(encode({"model": ALIAS, "input": items})).turns[0].parts
    assert parts == (RedactedThinking("blob.x", "anthropic_messages"),)


def test_own_signature_goes_out_as_the_vendor_made_it() -> None:
    """Without the id that it is bound to inside."""
    (item,) = items_of_codex(
        stream(reply(part(0, ThinkingStarted("openai_responses", summary=True), signature="rs_1|gAAA")))
    )
    assert (item["encrypted_content"], item["summary"]) == ("gAAA", [])


def test_open_reasoning_is_reasoning_text() -> None:
    """What nobody signs is shown as it is."""
    body = stream(reply(part(0, ThinkingStarted(), "so", " what")))
    (item,) = items_of_codex(body)
    assert item["content"] == [{"type": "reasoning_text", "text": "so what"}]
    types = [event["type"] for event in sent(body)[3:6]]
    assert types == ["response.reasoning_text.delta", "response.reasoning_text.delta", "response.reasoning_text.done"]


def test_items_of_this_vendor_pass_and_others_do_not() -> None:
    """Hosted tools of an upstream that speaks this dialect."""
    own = Raw(b'{"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}')
    events = reply(
        part(0, WholePart(Opaque("openai_responses", "web_search_call", own))),
        part(1, WholePart(Opaque("anthropic_messages", "server_tool_use", Raw(b"{}")))),
        SAY,
    )
    assert [item["type"] for item in both(events)["output"]] == ["web_search_call", "message"]


# --- ends and failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (StopReason.LENGTH, "max_output_tokens"),
        (StopReason.CONTEXT_FULL, "max_output_tokens"),
        (StopReason.REFUSAL, "content_filter"),
    ],
)
def test_reply_that_was_cut_off_is_incomplete_and_so_is_its_last_item(reason: StopReason, why: str) -> None:
    """A call that is half there must not be run."""
    events = reply(SAY, part(2, ToolCallStarted("c", "get_weather"), '{"ci'), reason=reason)
    assert sent(stream(events))[-1]["type"] == "response.incomplete"
    response = both(events)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": why})
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


def test_refusal_that_was_spelt_out_is_a_complete_reply() -> None:
    """Clients show it as the answer."""
    response = both(reply(part(0, RefusalStarted(), "I ", "can't"), reason=StopReason.REFUSAL))
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I can't"}]


@pytest.mark.parametrize("reason", [StopReason.END, StopReason.STOP_SEQUENCE, StopReason.TOOL_CALLS, StopReason.PAUSE])
def test_reply_that_ended_is_complete(reason: StopReason) -> None:
    """For every other reason."""
    assert both(reply(SAY, reason=reason))["status"] == "completed"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProviderError("The provider failed."), "provider_error"),
        (ContextLengthExceeded("too long"), "context_length_exceeded"),
        (LimitExceeded("slow down", code="requests_per_minute", retry_after_s=3), "rate_limit_exceeded"),
    ],
)
def test_bug_61_and_62_failure_is_response_failed_with_code_and_message(error: GatewayError, code: str) -> None:
    """Also as the only event of a stream; the SDK reads it as typed."""
    body = RESPONSES.render_stream_error(error, "req_01J")
    with client(body, "text/event-stream") as sdk:
        (event,) = list(sdk.responses.create(model=ALIAS, input="hi", stream=True))
    assert event.type == "response.failed"
    assert (event.response.status, event.response.output) == ("failed", [])
    assert event.response.error is not None
    assert (event.response.error.code, event.response.error.message) == (code, error.message)
    data = decode_any(event_data(body) or b"")
    assert isinstance(data, dict)
    assert data["response"].keys() >= REQUIRED
    assert data["response"]["error"]["request_id"] == "req_01J"


def test_failure_in_mid_stream_belongs_to_the_same_response() -> None:
    """Where the reply's id is the request's without prefix; the accumulator insists on one id."""
    renderer = RESPONSES.reply_renderer(view())
    begun = renderer.render([Started("", ""), PartStarted(0, TextStarted()), Delta(0, "a")])
    body = begun + RESPONSES.render_stream_error(ProviderError("failed"), "req_01J")
    with client(body, "text/event-stream") as sdk, sdk.responses.stream(model=ALIAS, input="hi") as found:
        events = list(found)
    assert events[-1].type == "response.failed"
    assert events[-1].sequence_number == AFTER_ALL_SEQUENCE_NUMBERS


def test_http_error_is_the_openai_envelope() -> None:
    """The same as for Chat Completions."""
    body = decode_any(RESPONSES.render_error(ProviderError("failed"), "req_1"))
    assert body == {
        "error": {
            "message": "failed",
            "type": "provider_error",
            "code": "provider_error",
            "param": None,
            "request_id": "req_1",
        }
    }


def test_keepalive_is_ignored_by_the_sdk() -> None:
    """A comment between any two events."""
    body = stream(reply(SAY))
    noisy = RESPONSES.keepalive + b"".join(event + RESPONSES.keepalive for event in split_events(body))
    assert accumulated(noisy).output_text == accumulated(body).output_text


# --- cost -----------------------------------------------------------------------------------------------------


def test_long_stream_holds_its_text_once_and_little_more() -> None:
    """This dialect repeats the text at its end, so the text is held; nothing grows with the number of chunks."""
    renderer = RESPONSES.reply_renderer(view())
    renderer.render([Started("", ""), PartStarted(0, TextStarted())])
    grown = _growth(lambda: [renderer.render([Delta(0, "ten chars.")]) for _ in range(10_000)])
    assert grown < 3 * 100_000


def _growth(work: Callable[[], object]) -> int:
    """Measure how many bytes work leaves behind."""
    import tracemalloc  # noqa: PLC0415 — only here; it slows what it measures

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before
