"""Gemini's replies, whole and streamed, as neutral events; judged against the SDK's types where they are golden."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from google.genai import types

from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.protocol import MalformedReply, RenderedRequest, ReplyParser, UpstreamSaidError
from freetheai_gateway.domain.conversation import Part, Text, Thinking, ToolCall
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStarted,
    Reply,
    SignatureGiven,
    Started,
    StopReason,
    UsageReported,
    fold,
)
from freetheai_gateway.domain.usage import MAX_TOKENS, Usage
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.sse import event_data, split_events

GOLDEN = Path(__file__).parents[3] / "golden" / "gemini"
STREAMS = sorted(path.name for path in GOLDEN.glob("*.sse"))
RENDERED = RenderedRequest(b'{"contents":[]}')


def parser(names: dict[str, str] | None = None, body: bytes = RENDERED.body) -> ReplyParser:
    """Open a parser for one reply."""
    return Gemini().reply_parser(RenderedRequest(body, names=names or {}))


def stream(*chunks: object) -> bytes:
    """Write chunks as events."""
    return b"".join(b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in chunks)


def chunk(*parts: object, reason: str | None = None, **more: object) -> dict[str, object]:
    """Build one chunk of a stream, or a whole reply."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-x", **more}


def call(name: str = "f", **fields: object) -> dict[str, object]:
    """Build a part with a function call."""
    return {"functionCall": {"name": name, **fields}}


def streamed(data: bytes) -> list[Event]:
    """Read a whole stream at once."""
    reader = parser()
    return [*reader.feed(data), *reader.finish()]


def folded(events: Sequence[Event]) -> Reply:
    """Fold events that are finished."""
    reply = fold(events)
    assert reply is not None
    return reply


def whole(value: object, names: dict[str, str] | None = None) -> Reply:
    """Read a whole reply."""
    return folded(parser(names).parse_whole(encode(value)))


def check_order(events: Sequence[Event]) -> None:
    """Check what `domain.events` promises: one start, parts one after the other, usage, one end."""
    kinds = [type(event) for event in events]
    assert kinds[0] is Started
    assert kinds[-1] is Finished
    assert kinds.count(Started) == kinds.count(Finished) == 1
    opened: int | None = None
    count = 0
    for event in events[1:-1]:
        match event:
            case PartStarted(index=index):
                assert opened is None
                assert index == count
                opened, count = index, count + 1
            case Delta(index=index, text=text):
                assert index == opened
                assert text
            case SignatureGiven(index=index):
                assert index == opened
            case PartEnded(index=index):
                assert index == opened
                opened = None
            case UsageReported():
                assert opened is None
            case _:
                pytest.fail(f"{event} is out of place")
    assert opened is None


# --- golden transcripts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
def test_golden_stream_is_what_the_sdk_knows(name: str) -> None:
    """The official types forbid unknown fields: the transcripts are of the documented form."""
    for event in split_events((GOLDEN / name).read_bytes()):
        types.GenerateContentResponse.model_validate_json(event_data(event) or b"")


@pytest.mark.parametrize("name", ["call.json", "blocked_prompt.json"])
def test_golden_reply_is_what_the_sdk_knows(name: str) -> None:
    """As above, for whole replies."""
    types.GenerateContentResponse.model_validate_json((GOLDEN / name).read_bytes())


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_bug_01_stream_when_cut_at_any_byte_then_gives_the_same_events(name: str, line_end: bytes) -> None:
    """Characters of several bytes, and line ends of any kind, survive every cut."""
    data = (GOLDEN / name).read_bytes().replace(b"\n", line_end)
    expected = streamed(data)
    check_order(expected)
    for at in range(len(data) + 1):
        reader = parser()
        assert [*reader.feed(data[:at]), *reader.feed(data[at:]), *reader.finish()] == expected


@pytest.mark.parametrize("name", STREAMS)
def test_stream_when_cut_into_single_bytes_then_gives_the_same_events(name: str) -> None:
    """The slowest upstream there is."""
    data = (GOLDEN / name).read_bytes()
    reader = parser()
    events = [event for at in range(len(data)) for event in reader.feed(data[at : at + 1])]
    assert [*events, *reader.finish()] == streamed(data)


