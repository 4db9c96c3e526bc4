"""Responses in the raw lane: what changes, and that nothing else does."""

from pathlib import Path

import pytest

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import MalformedReply, RawStream, UpstreamSaidError
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import decode_any, encode

RESPONSES = OpenAIResponses()
ALIAS = "oai/gpt-5"
GOLDEN = Path("tests/golden/openai_responses")
EVERYTHING = (GOLDEN / "reasoning_text_and_tools.sse").read_bytes()
UPSTREAM_MODEL = b'"model":"gpt-5-mini-2025-08-07"'


def _stream() -> RawStream:
    return RESPONSES.open_stream(RESPONSES.parse_request(b'{"model":"a","input":"x","stream":true}'), ALIAS)


def test_request_keeps_the_bytes_of_all_other_fields() -> None:
    """Number spelling, spacing, fields of tomorrow."""
    body = b'{"model":"a","input": [ {"role":"user","content":"\\u00e9"} ],"temperature":1.50,"x_new":{"a" : 1}}'
    sent = RESPONSES.render_request(RESPONSES.parse_request(body), "up", Quirks(), None)
    for kept in (b'[ {"role":"user","content":"\\u00e9"} ]', b'"temperature":1.50', b'"x_new":{"a" : 1}'):
        assert kept in sent
    assert b'"model":"up"' in sent
    assert b'"store":false' in sent


def test_request_quirks_and_default_cap_are_applied() -> None:
    """How a model differs is data of the catalogue."""
    request = RESPONSES.parse_request(b'{"model":"a","input":"x","top_p":1}')
    quirks = Quirks(max_tokens_field="n_predict", drop=("top_p",))
    assert decode_any(RESPONSES.render_request(request, "up", quirks, 9)) == {
        "model": "up",
        "input": "x",
        "store": False,
        "n_predict": 9,
    }
    capped = RESPONSES.parse_request(b'{"model":"a","input":"x","max_output_tokens":5}')
    assert decode_any(RESPONSES.render_request(capped, "up", Quirks(), 9)) == {
        "model": "up",
        "input": "x",
        "store": False,
        "max_output_tokens": 5,
    }


def test_request_reasoning_that_no_upstream_could_read_is_left_out() -> None:
    """Other vendors' signatures, and items of which the client has only the id; the vendor's own stays."""
    own = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    in_the_open = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "a"}]}
    foreign = {**own, "encrypted_content": signatures.mint("gemini", "x")}
    id_only = {"type": "reasoning", "id": "rs_2", "summary": []}
    quoting = {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "reasoning"}]}
    body = encode({"model": "a", "input": [own, foreign, id_only, in_the_open, quoting]})
    sent = decode_any(RESPONSES.render_request(RESPONSES.parse_request(body), "up", Quirks(), None))
    assert isinstance(sent, dict)
    assert sent["input"] == [own, in_the_open, quoting]


def test_bug_76_vendors_own_reasoning_passes_byte_by_byte() -> None:
    """Caches and signatures depend on it."""
    value = b'[ {"type" : "reasoning", "id":"rs_1","summary":[ ],"encrypted_content":"gA\\/A"} ]'
    request = RESPONSES.parse_request(b'{"model":"a","input":' + value + b"}")
    assert value in RESPONSES.render_request(request, "up", Quirks(), None)


def test_stream_passes_and_its_end_is_held() -> None:
    """Only the model's name changes; the last event waits for the record."""
    stream = _stream()
    out = stream.feed(EVERYTHING + b"data: [DONE]\n\n")
    assert b"response.completed" not in out
    assert b"event: response.completed" in stream.final
    assert out + stream.final == EVERYTHING.replace(UPSTREAM_MODEL, b'"model":"oai/gpt-5"')
    assert stream.usage == Usage(328, 52, 128, 20)
    assert (stream.delivered, stream.finish()) == (True, stream.final)


def test_stream_cut_at_every_byte_gives_the_same_bytes() -> None:
    """Wherever reads end."""
    expected = EVERYTHING.replace(UPSTREAM_MODEL, b'"model":"oai/gpt-5"')
    for cut in range(0, len(EVERYTHING), 97):
        stream = _stream()
        out = stream.feed(EVERYTHING[:cut]) + stream.feed(EVERYTHING[cut:])
        assert out + stream.final == expected


def test_stream_events_of_other_forms_pass() -> None:
    """Nothing of an unknown event is judged."""
    noise = b'event: x\ndata: {"type":"response.of_tomorrow","response":7,"delta":{}}\n\n'
    stream = _stream()
    assert stream.feed(noise) == noise
    stream.check()


@pytest.mark.parametrize(
    "failure",
    [
        b'data: {"type":"error","code":"x","message":"m"}\n\n',
        b'data: {"type":"response.failed","response":{"status":"failed"}}\n\n',
        b'data: {"type":"response.completed","response":{"status":"cancelled","output":[]}}\n\n',
    ],
)
def test_stream_when_the_upstream_fails_then_what_came_before_is_kept(failure: bytes) -> None:
    """And the failure follows."""
    good = b'data: {"type":"response.output_text.delta","delta":"a"}\n\n'
    stream = _stream()
    assert stream.feed(good + failure) == good
    with pytest.raises(UpstreamSaidError):
        stream.check()


@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", b'data: {"type":"response.completed"}\n\n', b"data: {\n\n"])
def test_stream_without_its_last_event_is_malformed(rest: bytes) -> None:
    """Never a polite end that the upstream did not give."""
    stream = _stream()
    stream.feed(b'data: {"type":"response.output_text.delta","delta":"a"}\n\n' + rest)
    with pytest.raises(MalformedReply):
        stream.finish()


def test_whole_reply_passes_with_the_alias() -> None:
    """Every other byte stays."""
    body = (GOLDEN / "reasoning_text_and_tools.json").read_bytes()
    reply = RESPONSES.parse_reply(body, ALIAS)
    assert reply.body == body.replace(b'"gpt-5-mini-2025-08-07"', b'"oai/gpt-5"')
    assert (reply.usage, reply.delivered) == (Usage(328, 52, 128, 20), True)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"status":"failed","output":[],"error":{"code":"x"}}', UpstreamSaidError),
        (b'{"error":{"message":"x"}}', UpstreamSaidError),
        (b'{"object":"response"}', MalformedReply),
        (b"<html>", MalformedReply),
    ],
)
def test_whole_reply_that_is_none_is_refused(body: bytes, failure: type[Exception]) -> None:
    """Failures with a good status, other shapes."""
    with pytest.raises(failure):
        RESPONSES.parse_reply(body, ALIAS)
