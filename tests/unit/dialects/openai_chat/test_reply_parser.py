"""An upstream's chat reply as neutral events, with what compatible servers are seen to send."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects.protocol import MalformedReply, RenderedRequest, UpstreamSaidError
from freetheai_gateway.domain.conversation import RedactedThinking, Refusal, Text, Thinking, ToolCall, ToolKind
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStarted,
    SignatureGiven,
    Started,
    StopReason,
    UsageReported,
    fold,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode
from tests.unit.dialects.openai_chat.shared import CHAT, call, calls, delta, events_of, reply_of, sse

Json = dict[str, object]
GOLDEN = Path(__file__).parents[3] / "golden" / "openai_chat"


def _in_order(events: list[Event]) -> None:
    """Check the order that `domain.events` promises."""
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    count, is_open = 0, False
    for event in events[1:-1]:
        match event:
            case PartStarted(index=index):
                assert not is_open
                assert index == count
                count, is_open = count + 1, True
            case Delta(index=index, text=text):
                assert is_open
                assert index == count - 1
                assert text
            case SignatureGiven(index=index):
                assert is_open
                assert index == count - 1
            case PartEnded(index=index):
                assert is_open
                assert index == count - 1
                is_open = False
            case UsageReported():
                assert not is_open
            case _:
                pytest.fail(f"unexpected {event}")
    assert not is_open


def _tools(*chunks: object) -> list[tuple[str, str, str]]:
    events = events_of(sse(delta(role="assistant"), *chunks, delta("tool_calls")))
    _in_order(events)
    reply = fold(events)
    assert reply is not None
    assert reply.finished.reason is StopReason.TOOL_CALLS
    return [(part.id, part.name, part.arguments) for part in reply.parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("name", ["text.sse", "tools.sse"])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_bug_01_02_04_stream_when_cut_anywhere_then_gives_the_same(name: str, ending: bytes) -> None:
    """Every split point, inside a code point too, and every line ending gives the same reply."""
    stream = (GOLDEN / name).read_bytes().replace(b"\n", ending)
    expected = fold(events_of(stream))
    assert expected is not None
    for cut in range(1, len(stream)):
        parser = CHAT.reply_parser(RenderedRequest(b""))
        events = parser.feed(stream[:cut]) + parser.feed(stream[cut:])
        events += parser.finish()
        assert fold(events) == expected


def test_golden_text_when_read_then_has_all_its_parts() -> None:
    """Reasoning, text, usage and the end, in the promised order."""
    events = events_of((GOLDEN / "text.sse").read_bytes())
    _in_order(events)
    reply = fold(events)
    assert reply is not None
    assert [type(part) for part in reply.parts] == [Thinking, Text]
    assert [getattr(part, "text", "") for part in reply.parts] == ["A greeting 你", "Hello wörld 😀"]
    assert reply.usage == Usage(20, 9, 8, 3)
    assert reply.cache_written_tokens == 4
    assert reply.finished.reason is StopReason.END
    assert (reply.id, reply.model, reply.created) == ("chatcmpl-1", "glm-5.1", 1_795_397_400)


@pytest.mark.parametrize("junk", [b"data:\n\n", b": ping\n\n", b":\n\n", b"event: x\nid: 1\n\n", b"\n\n"])
def test_bug_05_08_10_stream_with_signs_of_life_then_they_are_passed_over(junk: bytes) -> None:
    """Comments, empty data and events without data say nothing; `data:` needs no space."""
    stream = junk.join([b"", b'data:{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n', b""])
    reply = fold(events_of(stream))
    assert reply is not None
    assert reply.parts == (Text("a"),)


def test_bug_14_delta_with_half_a_surrogate_pair_then_it_is_replaced() -> None:
    """U+FFFD takes its place, in text and in arguments."""
    one = b'{"choices":[{"delta":{"content":"x\\ud83d"}}]}'
    two = b'{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"\\ud83d"}}]}}]}'
    reply = reply_of(one, two)
    assert reply.parts[0] == Text("x\ufffd")
    assert isinstance(reply.parts[1], ToolCall)
    assert reply.parts[1].arguments == "\ufffd"


def test_bug_16_reply_of_the_other_form_then_it_is_read_all_the_same() -> None:
    """JSON where a stream was asked for, and a stream where JSON was."""
    body = encode({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]})
    as_stream = fold(events_of(body))
    as_whole = fold(CHAT.reply_parser(RenderedRequest(b"")).parse_whole(sse(delta("stop", content="a"))))
    assert as_stream is not None
    assert as_whole is not None
    assert as_stream.parts == as_whole.parts == (Text("a"),)


TOOL_STREAMS: dict[str, tuple[list[dict[str, object]], list[tuple[str, str, str]]]] = {
    "bug_20_one_index_two_ids": (
        [calls(call(0, '{"a":1}', id="x", name="f")), calls(call(0, '{"b":2}', id="y", name="g"))],
        [("x", "f", '{"a":1}'), ("y", "g", '{"b":2}')],
    ),
    "one_index_no_ids": (
        [calls(call(0, '{"a":1}', name="f")), calls(call(0, '{"b":2}', name="f"))],
        [("", "f", '{"a":1}'), ("", "f", '{"b":2}')],
    ),
    "one_index_no_ids_no_arguments": (
        [calls(call(0, name="f")), calls(call(0, name="g"))],
        [("", "f", ""), ("", "g", "")],
    ),
    "a_new_id_on_every_piece": (
        [calls(call(0, '{"a"', id="x", name="f")), calls(call(0, ":1}", id="y"))],
        [("x", "f", '{"a":1}')],
    ),
    "id_and_name_on_every_piece": (
        [calls(call(0, '{"a"', id="x", name="f")), calls(call(0, ":1}", id="x", name="f"))],
        [("x", "f", '{"a":1}')],
    ),
    "bug_22_interleaved": (
        [
            calls(call(0, '{"a"', id="x", name="f"), call(1, '{"b"', id="y", name="g")),
            calls(call(0, ":1"), call(1, ":2")),
            calls(call(1, "}")),
            calls(call(0, "}")),
        ],
        [("x", "f", '{"a":1}'), ("y", "g", '{"b":2}')],
    ),
    "bug_25_name_comes_late": (
        [calls(call(0, "", id="x", name="")), calls(call(0, '{"a"', name=None)), calls(call(0, ":1}", name="f"))],
        [("x", "f", '{"a":1}')],
    ),
    "bug_26_name_repeated_as_empty": (
        [calls(call(0, '{"a"', id="x", name="f")), calls(call(0, ":1}", id="", name=""))],
        [("x", "f", '{"a":1}')],
    ),
    "bug_28_text_and_call_in_one_delta": (
        [delta(content="hm", tool_calls=[call(0, '{"a"', id="x", name="f")]), calls(call(0, ":1}"))],
        [("x", "f", '{"a":1}')],
    ),
    "bug_31_all_in_the_last_chunk": (
        [calls(call(0, '{"a":1}', id="x", name="f"), call(1, '{"b":2}', id="y", name="g"), finish="tool_calls")],
        [("x", "f", '{"a":1}'), ("y", "g", '{"b":2}')],
    ),
    "bug_34_no_arguments": (
        [calls(call(0, "", id="x", name="f")), calls(call(0, ""))],
        [("x", "f", "")],
    ),
    "bug_35_a_parsable_beginning": (
        [
            calls(call(0, '{"a":1}', id="x", name="f")),
            calls(call(1, "{}", id="y", name="g")),
            calls(call(0, " ")),
        ],
        [("x", "f", '{"a":1} '), ("y", "g", "{}")],
    ),
    "no_index_but_ids": (
        [
            calls(call(None, '{"a"', id="x", name="f")),
            calls(call(None, ":1}")),
            calls(call(None, "{}", id="y", name="g")),
        ],
        [("x", "f", '{"a":1}'), ("y", "g", "{}")],
    ),
    "whole_calls_without_index_and_id": (
        [calls(call(None, {"a": 1}, name="f"), call(None, {"b": 2}, name="f"))],
        [("", "f", '{"a":1}'), ("", "f", '{"b":2}')],
    ),
    "the_index_moves_on_the_call_does_not": (
        [calls(call(0, '{"a"', id="x", name="f")), calls(call(1, ":1}", id="x"))],
        [("x", "f", '{"a":1}')],
    ),
    "one_id_for_two_calls": (
        [calls(call(0, "{}", id="x", name="f")), calls(call(1, "{}", id="x", name="g"))],
        [("x", "f", "{}"), ("x_1", "g", "{}")],
    ),
    "indexes_from_far_away": (
        [calls(call(2**40, "{}", id="x", name="f")), calls(call(-7, "{}", id="y", name="g"))],
        [("x", "f", "{}"), ("y", "g", "{}")],
    ),
    "a_call_that_never_gets_a_name": (
        [calls(call(0, "{}", id="x", name="f")), calls(call(1, "{}", id="y"))],
        [("x", "f", "{}")],
    ),
}


@pytest.mark.parametrize("case", sorted(TOOL_STREAMS))
def test_tool_calls_however_they_are_streamed_then_each_is_whole(case: str) -> None:
    """Calls keep their arguments, order, names and ids; a missing id is made up and differs from the others."""
    chunks, expected = TOOL_STREAMS[case]
    found = _tools(*chunks)
    assert [(name, arguments) for _, name, arguments in found] == [one[1:] for one in expected]
    ids = [call_id for call_id, _, _ in found]
    assert len(set(ids)) == len(ids)
    assert all(own == given for own, (given, _, _) in zip(ids, expected, strict=True) if given)
    assert all(ids)


def test_bug_37_call_without_id_then_the_made_up_one_is_the_same_again() -> None:
    """It follows from the reply and the call's place, so reading twice gives the same id."""
    chunk = calls(call(0, "{}", id="", name="f"))
    assert _tools(chunk) == _tools(chunk)