def test_stream_of_text_then_counts_as_the_last_chunk_says() -> None:
    """Usage is cumulative, so nothing is added up; cached is part of the input and thoughts of the output."""
    reply = folded(streamed((GOLDEN / "text.sse").read_bytes()))
    assert reply.parts == (Text("Grüße aus 東京 😀"),)
    assert reply.usage == Usage(input_tokens=14, output_tokens=12, cached_tokens=4, reasoning_tokens=5)
    assert (reply.id, reply.model, reply.finished) == ("resp-text", "gemini-2.5-flash", Finished(StopReason.END))


def test_stream_of_thoughts_and_calls_then_keeps_them_apart() -> None:
    """Thoughts never reach the text; the signature stays at its call; arguments are whole; `STOP` means calls."""
    reply = folded(streamed((GOLDEN / "thoughts_and_calls.sse").read_bytes()))
    thought, text, *calls = reply.parts
    assert thought == Thinking("**Weighing** two cities.", None, "gemini", summary=True)
    assert text == Text("Looking it up.")
    assert [(c.name, c.arguments, c.signature) for c in calls if isinstance(c, ToolCall)] == [
        ("get_weather", '{"city":"Wien","days":[1,2]}', "c2lnLW9uZQ=="),
        ("get_weather", '{"city":"東京"}', None),
        ("now", "{}", None),
    ]
    assert reply.finished.reason is StopReason.TOOL_CALLS


def test_stream_with_a_trailing_signature_then_gives_it_behind_the_text() -> None:
    """The part that carries it is empty and comes after a finish reason; its usage counts."""
    reply = folded(streamed((GOLDEN / "trailing_signature.sse").read_bytes()))
    assert reply.parts == (Text("Forty-two"), Thinking("", "dHJhaWxpbmc=", "gemini", summary=True))
    assert reply.usage.reasoning_tokens == 64
    assert reply.finished.reason is StopReason.END


def test_whole_reply_with_a_call_then_has_its_arguments_on_one_line() -> None:
    """Whole replies are printed over many lines; what is inside strings stays as it is."""
    body = (GOLDEN / "call.json").read_bytes()
    events = parser({"get_weather": "weather.get"}).parse_whole(body)
    check_order(events)
    (found,) = folded(events).parts
    assert isinstance(found, ToolCall)
    assert (found.id, found.name, found.signature) == ("fc-1", "weather.get", "c2lnLXdob2xl")
    assert "\n" not in found.arguments
    assert decode_any(found.arguments) == {"city": "Wien  am\nRand", "nested": {"days": 3.0}}


def test_whole_reply_that_came_as_an_array_of_chunks_then_is_read() -> None:
    """That is a stream without `alt=sse`."""
    body = [chunk({"text": "a"}), chunk({"text": "b"}, reason="STOP")]
    assert whole(body).parts == (Text("ab"),)


# --- how replies end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "parts", "expected"),
    [
        ("STOP", [{"text": "a"}], StopReason.END),
        ("STOP", [call()], StopReason.TOOL_CALLS),
        ("STOP", [], StopReason.END),
        ("MAX_TOKENS", [{"text": "a"}], StopReason.LENGTH),
        ("MAX_TOKENS", [], StopReason.LENGTH),
        ("SAFETY", [{"text": "a"}], StopReason.REFUSAL),
        ("RECITATION", [], StopReason.REFUSAL),
        ("BLOCKLIST", [], StopReason.REFUSAL),
        ("PROHIBITED_CONTENT", [], StopReason.REFUSAL),
        ("SPII", [], StopReason.REFUSAL),
        ("IMAGE_SAFETY", [], StopReason.REFUSAL),
        ("IMAGE_PROHIBITED_CONTENT", [], StopReason.REFUSAL),
        ("IMAGE_RECITATION", [], StopReason.REFUSAL),
        ("OTHER", [{"text": "a"}], StopReason.END),
        ("OTHER", [call()], StopReason.TOOL_CALLS),
        ("OTHER", [], StopReason.REFUSAL),
        ("LANGUAGE", [{"text": "hm", "thought": True}], StopReason.REFUSAL),
        ("NO_IMAGE", [], StopReason.REFUSAL),
        ("SOMETHING_NEW", [{"text": "a"}], StopReason.END),
    ],
)
def test_reply_when_finished_then_says_why(reason: str, parts: list[object], expected: StopReason) -> None:
    """Streamed and whole alike."""
    reply = chunk(*parts, reason=reason)
    assert whole(reply).finished.reason is expected
    assert folded(streamed(stream(reply))).finished.reason is expected


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_reply_when_the_model_broke_off_then_is_an_error(reason: str) -> None:
    """Never a polite end; what came before is given first."""
    with pytest.raises(UpstreamSaidError):
        parser().parse_whole(encode(chunk(reason=reason)))
    reader = parser()
    events = reader.feed(stream(chunk({"text": "a"}), chunk(reason=reason)))
    assert events[-1] == Delta(0, "a")
    with pytest.raises(UpstreamSaidError):
        reader.finish()


