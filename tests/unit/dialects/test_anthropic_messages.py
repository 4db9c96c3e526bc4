"""Messages in the raw lane."""

import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.protocol import MalformedReply, RawStream, UpstreamSaidError
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import decode_any

MESSAGES = AnthropicMessages()
ALIAS = "rev/claude-sonnet-4.5"


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


START = _event(
    "message_start",
    '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x",'
    '"content":[],"usage":{"input_tokens":25,"cache_read_input_tokens":75,"output_tokens":1}}}',
)
PING = _event("ping", '{"type":"ping"}')
OPEN = _event(
    "content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
)
DELTA = _event(
    "content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é"}}'
)
CLOSE = _event("content_block_stop", '{"type":"content_block_stop","index":0}')
END = _event("message_delta", '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}')
STOP = _event("message_stop", '{"type":"message_stop"}')
STREAM = START + PING + OPEN + DELTA + CLOSE + END + STOP


def _follow(parts: list[bytes]) -> tuple[bytes, RawStream]:
    request = MESSAGES.parse_request(b'{"model":"a","messages":[1],"stream":true}')
    stream = MESSAGES.open_stream(request, ALIAS)
    out = b""
    for part in parts:
        out += stream.feed(part)
        stream.check()
    return out, stream


def test_stream_when_cut_at_every_byte_then_only_the_model_changes() -> None:
    """message_stop is held; usage is cumulative and counts what the cache gave."""
    expected = STREAM.removesuffix(STOP).replace(b'"claude-x"', b'"rev/claude-sonnet-4.5"')
    for cut in range(1, len(STREAM)):
        out, stream = _follow([STREAM[:cut], STREAM[cut:]])
        assert (out, stream.finish()) == (expected, STOP), cut
        assert stream.usage == Usage(input_tokens=100, output_tokens=9, cached_tokens=75)
        assert stream.delivered


def test_stream_when_it_ends_before_message_stop_then_malformed() -> None:
    """A stop reason alone is no end in this dialect."""
    _, stream = _follow([START, OPEN, DELTA, CLOSE, END])
    with pytest.raises(MalformedReply):
        stream.finish()


@pytest.mark.parametrize("parts", [[], [START, OPEN, DELTA]])
def test_stream_when_an_error_event_comes_then_the_upstream_said_so(parts: list[bytes]) -> None:
    """As the first event of a 200 too."""
    error = _event("error", '{"type":"error","error":{"type":"overloaded_error","message":"x"}}')
    with pytest.raises(UpstreamSaidError):
        _follow([*parts, error])


def test_reply_puts_the_alias_in_and_reads_usage() -> None:
    """Total input is fresh plus cached."""
    body = (
        b'{"id":"m","type":"message","model":"claude-x","content":[{"type":"text","text":"x"}],'
        b'"usage":{"input_tokens":1,"cache_read_input_tokens":2,"cache_creation_input_tokens":4,"output_tokens":8}}'
    )
    reply = MESSAGES.parse_reply(body, ALIAS)
    assert reply.body == body.replace(b"claude-x", ALIAS.encode())
    assert reply.usage == Usage(input_tokens=7, output_tokens=8, cached_tokens=2)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"type":"message"}'])
def test_reply_when_it_is_none_then_malformed(body: bytes) -> None:
    """A 200 that is no Message is a failure of the provider."""
    with pytest.raises(MalformedReply):
        MESSAGES.parse_reply(body, ALIAS)


def test_request_without_max_tokens_gets_one() -> None:
    """Upstreams require it; the specification's clients do not send it."""
    request = MESSAGES.parse_request(b'{"model":"a","messages":[1],"thinking":{"type":"adaptive"}}')
    assert decode_any(MESSAGES.render_request(request, "claude-x", Quirks(), None)) == {
        "model": "claude-x",
        "messages": [1],
        "thinking": {"type": "adaptive"},
        "max_tokens": 4096,
    }


def test_stream_usage_when_the_end_leaves_the_cache_out_then_the_beginnings_count_survives() -> None:
    """Counts are cumulative; those that are not told again stay as they were."""
    end = _event("message_delta", '{"type":"message_delta","delta":{},"usage":{"input_tokens":25,"output_tokens":9}}')
    _, stream = _follow([START, OPEN, DELTA, CLOSE, end, STOP])
    assert stream.usage == Usage(input_tokens=100, output_tokens=9, cached_tokens=75)


def test_request_when_another_vendor_answered_before_then_its_reasoning_stays_here() -> None:
    """Anthropic refuses what it has not signed; messages without such blocks are the bytes they were."""
    clean = b'{"role":"assistant", "content":[{"type":"thinking","thinking":"t","signature":"Eq=="}]}'
    minted = b'{"type":"thinking","thinking":"u","signature":"fta1.gemini.S"}'
    call = b'{"type":"tool_use","id":"a","name":"f","input":{"k" : 1}}'
    mixed = b'{"role":"assistant","content":[' + minted + b"," + call + b"]}"
    only = b'{"role":"assistant","content":[' + minted + b"]}"
    request = MESSAGES.parse_request(b'{"model":"a","messages":[' + b",".join((clean, mixed, only)) + b"]}")
    body = MESSAGES.render_request(request, "claude-x", Quirks(), None)
    assert b'"messages":[' + clean + b"," in body
    assert b"fta1" not in body
    assert decode_any(body) == {
        "model": "claude-x",
        "max_tokens": 4096,
        "messages": [decode_any(clean), {"role": "assistant", "content": [decode_any(call)]}],
    }
