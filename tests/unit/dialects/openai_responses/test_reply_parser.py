"""Replies of an upstream that speaks Responses, read into neutral events."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import MalformedReply, RenderedRequest, ReplyParser, UpstreamSaidError
from freetheai_gateway.domain.conversation import Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolKind
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStarted,
    Reply,
    Started,
    StopReason,
    TextStarted,
    fold,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode
from freetheai_gateway.sse import MAX_EVENT_BYTES

RESPONSES = OpenAIResponses()
GOLDEN = Path("tests/golden/openai_responses")
EVERYTHING = (GOLDEN / "reasoning_text_and_tools.sse").read_bytes()
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def parser(**names: str) -> ReplyParser:
    return RESPONSES.reply_parser(RenderedRequest(b"", names=names))


def event(kind: str, **fields: object) -> bytes:
    return b"event: x\ndata: " + encode({"type": kind, **fields}) + b"\n\n"


def added(index: int, kind: str, **fields: object) -> bytes:
    return event("response.output_item.added", output_index=index, item={"type": kind, **fields})


def done(index: int, kind: str, **fields: object) -> bytes:
    return done_as(index, {"type": kind, **fields})


def done_as(index: int, item: object) -> bytes:
    return event("response.output_item.done", output_index=index, item=item)


def text(index: int, delta: str, **fields: object) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=delta, **fields)


def arguments(index: int, delta: str) -> bytes:
    return event("response.function_call_arguments.delta", output_index=index, delta=delta)


def ended(*output: object, status: str = "completed", **fields: object) -> bytes:
    response = {"id": "resp_1", "status": status, "output": output, "usage": USAGE, **fields}
    return event(f"response.{status}", response=response)


def read(*chunks: bytes, **names: str) -> list[Event]:
    machine = parser(**names)
    return [*(one for chunk in chunks for one in machine.feed(chunk)), *machine.finish()]


def reply(*chunks: bytes, **names: str) -> Reply:
    events = read(*chunks, **names)
    in_order(events)
    found = fold(events)
    assert found is not None
    return found


def in_order(events: Sequence[Event]) -> None:
    """Check what `domain.events` promises."""
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    opened, number = False, 0
    for one in events[1:-1]:
        match one:
            case PartStarted(index=index):
                assert (opened, index) == (False, number)
                opened = True
            case PartEnded(index=index):
                assert (opened, index) == (True, number)
                opened, number = False, number + 1
            case Delta(index=index, text=delta):
                assert (opened, index) == (True, number)
                assert delta
    assert not opened


EXPECTED: tuple[Part, ...] = (
    Thinking("**Planning** the answer\n\nChecking 時間", "rs_1|gAAAAABo==", "openai_responses", summary=True),
    Text("Es ist 12 Uhr 🕛.\n"),
    ToolCall("call_a", "get_weather", '{"city":"Köln"}'),
    ToolCall("call_b", "apply_patch", "*** Begin Patch", ToolKind.CUSTOM),
)


def test_stream_is_read_whole() -> None:
    """Reasoning with its signature, text, a function, a custom tool, usage."""
    found = reply(EVERYTHING)
    assert found.parts == EXPECTED
    assert (found.id, found.model, found.created) == ("resp_68af", "gpt-5-mini-2025-08-07", 1741476777)
    assert found.usage == Usage(328, 52, 128, 20)
    assert found.finished.reason is StopReason.TOOL_CALLS


def test_whole_reply_is_read_the_same() -> None:
    """As its stream."""
    events = parser().parse_whole((GOLDEN / "reasoning_text_and_tools.json").read_bytes())
    in_order(events)
    found = fold(events)
    assert found == reply(EVERYTHING)


def test_bug_1_and_2_stream_cut_at_every_byte_gives_the_same_reply() -> None:
    """Also inside characters of three and four bytes."""
    expected = reply(EVERYTHING)
    for cut in range(0, len(EVERYTHING), 7):
        assert reply(EVERYTHING[:cut], EVERYTHING[cut:]) == expected
    single = [EVERYTHING[at : at + 1] for at in range(len(EVERYTHING))]
    assert read(*single) == read(EVERYTHING)


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_bug_4_line_endings_of_all_kinds_are_read(end: bytes) -> None:
    """CRLF and CR alone."""
    assert reply(EVERYTHING.replace(b"\n", end)).parts == EXPECTED


def test_bug_8_and_10_comments_empty_data_and_unknown_events_are_skipped() -> None:
    """Also unknown events whose fields have other types than the known ones."""
    noise = (
        b":\n\ndata:\n\n: ka\n\n"
        + event("response.shell_call_output_content.delta", delta={"stdout": "x"}, output_index="0")
        + event("response.of_tomorrow", item=7, response=8)
        + event("keepalive")
    )
    chunks = [one + b"\n\n" for one in EVERYTHING.split(b"\n\n") if one]
    assert reply(noise.join(chunks)).parts == EXPECTED


def test_text_streams_as_it_comes() -> None:
    """Nothing is held back of the first open item."""
    machine = parser()
    machine.feed(added(0, "message", content=[]))
    assert machine.feed(text(0, "a")) == [PartStarted(0, TextStarted()), Delta(0, "a")]
    assert machine.feed(text(0, "b")) == [Delta(0, "b")]


def test_bug_22_interleaved_calls_are_held_back_until_their_turn() -> None:
    """Each call's arguments stay its own; the order is that of the items."""
    found = reply(
        added(0, "function_call", call_id="a", name="f", arguments=""),
        added(1, "function_call", call_id="b", name="g", arguments=""),
        arguments(0, '{"x"'),
        arguments(1, '{"y"'),
        arguments(0, ":1}"),
        arguments(1, ":2}"),
        done(1, "function_call", call_id="b", name="g", arguments='{"y":2}'),
        done(0, "function_call", call_id="a", name="f", arguments='{"x":1}'),
        ended(),
    )
    assert found.parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}'))