def test_reply_to_a_blocked_prompt_then_is_a_refusal_and_no_failure() -> None:
    """There is no candidate at all; the reply is still one."""
    body = (GOLDEN / "blocked_prompt.json").read_bytes()
    reply = folded(parser().parse_whole(body))
    assert (reply.parts, reply.finished.reason) == ((), StopReason.REFUSAL)
    assert reply.usage.input_tokens == 8
    assert folded(streamed(stream(decode_any(body)))).finished.reason is StopReason.REFUSAL


@pytest.mark.parametrize("content", [{}, {"role": "model"}, {"parts": None}, None])
def test_reply_whose_candidate_has_no_content_then_is_an_empty_turn(content: object) -> None:
    """Neither crashes nor invents anything."""
    reply = whole({"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]})
    assert (reply.parts, reply.finished.reason) == ((), StopReason.LENGTH)


def test_bug_41_stream_that_ends_without_a_finish_reason_then_is_an_error() -> None:
    """Not a stop."""
    reader = parser()
    assert reader.feed(stream(chunk({"text": "a"})))
    with pytest.raises(MalformedReply):
        reader.finish()


@pytest.mark.parametrize("reason", ["", "FINISH_REASON_UNSPECIFIED"])
def test_bug_43_empty_finish_reason_then_is_no_end(reason: str) -> None:
    """Some fill the field in every chunk."""
    reader = parser()
    reader.feed(stream(chunk({"text": "a"}, reason=reason)))
    with pytest.raises(MalformedReply):
        reader.finish()


def test_stream_with_a_finish_reason_in_every_chunk_then_is_read_to_its_end() -> None:
    """As the first generations did."""
    events = streamed(stream(*(chunk({"text": text}, reason="STOP") for text in "abc")))
    check_order(events)
    assert folded(events).parts == (Text("abc"),)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"usageMetadata":{}}', b"null", b"nope", b"", b'{"candidates":7}'])
def test_whole_reply_that_is_none_then_is_an_error(body: bytes) -> None:
    """Nothing but the two errors of the contract comes out."""
    with pytest.raises(MalformedReply):
        parser().parse_whole(body)


@pytest.mark.parametrize("is_array", [False, True])
def test_error_inside_a_stream_then_is_raised_after_what_came_before(is_array: bool) -> None:
    """Also inside an array; its text goes nowhere."""
    said = {"error": {"code": 503, "message": "secret words", "status": "UNAVAILABLE"}}
    error = [said] if is_array else said
    reader = parser()
    events = reader.feed(stream(chunk({"text": "a"}), error, chunk({"text": "b"}, reason="STOP")))
    assert [event.text for event in events if isinstance(event, Delta)] == ["a"]
    for _ in range(2):
        with pytest.raises(UpstreamSaidError) as caught:
            reader.feed(b"")
        assert "secret" not in str(caught.value)
    with pytest.raises(UpstreamSaidError):
        reader.finish()


# --- oddities of the wire -------------------------------------------------------------------------------------


def test_bug_08_comments_and_bug_10_empty_data_then_are_skipped() -> None:
    """Lines without a chunk; also a terminator that Gemini does not send and proxies do."""
    data = b": ka\n\n:\n\ndata:\n\ndata: \n\n" + stream(chunk({"text": "a"}, reason="STOP")) + b"data: [DONE]\n\n"
    assert folded(streamed(data)).parts == (Text("a"),)


def test_unknown_fields_and_parts_then_are_skipped() -> None:
    """New kinds of parts, other candidates, nulls where objects are expected."""
    parts: list[object] = [
        {"text": "a", "madeUp": {"deep": [1]}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {},
        {"functionCall": {}},
        {"text": None, "thought": None, "functionCall": None, "thoughtSignature": None},
        {"text": "b"},
    ]
    reply = {
        **chunk(*parts, reason="STOP"),
        "usageMetadata": None,
        "promptFeedback": None,
        "error": None,
        "new": [{}],
    }
    candidates = reply["candidates"]
    assert isinstance(candidates, list)
    candidates.insert(0, {"index": 1, "content": {"parts": [{"text": "other"}]}, "finishReason": "SAFETY"})
    assert whole(reply).parts == (Text("ab"),)


@pytest.mark.parametrize("count", [-5, 0, None, 10**30])
def test_usage_when_it_is_absurd_then_stays_within_bounds(count: int | None) -> None:
    """Never negative, never beyond 64 bits."""
    counts = dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), count)
    usage = whole(chunk({"text": "a"}, reason="STOP", usageMetadata=counts)).usage
    assert 0 <= usage.input_tokens <= MAX_TOKENS
    assert 0 <= usage.output_tokens <= 2 * MAX_TOKENS


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b'data: {"candidates":[{"content":{"parts":[{"text":7}]}}]}\n\n',
        b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + b"[" * 100_000 + b"\n\n",
        b"data: \xff\xfe\n\n",
        stream(chunk(*(call() for _ in range(1025)))),
    ],
)
def test_hostile_stream_then_is_malformed_and_nothing_else(data: bytes) -> None:
    """Depth, number and form of everything are bounded."""
    reader = parser()
    with pytest.raises(MalformedReply):
        reader.feed(data)
        reader.finish()


