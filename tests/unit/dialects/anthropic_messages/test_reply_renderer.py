"""Neutral events, written as a Messages reply and judged by the official SDK."""

from collections.abc import Sequence
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.conversation import (
    Conversation,
    Opaque,
    Reasoning,
    RedactedThinking,
    Role,
    Thinking,
    ToolCall,
    ToolKind,
    Turn,
)
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
from freetheai_gateway.jsonc import Raw, decode_any, encode
from freetheai_gateway.sse import event_data, split_events

MESSAGES = MessagesTranslator()
REQUEST = Conversation("glm/glm-5.1", (), dialect="anthropic_messages")


def view(**fields: Any) -> ClientView:
    return ClientView("glm/glm-5.1", "r1", 0, Conversation("m", **{"turns": (), **fields}), input_tokens_estimate=42)


def part(index: int, start: PartStart, *texts: str, signature: str | None = None) -> list[Event]:
    signed: list[Event] = [] if signature is None else [SignatureGiven(index, signature)]
    return [PartStarted(index, start), *(Delta(index, text) for text in texts), *signed, PartEnded(index)]


def reply(*parts: list[Event], reason: StopReason = StopReason.END, usage: Usage | None = None) -> list[Event]:
    reported = [] if usage is None else [UsageReported(usage)]
    return [Started("up", "up-model"), *(event for events in parts for event in events), *reported, Finished(reason)]


def stream(events: Sequence[Event], seen: ClientView | None = None) -> bytes:
    renderer = MESSAGES.reply_renderer(seen or view())
    out = b"".join(renderer.render([event]) for event in events)
    assert b"message_stop" not in out
    return out + renderer.final()


def accumulated(body: bytes) -> Message:
    """Let the official client read a stream."""
    response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    transport = httpx2.MockTransport(lambda _request: response)
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(api_key="k", base_url="http://x", http_client=http, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as found,
    ):
        return found.get_final_message()


def both(events: Sequence[Event], seen: ClientView | None = None) -> dict[str, Any]:
    """Render streamed and whole; they must be the same message."""
    streamed = accumulated(stream(events, seen)).model_dump(mode="json", exclude_unset=True)
    folded = fold(events)
    assert folded is not None
    body = MESSAGES.render_whole(folded, seen or view())
    whole = Message.model_validate_json(body).model_dump(mode="json", exclude_unset=True)
    for message in (streamed, whole):
        for block in message["content"]:
            block.pop("parsed_output", None)
            block.pop("citations", None)
        message.pop("stop_details", None)
    assert streamed == whole
    return whole


def data(body: bytes) -> list[Any]:
    return [decode_any(event_data(event) or b"") for event in split_events(body)]