def test_bug_25_name_that_comes_late_is_waited_for() -> None:
    """The whole item brings it."""
    found = reply(
        added(0, "function_call", call_id="a", name="", arguments=""),
        arguments(0, '{"x":1}'),
        done(0, "function_call", call_id="a", name="f", arguments='{"x":1}'),
        ended(),
    )
    assert found.parts == (ToolCall("a", "f", '{"x":1}'),)


def test_bug_34_call_without_arguments_has_an_empty_object() -> None:
    """With and without an empty delta."""
    found = reply(
        added(0, "function_call", call_id="a", name="f", arguments=""),
        arguments(0, ""),
        done(0, "function_call", call_id="a", name="f", arguments=""),
        ended(),
    )
    assert found.parts == (ToolCall("a", "f", "{}"),)


def test_bug_37_call_without_an_id_gets_one() -> None:
    """The item's, else one by its place."""
    found = reply(
        done(0, "function_call", id="fc_9", call_id="", name="f", arguments="{}"),
        done(1, "function_call", name="g", arguments="{}"),
        ended(),
    )
    assert [part.id for part in found.parts if isinstance(part, ToolCall)] == ["fc_9", "call_1"]


def test_bug_121_ids_that_change_from_event_to_event_do_not_matter() -> None:
    """The output index tells items apart."""
    found = reply(
        added(0, "message", id="one"),
        text(0, "a", item_id="two"),
        text(0, "b", item_id="three"),
        done(0, "message", id="four", content=[{"type": "output_text", "text": "ab"}]),
        ended(),
    )
    assert found.parts == (Text("ab"),)


def test_bug_70_empty_texts_leave_no_trace() -> None:
    """Nor does reasoning that says nothing."""
    found = reply(
        added(0, "message"),
        text(0, ""),
        done(0, "message", content=[{"type": "output_text", "text": ""}]),
        done(1, "reasoning", id="rs", summary=[], encrypted_content=None),
        done(2, "function_call", call_id="a", name="f", arguments="{}"),
        ended(),
    )
    assert found.parts == (ToolCall("a", "f", "{}"),)


def test_reasoning_with_a_signature_only_is_kept() -> None:
    """OpenAI's default without summaries."""
    found = reply(done(0, "reasoning", id="rs", summary=[], encrypted_content="gA"), ended())
    assert found.parts == (Thinking("", "rs|gA", "openai_responses", summary=True),)


def test_reasoning_in_the_open_is_no_summary() -> None:
    """llama.cpp, vLLM."""
    found = reply(
        added(0, "reasoning", id="rs", summary=[]),
        event("response.reasoning_text.delta", output_index=0, content_index=0, delta="so"),
        done(0, "reasoning", id="rs", summary=[], content=[{"type": "reasoning_text", "text": "so"}]),
        ended(),
    )
    assert found.parts == (Thinking("so", None, "openai_responses"),)


def test_items_without_deltas_are_taken_whole() -> None:
    """From their end, or from the end of the reply; several texts are several parts."""
    message = {
        "type": "message",
        "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}, {"type": "new"}, 7],
    }
    whole = (Text("a"), Refusal("no"))
    assert reply(done_as(0, message), ended()).parts == whole
    assert reply(ended(message)).parts == whole
    assert reply(added(0, "message"), ended(message)).parts == whole