def test_arguments_that_are_not_text_then_are_replaced() -> None:
    """Bytes that are no UTF-8 inside arguments do not crash the reader."""
    data = stream(chunk(call(args={"a": "X"}), reason="STOP")).replace(b'"X"', b'"\xff"')
    reader = parser()
    with_call = [*reader.feed(data), *reader.finish()]
    assert any(isinstance(event, Delta) and "\ufffd" in event.text for event in with_call)


# --- ids ------------------------------------------------------------------------------------------------------


def ids_of(parts: Sequence[Part]) -> list[str]:
    """List the ids of calls."""
    return [part.id for part in parts if isinstance(part, ToolCall)]


def test_calls_without_ids_then_get_stable_ones() -> None:
    """The same reply gives the same ids, another reply or request others; none stands twice."""
    reply = chunk(call(), call(), call(), reason="STOP")
    first = ids_of(whole(reply).parts)
    assert first == ids_of(folded(streamed(stream(reply))).parts)
    assert len(set(first)) == 3
    other_reply = ids_of(whole({**reply, "responseId": "r2"}).parts)
    other_request = ids_of(folded(parser(body=b"{}").parse_whole(encode(reply))).parts)
    assert not set(first) & (set(other_reply) | set(other_request))


def test_calls_with_ids_of_the_upstream_then_keep_them_where_they_can() -> None:
    """Twice the same becomes two; bad characters are replaced."""
    found = ids_of(whole(chunk(call(id="a"), call(id="a"), call(id="x:y/z"), call(id=""), reason="STOP")).parts)
    assert found[0] == "a"
    assert len(set(found)) == 4
    assert all(part.replace("_", "").replace("-", "").isalnum() for part in found)


def test_signature_on_a_text_then_stands_behind_it() -> None:
    """Texts carry none in the neutral form: an empty thought does."""
    reply = whole(chunk({"text": "a", "thoughtSignature": "czE="}, {"text": "b"}, reason="STOP"))
    assert reply.parts == (Text("a"), Thinking("", "czE=", "gemini", summary=True), Text("b"))


def test_signature_on_a_thought_then_is_the_thoughts_own() -> None:
    """As generation 2.5 may send it."""
    parts = ({"text": "hm", "thought": True, "thoughtSignature": "czE="}, {"text": "ok"})
    reply = whole(chunk(*parts, reason="STOP"))
    assert reply.parts == (Thinking("hm", "czE=", "gemini", summary=True), Text("ok"))


def test_long_stream_then_holds_no_more_than_a_short_one() -> None:
    """Nothing of what was given out is kept."""
    reader = parser()
    block = stream(*(chunk({"text": "word "}) for _ in range(100)))
    count = sum(len(reader.feed(block)) for _ in range(100))
    assert count == 10_000 + 2
    held = [value for value in vars(reader).values() if isinstance(value, list | dict | set | bytes)]
    assert sum(len(value) for value in held) < 100
