"""Messages replies, read into neutral events."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.protocol import MalformedReply, RenderedRequest, ReplyParser, UpstreamSaidError
from freetheai_gateway.domain.conversation import Opaque, RedactedThinking, Text, Thinking, ToolCall
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStarted,
    Started,
    StopReason,
    UsageReported,
    fold,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import Raw, decode_any, encode

GOLDEN = Path(__file__).parents[3] / "golden" / "anthropic_messages" / "everything.sse"


def parser(names: dict[str, str] | None = None) -> ReplyParser:
    return MessagesTranslator().reply_parser(RenderedRequest(b"", names=names or {}))


def sse(*events: dict[str, object]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), encode(event)) for event in events)


def read(*events: dict[str, object], names: dict[str, str] | None = None) -> list[Event]:
    machine = parser(names)
    return [*machine.feed(sse(*events)), *machine.finish()]


def begin(index: int, **block: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def text(index: int, words: str) -> dict[str, object]:
    return delta(index, "text_delta", text=words)


def arguments(index: int, piece: str) -> dict[str, object]:
    return delta(index, "input_json_delta", partial_json=piece)


def end(index: int) -> dict[str, object]:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", **usage: int) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3, **usage}}


START: dict[str, object] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 25, "cache_read_input_tokens": 75}},
}
STOP: dict[str, object] = {"type": "message_stop"}
PING: dict[str, object] = {"type": "ping"}


def parts_of(events: list[Event]) -> tuple[object, ...]:
    reply = fold(events)
    assert reply is not None
    return reply.parts


def test_golden_stream_gives_every_kind_of_part() -> None:
    """Thinking, redacted thinking, text, a server tool and its result, two calls; usage counted once (bug 50, 52)."""
    machine = parser()
    events = [*machine.feed(GOLDEN.read_bytes()), *machine.finish()]
    reply = fold(events)
    assert reply is not None
    thinking, redacted, words, search, found, weather, now = reply.parts
    assert thinking == Thinking("Let me see. 思考", "EqQBsig==", "anthropic_messages")
    assert redacted == RedactedThinking("EmwKAhgB", "anthropic_messages")
    assert words == Text("I will look 👀")
    assert isinstance(search, Opaque)
    assert search.kind == "server_tool_use"
    assert decode_any(search.raw) == {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "x"},
    }
    assert isinstance(found, Opaque)
    assert found.kind == "web_search_tool_result"
    assert weather == ToolCall("toolu_1", "get_weather", '{"location": "São Paulo"}')
    assert now == ToolCall("toolu_2", "now", "{}")
    assert reply.usage == Usage(input_tokens=110, output_tokens=89, cached_tokens=75, reasoning_tokens=20)
    assert reply.cache_written_tokens == 10
    assert reply.finished == Finished(StopReason.TOOL_CALLS)
    assert isinstance(events[0], Started)
    assert events[0].usage == Usage(input_tokens=110, output_tokens=1, cached_tokens=75)


def test_bug_1_2_4_stream_cut_at_every_byte_gives_the_same_events() -> None:
    """Whatever the line ends; also within a code point."""
    whole = GOLDEN.read_bytes()
    expected = parser().feed(whole)
    for stream in (whole, whole.replace(b"\n", b"\r\n"), whole.replace(b"\n", b"\r")):
        for cut in range(1, len(stream), 1 if stream is whole else 7):
            machine = parser()
            events = [*machine.feed(stream[:cut]), *machine.feed(stream[cut:]), *machine.finish()]
            assert events == expected, cut


def test_stream_fed_byte_by_byte_gives_the_same_events() -> None:
    """The smallest reads there are."""
    whole = GOLDEN.read_bytes()
    machine = parser()
    events = [event for at in range(len(whole)) for event in machine.feed(whole[at : at + 1])]
    assert [*events, *machine.finish()] == parser().feed(whole)


def test_whole_reply_gives_the_parts_that_its_stream_gives() -> None:
    """One meaning in both forms."""
    content = [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "x", "citations": None},
        {"type": "tool_use", "id": "", "name": "f_1", "input": {"a": [1]}},
        {"type": "invented_later", "a": 1},
    ]
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 9}
    message = {
        "id": "msg_1",
        "type": "message",
        "model": "m",
        "content": content,
        "stop_reason": "refusal",
        "usage": usage,
    }
    body = encode({**message, "stop_details": {"type": "refusal", "category": None}})
    reply = fold(parser({"f_1": "f.1"}).parse_whole(body))
    assert reply is not None
    assert reply.parts == (
        Thinking("t", "s", "anthropic_messages"),
        Text("x"),
        ToolCall("toolu_msg_1_1", "f.1", '{"a":[1]}'),
        Opaque("anthropic_messages", "invented_later", Raw(b'{"type":"invented_later","a":1}')),
    )
    assert (reply.usage, reply.cache_written_tokens) == (Usage(input_tokens=7, output_tokens=9), 2)
    assert reply.finished == Finished(StopReason.REFUSAL, None, Raw(b'{"type":"refusal","category":null}'))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", StopReason.END),
        ("stop_sequence", StopReason.STOP_SEQUENCE),
        ("tool_use", StopReason.TOOL_CALLS),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.CONTEXT_FULL),
        ("refusal", StopReason.REFUSAL),
        ("pause_turn", StopReason.PAUSE),
        ("compaction", StopReason.END),
        (None, StopReason.END),
    ],
)
def test_stop_reasons(said: str | None, reason: StopReason) -> None:
    """An unknown one is an end, because message_stop is."""
    assert read(START, finish(said), STOP)[-1] == Finished(reason)


def test_pings_comments_unknown_events_and_empty_data_are_ignored() -> None:
    """Anywhere, also within a block (bugs 8, 10)."""
    machine = parser()
    noise = b":\n\ndata:\n\ndata: [DONE]\n\n" + sse(PING, {"type": "invented_later", "index": 7})
    events = machine.feed(noise + sse(START) + noise + sse(begin(0, type="text", text="")) + noise)
    events += machine.feed(sse(text(0, "x")) + noise + sse(end(0), finish(), STOP) + noise)
    assert parts_of([*events, *machine.finish()]) == (Text("x"),)


def test_data_without_event_lines_and_without_space_is_read() -> None:
    """Compatible upstreams leave both out (bug 5)."""
    stream = b"".join(
        b"data:" + encode(event) + b"\n\n" for event in (START, begin(0, type="text"), text(0, "x"), STOP)
    )
    assert parts_of(parser().feed(stream)) == (Text("x"),)


def test_bug_34_arguments_that_never_come_are_an_empty_object() -> None:
    """And those that came with the start count where no delta did."""
    events = read(
        START,
        begin(0, type="tool_use", id="a", name="f", input={}),
        arguments(0, ""),
        end(0),
        begin(1, type="tool_use", id="b", name="f", input={"x": 1}),
        end(1),
        begin(2, type="tool_use", id="c", name="f", input={"x": 1}),
        arguments(2, '{"x":2}'),
        end(2),
        finish("tool_use"),
        STOP,
    )
    assert [part.arguments for part in parts_of(events) if isinstance(part, ToolCall)] == ["{}", '{"x":1}', '{"x":2}']


def test_bug_22_blocks_that_overlap_come_out_one_after_the_other() -> None:
    """Against the documentation; the later ones wait for their turn, whether they ended or not."""
    events = read(
        START,
        begin(0, type="tool_use", id="a", name="f"),
        begin(1, type="tool_use", id="b", name="g"),
        begin(5, type="text", text="w"),
        arguments(0, '{"a"'),
        arguments(1, '{"b"'),
        arguments(0, ":1}"),
        arguments(1, ":2}"),
        end(1),
        text(5, "x"),
        end(0),
        text(5, "y"),
        finish("tool_use"),
        STOP,
    )
    assert parts_of(events) == (ToolCall("a", "f", '{"a":1}'), ToolCall("b", "g", '{"b":2}'), Text("wxy"))
    indexes = [event.index for event in events if isinstance(event, PartStarted | PartEnded | Delta)]
    assert indexes == sorted(indexes)


def test_blocks_without_stop_end_where_the_next_message_event_comes() -> None:
    """Some upstreams forget it."""
    events = read(START, begin(0, type="text"), text(0, "x"), begin(0, type="text"), text(0, "y"), finish(), STOP)
    assert parts_of(events) == (Text("x"), Text("y"))
    assert [event for event in events if isinstance(event, UsageReported)] == [
        UsageReported(Usage(input_tokens=100, output_tokens=3, cached_tokens=75))
    ]


def test_bug_53_absurd_counts_are_tamed() -> None:
    """No negative numbers."""
    events = read(START, finish(input_tokens=-5, cache_read_input_tokens=10**15), STOP)
    usage = next(event.usage for event in events if isinstance(event, UsageReported))
    assert usage == Usage(input_tokens=10**9, output_tokens=3, cached_tokens=10**9)


def test_bug_41_an_end_without_message_stop_is_no_end() -> None:
    """A stop reason alone is not enough."""
    machine = parser()
    assert machine.feed(sse(START, begin(0, type="text"), text(0, "x"), end(0), finish()))
    with pytest.raises(MalformedReply):
        machine.finish()


BAD: dict[str, tuple[dict[str, object], ...]] = {
    "bug_56_second_message_start": (START,),
    "delta_of_an_unknown_block": (text(9, "x"),),
    "block_without_type": (begin(9),),
    "call_without_name": (begin(9, type="tool_use", id="a", name=""),),
    "held_block_began_twice": (begin(8, type="text"), begin(9, type="text"), begin(9, type="text")),
    "delta_after_the_end": (begin(8, type="text"), begin(9, type="text"), end(9), text(9, "x")),
    "too_many_open": tuple(begin(at, type="text") for at in range(10, 200)),
    "index_is_no_index": ({"type": "content_block_stop", "index": "0"},),
    "not_an_event": ({"type": ["x"]},),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_raised_after_the_events_before_it(name: str) -> None:
    """At the next call, whichever it is."""
    for call in ("feed", "finish"):
        machine = parser()
        events = machine.feed(sse(START, begin(0, type="text"), text(0, "x"), end(0), *BAD[name]))
        assert Delta(0, "x") in events
        with pytest.raises(MalformedReply):
            machine.feed(b"") if call == "feed" else machine.finish()


@pytest.mark.parametrize("before", [(), (START, begin(0, type="text"), text(0, "x"))])
def test_bug_58_an_error_event_is_what_the_upstream_said(before: tuple[dict[str, object], ...]) -> None:
    """Also as the first event of a 200."""
    machine = parser()
    machine.feed(sse(*before, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}))
    with pytest.raises(UpstreamSaidError):
        machine.finish()


@pytest.mark.parametrize("first", [begin(0, type="text"), finish(), STOP])
def test_events_before_message_start_are_malformed(first: dict[str, object]) -> None:
    """There is no message yet."""
    machine = parser()
    machine.feed(sse(first))
    with pytest.raises(MalformedReply):
        machine.finish()


def test_overlapping_blocks_are_held_within_bounds() -> None:
    """An upstream can't fill the memory with what waits."""
    machine = parser()
    machine.feed(sse(START, begin(0, type="text"), begin(1, type="text")))
    chunk = sse(text(1, "x" * 100_000))
    with pytest.raises(MalformedReply):
        for _ in range(200):
            machine.feed(chunk)