def test_part_that_was_streamed_is_not_given_twice() -> None:
    """By the item's end, a second end, or the end of the reply."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "ab"}]}
    last = done_as(0, message)
    assert reply(added(0, "message"), text(0, "ab"), last, last, ended(message)).parts == (Text("ab"),)


def test_items_of_the_vendor_are_kept_for_its_own_clients() -> None:
    """A search, say."""
    found = reply(added(0, "web_search_call", id="ws"), done(0, "web_search_call", id="ws"), ended())
    part = found.parts[0]
    assert isinstance(part, Opaque)
    assert (part.dialect, part.kind, bytes(part.raw)) == (
        "openai_responses",
        "web_search_call",
        b'{"type":"web_search_call","id":"ws"}',
    )


def test_names_come_back_as_the_callers() -> None:
    """What was sanitised on the way there."""
    found = reply(done(0, "function_call", call_id="a", name="fs_read_1", arguments="{}"), ended(), fs_read_1="fs.read")
    assert found.parts == (ToolCall("a", "fs.read", "{}"),)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (ended(), StopReason.END),
        (ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), StopReason.LENGTH),
        (ended(status="incomplete", incomplete_details={"reason": "content_filter"}), StopReason.REFUSAL),
        (ended(status="incomplete", incomplete_details=None), StopReason.LENGTH),
        (ended({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}), StopReason.REFUSAL),
        (ended({"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}), StopReason.TOOL_CALLS),
    ],
)
def test_reason_of_the_end_is_read(last: bytes, reason: StopReason) -> None:
    """Finished, cut off, filtered, refused, calling."""
    assert reply(last).finished.reason is reason


@pytest.mark.parametrize("tail", [b"", b"data: [DONE]\n\n"])
def test_bug_41_stream_that_ends_early_is_malformed(tail: bytes) -> None:
    """Also where a terminator of another dialect pretends otherwise."""
    machine = parser()
    assert machine.feed(added(0, "message") + text(0, "a") + tail)
    with pytest.raises(MalformedReply):
        machine.finish()


@pytest.mark.parametrize(
    "failure",
    [
        event("response.failed", response={"status": "failed", "error": {"code": "server_error", "message": "m"}}),
        event("error", code="x", message="m", param=None),
        event("error", delta=7, error={"message": "m"}),
        event("response.completed", response={"status": "cancelled", "output": []}),
        event("response.in_progress", response={"error": {"code": "x"}}),
    ],
)
def test_bug_61_failure_of_the_upstream_is_raised_behind_the_good_events(failure: bytes) -> None:
    """What came before it is given first, at every later call it is raised again."""
    machine = parser()
    events = machine.feed(added(0, "message") + text(0, "a") + failure + text(0, "b"))
    assert events[-1] == Delta(0, "a")
    for _ in range(2):
        with pytest.raises(UpstreamSaidError):
            machine.feed(b"")
    with pytest.raises(UpstreamSaidError):
        machine.finish()


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {\n\n",
        b"data: 7\n\n",
        event("response.output_text.delta", delta=7),
        event("response.completed"),
        event("response.created", response=7),
    ],
)
def test_broken_event_is_malformed(broken: bytes) -> None:
    """Never a crash."""
    with pytest.raises(MalformedReply):
        parser().feed(broken)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"output":null}', b"<html>", b'{"output":{}}'])
def test_broken_whole_reply_is_malformed(body: bytes) -> None:
    """HTML, nothing, other shapes."""
    with pytest.raises(MalformedReply):
        parser().parse_whole(body)


def test_hostile_streams_are_bounded() -> None:
    """Events without end, items without number, text that is held back."""
    with pytest.raises(MalformedReply):
        parser().feed(b"data: " + b"x" * MAX_EVENT_BYTES + b"x")
    machine = parser()
    machine.feed(added(0, "message") + added(1, "message"))
    with pytest.raises(MalformedReply):
        for _ in range(40):
            machine.feed(text(1, "x" * 2**19))
    machine = parser()
    with pytest.raises(MalformedReply):
        for index in range(10_001):
            machine.feed(added(-index * 10**30, "message"))


CHUNK = st.one_of(
    st.builds(added, st.integers(-1, 2), st.sampled_from(["message", "reasoning", "function_call", "new"])),
    st.builds(
        done,
        st.integers(-1, 2),
        st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "new"]),
        name=st.sampled_from(["", "f"]),
        call_id=st.just("c"),
        content=st.just([{"type": "output_text", "text": "t"}]),
        encrypted_content=st.sampled_from([None, "e"]),
    ),
    st.builds(
        event,
        st.sampled_from(
            [
                "response.output_text.delta",
                "response.refusal.delta",
                "response.reasoning_text.delta",
                "response.reasoning_summary_text.delta",
                "response.function_call_arguments.delta",
                "response.custom_tool_call_input.delta",
            ]
        ),
        output_index=st.integers(-1, 2) | st.none(),
        content_index=st.integers(0, 1) | st.none(),
        delta=st.sampled_from(["", "x"]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CHUNK, max_size=12))
def test_any_mixture_of_events_keeps_the_promised_order(chunks: list[bytes]) -> None:
    """Whatever is added, said or done of which item, and whatever is missing."""
    in_order(read(*chunks, ended()))