def test_first_call_when_alone_then_streams_live() -> None:
    """Its arguments are not held back."""
    parser = CHAT.reply_parser(RenderedRequest(b"", names={"f_1": "f.1"}))
    events = parser.feed(sse(calls(call(0, '{"a"', id="x", name="f_1")), done=False))
    assert events[-1] == Delta(0, '{"a"')
    assert isinstance(events[1], PartStarted)
    assert getattr(events[1].start, "name", "") == "f.1"


def test_text_beside_a_call_then_comes_behind_it() -> None:
    """More of the call may follow, so text waits; white space alone is no text at all."""
    chunks = [
        calls(call(0, '{"a"', id="x", name="f")),
        delta(content="so"),
        calls(call(0, ":1}")),
        delta(content=" it"),
    ]
    events = events_of(sse(*chunks, delta("stop")))
    _in_order(events)
    reply = fold(events)
    assert reply is not None
    assert reply.parts == (ToolCall("x", "f", '{"a":1}'), Text("so it"))
    assert reply_of(calls(call(0, "{}", id="x", name="f")), delta("stop", content="\n")).parts == (
        ToolCall("x", "f", "{}"),
    )


def test_bug_29_first_chunk_with_text_then_it_is_kept() -> None:
    """The first token counts, also behind white space and where no role came."""
    assert reply_of(delta(content="\n"), delta(content="Hi")).parts == (Text("\nHi"),)


