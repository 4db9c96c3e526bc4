"""Neutral events as chat chunks and whole replies, judged by the official SDK."""

from collections.abc import Sequence

import pytest
from openai import APIError

from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.dialects.signatures import mint
from freetheai_gateway.domain.conversation import (
    Opaque,
    RedactedThinking,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolKind,
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
from freetheai_gateway.errors import ProviderError
from freetheai_gateway.jsonc import Raw, encode
from tests.unit.dialects.openai_chat.shared import ALIAS, CHAT, accumulated, chunks_of, stream_of, view, whole

CLAUDE = "anthropic_messages"


def _events(
    *parts: tuple[PartStart, Sequence[str | SignatureGiven]], reason: StopReason = StopReason.END
) -> list[Event]:
    events: list[Event] = [Started("up_1", "up-model", 7)]
    for index, (start, pieces) in enumerate(parts):
        events.append(PartStarted(index, start))
        events += [piece if isinstance(piece, SignatureGiven) else Delta(index, piece) for piece in pieces]
        events.append(PartEnded(index))
    return [*events, UsageReported(Usage(20, 9, 8, 3), 4), Finished(reason)]


def _whole(events: list[Event], seen: ClientView | None = None) -> bytes:
    reply = fold(events)
    assert reply is not None
    return CHAT.render_whole(reply, seen or view())


def _message(stream: bytes) -> dict[str, object]:
    return accumulated(stream).choices[0].message.model_dump()


ALL_PARTS = _events(
    (ThinkingStarted(CLAUDE), ["hm", "…", SignatureGiven(0, "sig")]),
    (WholePart(RedactedThinking("zzz", CLAUDE)), []),
    (TextStarted(), ["Hello ", 'w"örld\n😀']),
    (ToolCallStarted("toolu_1", "f", signature="thought"), ['{"a"', ":1}"]),
    (WholePart(Opaque(CLAUDE, "server_tool_use", Raw(b"{}"))), []),
    (ToolCallStarted("toolu_2", "g"), []),
    reason=StopReason.TOOL_CALLS,
)


@pytest.mark.parametrize("streamed", [True, False])
def test_reply_with_all_parts_when_read_by_the_sdk_then_nothing_is_lost(streamed: bool) -> None:
    """Text, reasoning, both calls with their arguments, signatures, usage: the same streamed and whole."""
    completion = accumulated(stream_of(ALL_PARTS)) if streamed else whole(_whole(ALL_PARTS))
    assert (completion.id, completion.model, completion.created) == ("chatcmpl-01J0", ALIAS, 1_795_397_400)
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    message = choice.message.model_dump()
    assert message["content"] == 'Hello w"örld\n😀'
    assert message["reasoning_content"] == "hm…"
    first, second = message["reasoning_details"]
    assert {name: first[name] for name in ("type", "text", "signature", "format")} == {
        "type": "reasoning.text",
        "text": "hm…",
        "signature": mint(CLAUDE, "sig"),
        "format": "anthropic-claude-v1",
    }
    assert (second["type"], second["data"]) == ("reasoning.encrypted", mint(CLAUDE, "zzz"))
    calls = message["tool_calls"]
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("toolu_1", "f", '{"a":1}'),
        ("toolu_2", "g", "{}"),
    ]
    assert calls[0]["extra_content"] == {"google": {"thought_signature": "thought"}}
    assert completion.usage is not None
    assert completion.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize("streamed", [True, False])
def test_signatures_when_the_client_sends_its_history_then_they_come_back(streamed: bool) -> None:
    """What another vendor signed is read again as its own, with the exact text, and the call's signature too."""
    message = _message(stream_of(ALL_PARTS)) if streamed else whole(_whole(ALL_PARTS)).choices[0].message.model_dump()
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}, message]}
    parts = CHAT.parse(encode(body)).turns[1].parts
    assert parts[:3] == (
        Thinking("hm…", "sig", CLAUDE),
        RedactedThinking("zzz", CLAUDE),
        Text('Hello w"örld\n😀', as_plain=True),
    )
    assert isinstance(parts[3], ToolCall)
    assert parts[3].signature == "thought"


def test_bug_23_calls_in_a_stream_then_are_numbered_from_zero() -> None:
    """The index counts calls, not parts; role comes first, the finish last, usage behind it."""
    chunks = chunks_of(stream_of(ALL_PARTS))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    indexes = [
        call["index"]
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert indexes == [0, 0, 0, 1, 1]
    assert chunks[-2]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    assert chunks[-1]["choices"] == []
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_usage_when_not_asked_for_then_no_chunk_mentions_it() -> None:
    """Clients that do not expect the chunk without choices do not get it."""
    chunks = chunks_of(stream_of(ALL_PARTS, view(usage_asked=False)))
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


def test_usage_when_the_upstream_gave_none_then_is_an_estimate() -> None:
    """The fields are always integers."""
    events = [one for one in ALL_PARTS if not isinstance(one, UsageReported)]
    usage = accumulated(stream_of(events)).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (12, 6)


def test_bug_53_contradicting_counts_then_are_cut() -> None:
    """No details exceed their totals."""
    events: list[Event] = [Started("", ""), UsageReported(Usage(5, 2, 9, 7)), Finished(StopReason.END)]
    usage = accumulated(stream_of(events)).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 5
    assert usage.completion_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "stop"),
        (StopReason.STOP_SEQUENCE, "stop"),
        (StopReason.PAUSE, "stop"),
        (StopReason.TOOL_CALLS, "stop"),
        (StopReason.LENGTH, "length"),
        (StopReason.CONTEXT_FULL, "length"),
        (StopReason.REFUSAL, "content_filter"),
    ],
)
def test_bug_44_stop_reason_then_is_a_documented_word(reason: StopReason, word: str) -> None:
    """Also the reason of calls where no call was made."""
    events = _events((TextStarted(), ["a"]), reason=reason)
    assert accumulated(stream_of(events)).choices[0].finish_reason == word
    assert whole(_whole(events)).choices[0].finish_reason == word


