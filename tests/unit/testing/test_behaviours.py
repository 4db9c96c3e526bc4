"""Every behaviour of the repertoire, as the bytes that it puts on the wire."""

import gzip
import zlib

import pytest

from freetheai_gateway import jsonc, sse
from freetheai_gateway.testing.behaviours import BEHAVIOURS, script_for
from freetheai_gateway.testing.completions import Ask
from freetheai_gateway.testing.scripts import Close, Hold, Script, Send, Wait

MESSAGES: list[dict[str, object]] = [{"role": "user", "content": "Say hello."}]


def play(name: str, *, stream: bool = True) -> Script:
    return script_for(name, Ask(model="m", messages=MESSAGES, stream=stream))


def wire(script: Script) -> bytes:
    return b"".join(step.data for step in script if isinstance(step, Send))


def body(script: Script) -> bytes:
    """Read the body of a chunked or length-delimited reply."""
    head, _, rest = wire(script).partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return rest
    content = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        content, rest = content + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return content


def events(name: str) -> list[bytes | None]:
    return [sse.event_data(event) for event in sse.split_events(body(play(name)).removeprefix(b"\xef\xbb\xbf"))]


def test_repertoire_when_played_whole_and_streamed_then_every_behaviour_has_a_script() -> None:
    """No behaviour depends on how it is asked."""
    for name in BEHAVIOURS:
        assert play(name)
        assert play(name, stream=False)


def test_name_when_unknown_then_it_is_a_plain_answer() -> None:
    """Any model name works."""
    assert play("gpt-oss-120b") == play("plain")


@pytest.mark.parametrize("name", ["plain?chunks=x", "plain?nonsense=1", "status?form=poem"])
def test_name_when_an_option_is_wrong_then_it_is_refused(name: str) -> None:
    """A mistyped test does not pass by accident."""
    with pytest.raises(jsonc.InvalidJSON):
        play(name)


@pytest.mark.parametrize(
    "variant",
    ["eol=crlf", "eol=cr", "space=0", "multiline=1", "comments=1", "bom=1", "piece_bytes=1",
     "eol=crlf&multiline=1&comments=1&space=0&bom=1&piece_bytes=3"],
)  # fmt: skip
def test_stream_when_dressed_differently_then_the_events_are_the_same(variant: str) -> None:
    """Line ends, spacing, comments and pieces change bytes and not the meaning."""

    def meaning(name: str) -> list[object]:
        return [data if data == b"[DONE]" else jsonc.decode_any(data or b"") for data in events(name)]

    assert body(play(f"plain?{variant}")) != body(play("plain")) or variant == "piece_bytes=1"
    assert meaning(f"plain?{variant}") == meaning("plain")


def test_stream_when_compressed_then_it_unpacks_to_the_plain_one() -> None:
    """An unasked `content-encoding: gzip` is a valid one."""
    assert b"content-encoding: gzip" in wire(play("plain?gzip=1"))
    assert zlib.decompressobj(wbits=31).decompress(body(play("plain?gzip=1"))) == body(play("plain"))
    whole = play("plain?gzip=1", stream=False)
    assert gzip.decompress(body(whole)) == body(play("plain", stream=False))


@pytest.mark.parametrize(
    ("name", "with_usage"),
    [("plain?usage=asked", 0), ("plain?usage=none", 0), ("plain?usage=always", 1), ("plain?usage=last", 1),
     ("plain?chunks=2&usage=every", 4)],
)  # fmt: skip
def test_usage_when_set_then_it_stands_where_it_was_put(name: str, with_usage: int) -> None:
    """Upstreams differ in where they report usage."""
    assert sum(1 for data in events(name) if data and b'"usage":{' in data) == with_usage


def test_ending_when_rude_then_done_or_finish_reason_are_missing() -> None:
    """A stream may lack `[DONE]`, the finish reason, or both."""
    assert (events("plain?done=0")[-1] or b"").find(b'"finish_reason":"stop"') > 0
    last = events("plain?done=0&finish=null")[-1]
    assert last is not None
    assert last != b"[DONE]"
    assert b'"finish_reason":"' not in last


def test_cut_when_in_mid_event_then_the_last_event_has_no_end() -> None:
    """`after` whole events, the start of another, a close."""
    script = play("cut-mid-event?after=2&reset=1")
    assert script[-1] == Close(reset=True)
    cutter = sse.EventCutter()
    assert len(sse.split_events(cutter.feed(body(script)))) == 2
    assert cutter.held


def test_body_when_cut_then_it_is_shorter_than_announced() -> None:
    """The content length lies."""
    script = play("cut-body", stream=False)
    head, _, rest = wire(script).partition(b"\r\n\r\n")
    (announced,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")]
    assert len(rest) < announced
    assert script[-1] == Close()


def test_silences_when_played_then_they_stand_where_they_were_put() -> None:
    """Before the head, before the first event, between events, for ever."""
    assert play("plain?head_delay_s=0.5")[0] == Wait(0.5)
    assert play("plain?first_delay_s=0.5")[1] == Wait(0.5)
    assert play("plain?gap_s=0.5&after=3")[4] == Wait(0.5)
    assert play("never") == (Hold(),)
    assert [type(step) for step in play("silence-after-head")] == [Send, Hold]


@pytest.mark.parametrize("form", ["object", "string", "detail", "message", "array", "html", "empty", "int_code"])
def test_refusal_when_of_any_form_then_it_has_its_status_and_retry_after(form: str) -> None:
    """Vendors disagree on the shape of an error."""
    reply = wire(play(f"status?code=429&retry_after=7&form={form}"))
    assert reply.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 7\r\n" in reply


def test_model_when_spelled_oddly_then_the_json_still_says_it() -> None:
    """Odd spacing and another name than asked for."""
    reply = body(play("plain?spaced_model=1&model_as=other", stream=False))
    assert b'"model" : "other"' in reply
    assert jsonc.Decoder(dict[str, object])(reply)["model"] == "other"