def test_bug_32_70_parts_then_blank_text_before_a_call_opens_none() -> None:
    """Thinking, text and call are parts 0, 1, 2; a text of white space alone would be replayed for ever."""
    whole = reply_of(delta(reasoning="t"), delta(content="x"), calls(call(0, "{}", id="a", name="f")), delta("stop"))
    assert [type(part) for part in whole.parts] == [Thinking, Text, ToolCall]
    blank = reply_of(delta(content=""), delta(content="\n\n"), calls(call(0, "{}", id="a", name="f")), delta("stop"))
    assert [type(part) for part in blank.parts] == [ToolCall]


@pytest.mark.parametrize("role", ["", None, "assistant"])
def test_bug_38_role_then_anything_is_accepted(role: str | None) -> None:
    """Some servers repeat it or send it empty."""
    assert reply_of(delta(role=role, content="a"), delta("stop", role=role)).parts == (Text("a"),)


def test_bug_41_stream_that_stops_then_is_no_reply() -> None:
    """No finish reason and no terminator: cut off, after the events that came."""
    parser = CHAT.reply_parser(RenderedRequest(b""))
    assert parser.feed(sse(delta(content="a"), done=False))
    with pytest.raises(MalformedReply):
        parser.finish()


def test_stream_without_terminator_then_the_finish_reason_is_enough() -> None:
    """Also where the last event lacks its empty line."""
    stream = sse(delta(content="a"), delta("stop"), done=False)
    assert fold(events_of(stream)) is not None
    assert fold(events_of(stream[:-2])) is not None


def test_bug_43_empty_finish_reason_then_is_no_end() -> None:
    """`""` on every chunk means that the reply goes on."""
    parser = CHAT.reply_parser(RenderedRequest(b""))
    parser.feed(sse(delta("", content="a"), done=False))
    with pytest.raises(MalformedReply):
        parser.finish()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", StopReason.END),
        ("eos", StopReason.END),
        ("end_turn", StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("length", StopReason.LENGTH),
        ("tool_use", StopReason.END),
        ("tool_calls", StopReason.END),
        ("content_filter", StopReason.REFUSAL),
        ("SOMETHING_NEW", StopReason.END),
    ],
)
def test_bug_44_finish_reasons_of_other_dialects_then_are_understood(word: str, reason: StopReason) -> None:
    """What leaks through is normalised; tools without a call are no tool calls."""
    assert reply_of(delta(word, content="a")).finished.reason is reason