def test_bug_14_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    """Strict readers would refuse the event."""
    machine = parser()
    start = sse(START, begin(0, type="text"))
    bad = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}\n\n'
    assert parts_of(machine.feed(start + bad + sse(STOP))) == (Text("a\ufffd"),)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"<html>", b'{"type":"message"}', b'{"content":[{}]}', b"[" * 9999]
)
def test_a_body_that_is_no_reply_is_malformed(body: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(MalformedReply):
        parser().parse_whole(body)


def test_a_whole_reply_that_is_an_error_is_what_the_upstream_said() -> None:
    """On HTTP 200."""
    with pytest.raises(UpstreamSaidError):
        parser().parse_whole(b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}')


_any_event = st.one_of(
    st.sampled_from([PING, finish(), STOP, START, finish(None)]),
    st.builds(
        lambda at, kind: begin(at, type=kind, name="f", id="a"),
        st.integers(0, 3),
        st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking", "server_tool_use"]),
    ),
    st.builds(text, st.integers(0, 3), st.text(max_size=3)),
    st.builds(arguments, st.integers(0, 3), st.text(max_size=3)),
    st.builds(lambda at: delta(at, "thinking_delta", thinking="t"), st.integers(0, 3)),
    st.builds(lambda at: delta(at, "signature_delta", signature="s"), st.integers(0, 3)),
    st.builds(end, st.integers(0, 3)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_any_event, max_size=25))
def test_the_order_of_events_is_kept_whatever_the_upstream_does(stream: list[dict[str, object]]) -> None:
    """Parts one after the other, numbered from 0, deltas within them; nothing else is ever raised."""
    machine = parser()
    events: list[Event] = []
    try:
        for said in (START, *stream):
            events += machine.feed(sse(said))
        events += machine.finish()
    except (MalformedReply, UpstreamSaidError):
        pass
    opened, is_open = -1, False
    for event in events:
        match event:
            case PartStarted(index=index):
                assert not is_open
                assert index == opened + 1
                opened, is_open = index, True
            case Delta(index=index, text=words):
                assert (is_open, index) == (True, opened)
                assert words
            case PartEnded(index=index):
                assert (is_open, index) == (True, opened)
                is_open = False
            case Finished():
                assert not is_open
                assert event is events[-1]