def test_bug_32_thinking_text_and_tools_are_read_by_the_sdk() -> None:
    """Contiguous indexes, whole and streamed alike."""
    message = both(
        reply(
            part(0, ThinkingStarted("openai_chat"), "let ", "me"),
            part(1, TextStarted(), "hé", "llo 👀\n"),
            part(2, ToolCallStarted("call_1", "f"), '{"a"', ': "\\u00e9"}'),
            part(3, ToolCallStarted("functions.Bash:0", "g")),
            reason=StopReason.TOOL_CALLS,
            usage=Usage(input_tokens=100, output_tokens=20, cached_tokens=75, reasoning_tokens=30),
        )
    )
    thinking, text, call, empty = message["content"]
    assert thinking == {"type": "thinking", "thinking": "let me", "signature": signatures.mint("openai_chat", "")}
    assert text == {"type": "text", "text": "héllo 👀\n"}
    assert call == {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "é"}}
    assert empty["input"] == {}
    assert set(empty["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert (message["id"], message["model"], message["stop_reason"]) == ("msg_r1", "glm/glm-5.1", "tool_use")
    assert message["usage"] == {
        "input_tokens": 25,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 75,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 20},
    }


def test_the_order_of_events_is_the_documented_one() -> None:
    """Start, blocks one after the other, delta, stop; the stop alone is held."""
    body = stream(reply(part(0, ThinkingStarted("gemini"), "t", signature="s"), part(1, TextStarted(), "x")))
    events = data(body)
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[3]["delta"] == {"type": "signature_delta", "signature": signatures.mint("gemini", "s")}
    assert events[0]["message"]["usage"]["input_tokens"] == 42
    assert events[-2]["usage"]["input_tokens"] == 42
    for event, raw in zip(events, split_events(body), strict=True):
        assert raw.startswith(b"event: " + event["type"].encode() + b"\n")


def test_bug_70_parts_that_stay_empty_never_appear() -> None:
    """Nor blanks alone; clients would send them back for ever."""
    tool = ToolCallStarted("a", "f")
    for words in ((), ("\n", " \n")):
        message = both(reply(part(0, TextStarted(), *words), part(1, ThinkingStarted("x")), part(2, tool, "{}")))
        assert [block["type"] for block in message["content"]] == ["tool_use"]
    assert both(reply())["content"] == []


def test_bug_29_blanks_before_text_are_kept() -> None:
    """They wait for what follows, but not for ever."""
    assert both(reply(part(0, TextStarted(), "\n", " a", " ")))["content"][0]["text"] == "\n a "
    long = " " * 300
    assert accumulated(stream(reply(part(0, TextStarted(), long, "x")))).content[0].text == long + "x"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reason", "without", "with_call"),
    [
        (StopReason.END, "end_turn", "tool_use"),
        (StopReason.TOOL_CALLS, "end_turn", "tool_use"),
        (StopReason.STOP_SEQUENCE, "stop_sequence", "tool_use"),
        (StopReason.PAUSE, "pause_turn", "tool_use"),
        (StopReason.LENGTH, "max_tokens", "max_tokens"),
        (StopReason.CONTEXT_FULL, "model_context_window_exceeded", "model_context_window_exceeded"),
        (StopReason.REFUSAL, "refusal", "refusal"),
    ],
)
def test_stop_reasons(reason: StopReason, without: str, with_call: str) -> None:
    """A call is a call whatever the upstream said, unless the reply was cut short: then it may be half of one."""
    assert both(reply(part(0, TextStarted(), "x"), reason=reason))["stop_reason"] == without
    assert both(reply(part(0, ToolCallStarted("a", "f"), "{}"), reason=reason))["stop_reason"] == with_call


def test_a_refusal_is_text_and_a_stop_reason() -> None:
    """As clients of this dialect know it."""
    message = both(reply(part(0, RefusalStarted(), "I can't.")))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "I can't."}], "refusal")


def test_finished_keeps_the_stop_sequence_and_the_details() -> None:
    """Where the upstream told them."""
    finished = Finished(StopReason.STOP_SEQUENCE, "END", Raw(b'{"type":"refusal"}'))
    events = data(stream([Started("", ""), finished]))
    assert events[1]["delta"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "stop_details": {"type": "refusal"},
    }


@pytest.mark.parametrize(
    ("kind", "pieces", "expected"),
    [
        (ToolKind.FUNCTION, ("not", ' "json'), {"_raw": 'not "json'}),
        (ToolKind.FUNCTION, ("[1", "]"), {"_raw": "[1]"}),
        (ToolKind.FUNCTION, (" \n", '{"a":1}'), {"a": 1}),
        (ToolKind.FUNCTION, (" ",), {}),
        (ToolKind.CUSTOM, ("*** Begin", ' "p"\n'), {"input": '*** Begin "p"\n'}),
    ],
)
def test_arguments_that_are_no_object_are_wrapped(kind: ToolKind, pieces: tuple[str, ...], expected: object) -> None:
    """The SDK raises on anything else."""
    message = both(reply(part(0, ToolCallStarted("a", "f", kind), *pieces)))
    assert message["content"][0]["input"] == expected


def test_ids_that_the_conversation_has_already_get_a_number() -> None:
    """Upstreams that count from 0 in every reply; twice in one reply too."""
    history = Turn(Role.ASSISTANT, (ToolCall("call_0", "f", "{}"),))
    call = ToolCallStarted("call_0", "f")
    message = both(reply(part(0, call, "{}"), part(1, call, "{}")), view(turns=(history,)))
    assert [block["id"] for block in message["content"]] == ["call_0_2", "call_0_3"]