@pytest.mark.parametrize("word", ["error", "abort"])
def test_finish_reason_of_a_failure_then_is_an_error(word: str) -> None:
    """What came before it is given first."""
    parser = CHAT.reply_parser(RenderedRequest(b""))
    assert parser.feed(sse(delta(word, content="a"), done=False))
    with pytest.raises(UpstreamSaidError):
        parser.finish()


def test_cut_off_call_then_the_reason_stays_length() -> None:
    """A call whose arguments the cap cut off must not be run; a complete one is a call whatever the reason."""
    assert reply_of(calls(call(0, '{"a"', id="x", name="f")), delta("length")).finished.reason is StopReason.LENGTH
    assert reply_of(calls(call(0, "{}", id="x", name="f")), delta("length")).finished.reason is StopReason.TOOL_CALLS


def test_bug_46_47_49_chunks_without_choice_delta_or_usage_then_are_passed_over() -> None:
    """Azure's filter results and trailing choices, and `usage:null` on every chunk."""
    first: Json = {"id": "", "choices": [], "prompt_filter_results": [{}], "usage": None}
    trailing: Json = {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}], "usage": None}
    reply = reply_of(first, {**delta(content="a"), "usage": None}, delta("stop"), trailing)
    assert reply.parts == (Text("a"),)
    assert reply.usage == Usage()


def test_other_choices_then_are_left_out() -> None:
    """Only choice 0 reaches the client."""
    second = {"choices": [{"index": 1, "delta": {"content": "b"}}]}
    assert reply_of(delta(content="a"), second, delta("stop")).parts == (Text("a"),)