def test_empty_reply_then_has_one_choice_with_empty_content() -> None:
    """Never `choices:[]`."""
    choice = whole(_whole(_events())).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("", "stop")
    assert accumulated(stream_of(_events())).choices[0].finish_reason == "stop"


def test_refusal_then_stands_in_its_field() -> None:
    """Streamed and whole; the content is then null."""
    events = _events((RefusalStarted(), ["I ", "won't"]), reason=StopReason.REFUSAL)
    assert accumulated(stream_of(events)).choices[0].message.refusal == "I won't"
    message = whole(_whole(events)).choices[0].message
    assert (message.refusal, message.content) == ("I won't", None)


CUSTOM = (Tool("run", kind=ToolKind.CUSTOM),)


@pytest.mark.parametrize(
    ("kind", "pieces"), [(ToolKind.CUSTOM, ["ls", " -l"]), (ToolKind.FUNCTION, ['{"input":"l', 's -l"}'])]
)
def test_bug_116_custom_call_then_has_raw_text(kind: ToolKind, pieces: list[str]) -> None:
    """Whether the upstream knows custom tools or called the function that stood for one."""
    events = _events((ToolCallStarted("x", "run", kind), pieces), reason=StopReason.TOOL_CALLS)
    seen = view(tools=CUSTOM)
    calls = _message(stream_of(events, seen))["tool_calls"]
    assert isinstance(calls, list)
    assert calls[0]["custom"] == {"name": "run", "input": "ls -l"}
    assert calls[0]["type"] == "custom"
    whole_calls = whole(_whole(events, seen)).choices[0].message.tool_calls
    assert whole_calls is not None
    assert whole_calls[0].model_dump() == {"id": "x", "type": "custom", "custom": {"name": "run", "input": "ls -l"}}


def test_legacy_client_then_gets_one_function_call() -> None:
    """Who asks with `functions` reads `function_call`; there is room for one."""
    call = ToolCallStarted("x", "f")
    events = _events((call, ['{"a"', ":1}"]), (ToolCallStarted("y", "g"), ["{}"]), reason=StopReason.TOOL_CALLS)
    seen = view(spelling={"functions": Raw(b"[]")})
    for message in (_message(stream_of(events, seen)), whole(_whole(events, seen)).choices[0].message.model_dump()):
        assert message["function_call"] == {"name": "f", "arguments": '{"a":1}'}
        assert message["tool_calls"] is None
    assert accumulated(stream_of(events, seen)).choices[0].finish_reason == "function_call"


def test_bug_07_stream_then_has_no_ids_and_no_event_names() -> None:
    """After an `id:` line the SDK stumbles over every comment; the keep-alive is a comment."""
    stream = stream_of(ALL_PARTS)
    lines = [line for line in stream.split(b"\n") if line]
    assert all(line.startswith(b"data: ") for line in lines)
    alive = stream.replace(b"\n\n", b"\n\n" + CHAT.keepalive)
    assert accumulated(alive).choices[0].message.content == 'Hello w"örld\n😀'


def test_end_then_comes_from_final_only() -> None:
    """The record is written between the last content and the end."""
    renderer = CHAT.reply_renderer(view())
    shown = renderer.render(ALL_PARTS)
    assert b'finish_reason":"' not in shown
    assert b"[DONE]" not in shown
    assert renderer.final().endswith(b"data: [DONE]\n\n")


def test_bug_58_62_failure_in_mid_stream_then_the_sdk_raises() -> None:
    """An error chunk that is no client error, and no terminator."""
    start = CHAT.reply_renderer(view()).render(ALL_PARTS[:5])
    error = CHAT.render_stream_error(ProviderError("The provider failed."), "req_1")
    assert b"[DONE]" not in error
    with pytest.raises(APIError) as raised:
        accumulated(start + error)
    assert raised.value.type == "provider_error"


def test_long_stream_then_holds_nothing() -> None:
    """After ten thousand deltas the renderer is as large as after one."""
    renderer = CHAT.reply_renderer(view())
    renderer.render([Started("", ""), PartStarted(0, TextStarted()), Delta(0, "x")])
    before = {name: len(value) for name, value in vars(renderer).items() if isinstance(value, bytes | list)}
    for _ in range(10_000):
        renderer.render([Delta(0, "x")])
    after = {name: len(value) for name, value in vars(renderer).items() if isinstance(value, bytes | list)}
    assert before == after