def test_bug_106_what_other_vendors_signed_comes_back_from_the_client() -> None:
    """Thinking, redacted thinking and the signature of a call, through the SDK's own round trip."""
    message = both(
        reply(
            part(0, ThinkingStarted("openai_responses"), "t", signature="enc"),
            part(1, WholePart(RedactedThinking("blob", "openai_responses"))),
            part(2, ToolCallStarted("a", "f", signature="sig/+="), "{}"),
            part(3, ToolCallStarted("b", "g"), "{}"),
        )
    )
    body = encode({"model": "m", "messages": [{"role": "assistant", "content": message["content"]}]})
    assert MESSAGES.parse(body).turns[0].parts == (
        Thinking("t", "enc", "openai_responses"),
        RedactedThinking("blob", "openai_responses"),
        ToolCall("a", "f", "{}", signature="sig/+="),
        ToolCall("b", "g", "{}"),
    )


def test_bug_76_anthropics_own_signatures_pass_untouched() -> None:
    """Also an empty text with a signature."""
    own = ThinkingStarted("anthropic_messages")
    message = both(reply(part(0, own, "t", signature="Eq=="), part(1, own, signature="Er==")))
    assert [(block["thinking"], block["signature"]) for block in message["content"]] == [("t", "Eq=="), ("", "Er==")]


def test_thinking_is_shown_as_the_client_asked() -> None:
    """Omitted: the signature only; switched off: not at all."""
    events = reply(part(0, ThinkingStarted("gemini"), "secret", signature="s"), part(1, TextStarted(), "x"))
    omitted = both(events, view(reasoning=Reasoning(enabled=True, summary="omitted")))
    assert omitted["content"][0] == {"type": "thinking", "thinking": "", "signature": signatures.mint("gemini", "s")}
    off = both(events, view(reasoning=Reasoning(enabled=False)))
    assert [block["type"] for block in off["content"]] == ["text"]


def test_opaque_parts_of_this_dialect_are_given_whole_and_others_not() -> None:
    """Indexes stay contiguous."""
    block = b'{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}}'
    message = both(
        reply(
            part(0, WholePart(Opaque("gemini", "executable_code", Raw(b"{}")))),
            part(1, WholePart(Opaque("anthropic_messages", "server_tool_use", Raw(block)))),
            part(2, TextStarted(), "x"),
        )
    )
    assert [found["type"] for found in message["content"]] == ["server_tool_use", "text"]
    assert message["content"][0]["input"] == {"query": "x"}


def test_usage_that_was_never_told_is_estimated() -> None:
    """Always whole numbers, never null: the SDK requires output_tokens."""
    message = both(reply(part(0, TextStarted(), "x" * 40)))
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (42, 10)


def test_usage_of_the_start_is_the_upstreams_where_it_told() -> None:
    """Input counts that come at once are no estimate."""
    started = Started("", "", usage=Usage(input_tokens=100, cached_tokens=75))
    events = data(stream([started, Finished(StopReason.END)]))
    assert events[0]["message"]["usage"]["input_tokens"] == 25
    assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 75


def test_cache_writes_are_counted_apart() -> None:
    """Fresh, written and read add up to the neutral input."""
    events: list[Event] = [
        Started("", ""),
        UsageReported(Usage(input_tokens=100, cached_tokens=30), 20),
        Finished(StopReason.END),
    ]
    usage = data(stream(events))[1]["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]) == (
        50,
        20,
        30,
    )


def test_a_long_stream_leaves_nothing_behind_in_the_renderer() -> None:
    """Memory is constant in its length."""
    renderer = MESSAGES.reply_renderer(view())
    renderer.render([Started("", ""), PartStarted(0, TextStarted()), Delta(0, "x")])
    before = _reach(renderer)
    for _ in range(10_000):
        renderer.render([Delta(0, "word ")])
    assert _reach(renderer) == before


def _reach(machine: object) -> int:
    """Count what the machine's slots hold, two levels deep."""
    count = 0
    for holder in type(machine).__mro__:
        for name in getattr(holder, "__slots__", ()):
            value = getattr(machine, name)
            count += len(value) if isinstance(value, str | bytes | list | dict | set) else 0
            if hasattr(type(value), "__slots__") and not isinstance(value, ClientView):
                count += _reach(value) if type(value).__module__.startswith("freetheai_gateway.dialects") else 0
    return count