def test_bug_53_contradicting_usage_then_nothing_is_negative() -> None:
    """Reasoning is at most the output, cached and written tokens at most the input; floats and nulls are counts."""
    usage = {
        "prompt_tokens": 5.0,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    reply = reply_of(delta("stop", content="a"), {"choices": [], "usage": usage})
    assert reply.usage == Usage(5, 2, 5, 2)
    assert reply.cache_written_tokens == 0
    assert reply_of(delta("stop", content="a"), {"choices": [], "usage": {"prompt_tokens": None}}).usage == Usage()


def test_usage_in_every_chunk_then_the_last_one_counts() -> None:
    """Cumulative counts are taken over, not added; DeepSeek's name for cached tokens is known."""
    one = {**delta(content="a"), "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    two = {**delta("stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_cache_hit_tokens": 3}}
    assert reply_of(one, two).usage == Usage(7, 2, 3)


def test_bug_77_reasoning_then_is_thinking_once() -> None:
    """Whatever the field is called; a server that fills several says it once."""
    for fields in ({"reasoning_content": "t"}, {"reasoning": "t"}, {"reasoning": "t", "reasoning_content": "t"}):
        parts = reply_of(delta(**fields), delta("stop", content="a")).parts
        assert [getattr(part, "text", "") for part in parts] == ["t", "a"]
        assert isinstance(parts[0], Thinking)


def test_reasoning_details_then_carry_signatures_and_secrets() -> None:
    """OpenRouter's entries: text in pieces, then its signature with the format; encrypted ones whole."""
    text = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
    secret = {"type": "reasoning.encrypted", "data": "zzz", "index": 1}
    parts = reply_of(
        delta(reasoning="a", reasoning_details=[{**text, "text": "a"}]),
        delta(reasoning="b", reasoning_details=[{**text, "text": "b"}, "junk", {"type": 1}]),
        delta(reasoning_details=[{**text, "signature": "sig"}]),
        delta(reasoning_details=[secret]),
        delta("stop", content="x"),
    ).parts
    assert parts == (
        Thinking("ab", "anthropic-claude-v1:sig", "openai_chat"),
        RedactedThinking(":zzz", "openai_chat"),
        Text("x"),
    )


def test_bug_97_think_tags_then_stay_text() -> None:
    """Nobody configured a tag to be reasoning."""
    assert reply_of(delta("stop", content="<think>x</think>y")).parts == (Text("<think>x</think>y"),)


def test_refusal_custom_call_legacy_call_and_thought_signature_then_are_read() -> None:
    """The rarer fields of a delta."""
    custom = {"index": 0, "id": "x", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    signed = {**call(0, "{}", id="y", name="f"), "extra_content": {"google": {"thought_signature": "s"}}}
    assert reply_of(delta("stop", refusal="no")).parts == (Refusal("no"),)
    assert reply_of(calls(custom, finish="tool_calls")).parts == (ToolCall("x", "run", "ls", ToolKind.CUSTOM),)
    assert reply_of(calls(signed, finish="stop")).parts == (ToolCall("y", "f", "{}", signature="s"),)
    legacy = [delta(function_call={"name": "f", "arguments": '{"a"'}), delta(function_call={"arguments": ":1}"})]
    found = reply_of(*legacy, delta("function_call")).parts[0]
    assert isinstance(found, ToolCall)
    assert (found.name, found.arguments) == ("f", '{"a":1}')


@pytest.mark.parametrize(
    "content",
    ["hi", [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}, {"type": "x"}, 3]],
)
def test_whole_reply_then_is_the_same_events(content: object) -> None:
    """A string or a list of parts; annotations and audio are left out, calls and reasoning are read."""
    message = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "annotations": [{"type": "url_citation", "url_citation": {}}],
        "audio": None,
        "reasoning_content": "t",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    body = {
        "id": "c",
        "created": 1,
        "model": "m",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    events = CHAT.reply_parser(RenderedRequest(b"")).parse_whole(encode(body))
    _in_order(events)
    reply = fold(events)
    assert reply is not None
    assert [type(part) for part in reply.parts] == [Thinking, Text, ToolCall]
    assert reply.finished.reason is StopReason.TOOL_CALLS
    assert reply.usage == Usage(1, 2)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"error":{"message":"x"}}', UpstreamSaidError),
        (b'{"error":"x"}', UpstreamSaidError),
        (b'[{"error":{"message":"x"}}]', UpstreamSaidError),
        (b'{"object":"error","message":"x"}', UpstreamSaidError),
        (b"<html>", MalformedReply),
        (b"", MalformedReply),
        (b"{}", MalformedReply),
        (b'{"choices":[]}', MalformedReply),
        (b'{"choices":[{}]}', MalformedReply),
        (b"[" * 100_000, MalformedReply),
    ],
)
def test_body_that_is_no_reply_then_says_so(body: bytes, failure: type[Exception]) -> None:
    """An error of any shape is the upstream's word; everything else is malformed. The same in a stream."""
    with pytest.raises(failure):
        CHAT.reply_parser(RenderedRequest(b"")).parse_whole(body)
    parser = CHAT.reply_parser(RenderedRequest(b""))
    assert parser.feed(sse(delta(content="a"), done=False))
    with pytest.raises((failure, MalformedReply)):
        parser.feed(b"data: " + (body or b"x") + b"\n\n")
        parser.finish()


def test_failure_behind_good_events_then_they_come_first() -> None:
    """Events first, the error at the next call, and for good."""
    parser = CHAT.reply_parser(RenderedRequest(b""))
    assert parser.feed(sse(delta(content="a"), {"error": {"message": "x"}}, done=False))
    for _ in range(2):
        with pytest.raises(UpstreamSaidError):
            parser.feed(b"")


def test_hostile_number_of_calls_then_is_refused() -> None:
    """What is held back is bounded."""
    parser = CHAT.reply_parser(RenderedRequest(b""))
    pieces = [calls(call(place, "{}", id=f"x{place}", name="f")) for place in range(600)]
    with pytest.raises(MalformedReply):
        parser.feed(sse(*pieces))
        parser.finish()


wire_values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 1, -1, 1.5, "", "x", "stop", "{}", [], {}]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "refusal",
                    "reasoning",
                    "reasoning_details",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "index",
                    "type",
                    "text",
                    "data",
                    "signature",
                    "extra_content",
                    "google",
                    "custom",
                    "input",
                    "function_call",
                    "usage",
                    "prompt_tokens",
                    "delta",
                    "message",
                    "finish_reason",
                    "choices",
                    "error",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(wire_values, max_size=4), st.booleans())
def test_stream_of_any_shape_then_is_read_or_malformed(deltas: list[Any], wrapped: bool) -> None:
    """Nothing that an upstream sends raises anything else, and what is read keeps the order."""
    chunks = [{"choices": [{"delta": one}]} if wrapped else one for one in deltas]
    parser = CHAT.reply_parser(RenderedRequest(b""))
    try:
        events = parser.feed(sse(*chunks))
        events += parser.finish()
    except (MalformedReply, UpstreamSaidError):
        return
    _in_order(events)
