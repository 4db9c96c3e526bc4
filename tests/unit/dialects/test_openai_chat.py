"""Chat Completions in the raw lane: what changes, and that nothing else does."""

import pytest

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import MalformedReply, RawRequest, RawStream, UpstreamSaidError
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import decode_any

CHAT = OpenAIChat()
ALIAS = "glm/glm-5.1"


def _request(body: bytes = b'{"model":"m","messages":[{}],"stream":true}') -> RawRequest:
    return CHAT.parse_request(body)


def _render(body: bytes, quirks: Quirks | None = None, default_output_tokens: int | None = None) -> object:
    request = _request(body)
    return decode_any(CHAT.render_request(request, "glm-5.1", quirks or Quirks(), default_output_tokens))


def test_request_keeps_unknown_fields_and_the_bytes_of_values() -> None:
    """Number spelling, spacing inside values and fields of tomorrow reach the upstream."""
    body = b'{"messages": [ {"role":"user","content":"\\u00e9"} ],"temperature":1.50,"x_new":{"a" : 1},"model":"a"}'
    sent = CHAT.render_request(_request(body), "glm-5.1", Quirks(), None)
    for kept in (b'[ {"role":"user","content":"\\u00e9"} ]', b'"temperature":1.50', b'"x_new":{"a" : 1}'):
        assert kept in sent
    assert b'"model":"glm-5.1"' in sent
    assert b"stream_options" not in sent


def test_request_when_streamed_then_usage_is_asked_for_and_other_options_stay() -> None:
    """The gateway always wants usage; the client's further options are not lost."""
    plain = _render(b'{"model":"a","messages":[1],"stream":true}')
    assert plain == {"model": "glm-5.1", "messages": [1], "stream": True, "stream_options": {"include_usage": True}}
    rich = _render(b'{"model":"a","messages":[1],"stream":true,"stream_options":{"include_obfuscation":false}}')
    assert isinstance(rich, dict)
    assert rich["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("", False),
        (',"stream_options":null', False),
        (',"stream_options":{}', False),
        (',"stream_options":{"include_usage":false}', False),
        (',"stream_options":{"include_usage":true}', True),
    ],
)
def test_request_knows_whether_the_client_asked_for_usage(options: str, asked: bool) -> None:
    """It decides whether the usage chunk is shown."""
    assert _request(b'{"model":"a","messages":[1],"stream":true' + options.encode() + b"}").usage_asked is asked


def test_request_quirks_rename_the_output_cap_and_drop_fields() -> None:
    """How a model differs is data of the catalogue."""
    quirks = Quirks(max_tokens_field="max_tokens", drop=("seed", "absent"))
    sent = _render(b'{"model":"a","messages":[1],"max_completion_tokens":7,"seed":1}', quirks)
    assert sent == {"model": "glm-5.1", "messages": [1], "max_tokens": 7}
    both = _render(b'{"model":"a","messages":[1],"max_tokens":5,"max_completion_tokens":7}', quirks)
    assert both == {"model": "glm-5.1", "messages": [1], "max_tokens": 5}


def test_request_default_output_cap_fills_in_only_where_none_was_named() -> None:
    """The catalogue's default never overrides a client."""
    assert _render(b'{"model":"a","messages":[1]}', None, 256) == {
        "model": "glm-5.1",
        "messages": [1],
        "max_tokens": 256,
    }
    named = _render(b'{"model":"a","messages":[1],"max_completion_tokens":9}', None, 256)
    assert isinstance(named, dict)
    assert "max_tokens" not in named
    null = _render(b'{"model":"a","messages":[1],"max_completion_tokens":null}', None, 256)
    assert isinstance(null, dict)
    assert null["max_tokens"] == 256


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "empty"),
        (b"[]", None, "not a JSON object"),
        (b"{", None, "not a JSON object"),
        (b'{"messages":[1]}', "model", "Missing required field: model."),
        (b'{"model":null,"messages":[1]}', "model", "Missing required field: model."),
        (b'{"model":7,"messages":[1]}', "model", "model must be a string, got a number."),
        (b'{"model":"","messages":[1]}', "model", "model is empty."),
        (b'{"model":"a"}', "messages", "Missing required field: messages."),
        (b'{"model":"a","messages":"hi"}', "messages", "messages must be an array, got a string."),
        (b'{"model":"a","messages":[ ]}', "messages", "messages is empty"),
        (b'{"model":"a","messages":[1],"stream":"yes"}', "stream", "stream must be a boolean, got a string."),
    ],
)
def test_request_when_it_is_none_then_the_error_names_the_field(body: bytes, param: str | None, words: str) -> None:
    """Every 400 says what to change, and quotes nothing of the body."""
    with pytest.raises(InvalidRequest) as caught:
        _request(body)
    assert caught.value.param == param
    assert words in caught.value.message


def test_reply_puts_the_alias_in_and_changes_no_other_byte() -> None:
    """Odd spacing and unknown fields stay."""
    body = (
        b'{"id":"c1", "model" : "glm-5.1","choices":[{"index":0,"message":{"role":"assistant",'
        b'"content":"say \\"model\\":\\"glm-5.1\\""},"finish_reason":"stop"}],"x":1.0,'
        b'"usage":{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},'
        b'"completion_tokens_details":{"reasoning_tokens":2}}}'
    )
    reply = CHAT.parse_reply(body, ALIAS)
    assert reply.body == body.replace(b'"model" : "glm-5.1"', b'"model" : "glm/glm-5.1"')
    assert reply.usage == Usage(12, 5, 4, 2)
    assert reply.delivered


def test_reply_when_the_model_stands_in_a_nested_object_too_then_only_the_top_one_changes() -> None:
    """The alias is put in by structure where bytes alone can't decide."""
    body = b'{"choices":[{"message":{"content":"x"},"meta":{"model":"glm-5.1"}}],"model":"glm-5.1"}'
    reply = CHAT.parse_reply(body, ALIAS)
    assert reply.body == b'{"choices":[{"message":{"content":"x"},"meta":{"model":"glm-5.1"}}],"model":"glm/glm-5.1"}'


def test_reply_when_the_model_has_other_characters_then_they_are_found_too() -> None:
    """Escapes in the upstream's spelling do not hide it."""
    body = rb'{"model":"gl\u006d-5.1","choices":[{"message":{"content":"x"}}]}'
    assert CHAT.parse_reply(body, ALIAS).body.startswith(b'{"model":"glm/glm-5.1"')


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"object":"x"}', b'{"choices":7}', b"null"])
def test_reply_when_it_is_none_then_malformed(body: bytes) -> None:
    """A 200 that holds no reply is a failure of the provider."""
    with pytest.raises(MalformedReply):
        CHAT.parse_reply(body, ALIAS)


@pytest.mark.parametrize("error", [b'"text"', b'{"message":"x"}', b'[{"a":1}]', b"1"])
def test_reply_when_it_holds_an_error_then_the_upstream_said_so(error: bytes) -> None:
    """Errors inside a 200 count as errors."""
    with pytest.raises(UpstreamSaidError):
        CHAT.parse_reply(b'{"error":' + error + b"}", ALIAS)


def test_reply_with_a_null_error_is_a_reply() -> None:
    """Some upstreams always send the key."""
    assert CHAT.parse_reply(b'{"error":null,"choices":[]}', ALIAS).delivered is False


def _chunk(delta: str, *, finish: str = "null", extra: str = "") -> bytes:
    choice = f'{{"index":0,"delta":{delta},"finish_reason":{finish}}}'
    return f'data: {{"id":"c","model":"glm-5.1","choices":[{choice}]{extra}}}\n\n'.encode()


ROLE = _chunk('{"role":"assistant","content":""}')
FIRST = _chunk('{"content":"Hé"}')
SECOND = _chunk('{"content":"llo \\"model\\":\\"glm-5.1\\""}', extra=',"usage":null')
FINISH = _chunk("{}", finish='"stop"')
USAGE = b'data: {"id":"c","model":"glm-5.1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = ROLE + FIRST + SECOND + FINISH + USAGE + DONE


def _follow(parts: list[bytes], request: RawRequest | None = None) -> tuple[bytes, RawStream]:
    stream = CHAT.open_stream(request or _request(), ALIAS)
    return _feed(stream, parts), stream


def _feed(stream: RawStream, parts: list[bytes]) -> bytes:
    out = b""
    for part in parts:
        out += stream.feed(part)
        stream.check()
    return out


def _aliased(stream: bytes) -> bytes:
    return stream.replace(b'"model":"glm-5.1"', b'"model":"glm/glm-5.1"')


def test_stream_changes_the_model_and_drops_the_usage_that_was_not_asked_for() -> None:
    """Every other byte of every event is the upstream's; the terminator is held."""
    out, stream = _follow([STREAM])
    assert out == _aliased(ROLE + FIRST + SECOND + FINISH)
    assert stream.final == DONE
    assert stream.finish() == DONE
    assert stream.usage == Usage(3, 2)
    assert stream.delivered


def test_stream_when_usage_was_asked_for_then_it_is_shown() -> None:
    """The client's own wish is honoured."""
    request = _request(b'{"model":"a","messages":[1],"stream":true,"stream_options":{"include_usage":true}}')
    out, _ = _follow([STREAM], request)
    assert out == _aliased(ROLE + FIRST + SECOND + FINISH + USAGE)


def test_stream_when_cut_at_every_byte_then_the_same_goes_out() -> None:
    """Reads may end anywhere, also inside a character or the model's name."""
    expected = _aliased(ROLE + FIRST + SECOND + FINISH)
    for cut in range(1, len(STREAM)):
        out, stream = _follow([STREAM[:cut], STREAM[cut:]])
        assert (out, stream.finish()) == (expected, DONE), cut
        assert stream.usage == Usage(3, 2)
    out, stream = _follow([STREAM[at : at + 1] for at in range(len(STREAM))])
    assert (out, stream.finish(), stream.event_count) == (expected, DONE, 2)


def test_stream_counts_content_events_however_they_are_bundled() -> None:
    """The count is the measure of an estimate where usage is missing."""
    whole, parted = _follow([ROLE + FIRST + SECOND * 5 + FINISH])[1], _follow([ROLE, FIRST, *[SECOND] * 5, FINISH])[1]
    assert whole.event_count == parted.event_count == 6


def test_stream_when_the_model_changes_on_the_way_then_every_event_names_the_alias() -> None:
    """Some routers behind us switch the name in mid-stream."""
    other = FIRST.replace(b"glm-5.1", b"glm-5.1-turbo")
    out, _ = _follow([ROLE, FIRST, other, SECOND])
    assert b"turbo" not in out
    assert out.count(b'"model":"glm/glm-5.1"') == 4


def test_stream_when_it_ends_after_a_finish_reason_then_the_terminator_is_added() -> None:
    """An upstream without [DONE] finished politely."""
    _, stream = _follow([ROLE, FIRST, FINISH])
    assert stream.finish() == DONE


@pytest.mark.parametrize(
    "parts", [[], [ROLE], [ROLE, FIRST], [ROLE, FIRST[:30]], [_chunk('{"content":"a"}', finish='""')]]
)
def test_stream_when_it_ends_too_early_then_malformed(parts: list[bytes]) -> None:
    """Without a finish reason or a terminator an end is a failure."""
    _, stream = _follow(parts)
    with pytest.raises(MalformedReply):
        stream.finish()


@pytest.mark.parametrize("at", [0, 1, 2])
def test_stream_when_an_event_is_an_error_then_the_upstream_said_so(at: int) -> None:
    """First or later, alone or beside content; its text is not passed on."""
    parts = [ROLE, FIRST]
    parts.insert(at, b'data: {"error":{"message":"secret https://upstream.example"}}\n\n')
    with pytest.raises(UpstreamSaidError) as caught:
        _follow(parts)
    assert "secret" not in str(caught.value)


def test_stream_when_an_error_follows_content_in_one_read_then_the_content_goes_out_first() -> None:
    """What was good is not lost with what was not."""
    stream = CHAT.open_stream(_request(), ALIAS)
    assert stream.feed(ROLE + FIRST + b'data: {"error":"x"}\n\n' + SECOND) == _aliased(ROLE + FIRST)
    with pytest.raises(UpstreamSaidError):
        stream.check()
    assert stream.feed(FINISH + DONE) == b""


@pytest.mark.parametrize("broken", [b"data: {not json}\n\n", b"data: 7\n\n", b'data: {"choices":{}}\n\n'])
def test_stream_when_a_first_event_is_broken_then_malformed(broken: bytes) -> None:
    """What is no chunk never reaches a client as one."""
    with pytest.raises(MalformedReply):
        _follow([broken])


def test_stream_passes_comments_and_skips_empty_events() -> None:
    """Clients ignore comments, but parse the data of every event, also where it is empty."""
    out, _ = _follow([b": upstream is thinking\n\n", b"data:\n\n", b"data: \n\n", FIRST])
    assert out == b": upstream is thinking\n\n" + _aliased(FIRST)


def test_stream_takes_odd_chunks_of_compatible_upstreams() -> None:
    """No delta, null choices, no model, usage on every chunk."""
    azure = b'data: {"choices":[],"prompt_filter_results":[{"a":1}]}\n\n'
    no_delta = b'data: {"model":"glm-5.1","choices":[{"index":0,"finish_reason":null}]}\n\n'
    always = _chunk('{"content":"x"}', extra=',"usage":{"prompt_tokens":1,"completion_tokens":1}')
    out, stream = _follow([azure, no_delta, always, always, FINISH])
    assert out == _aliased(azure + no_delta + always + always + FINISH)
    assert stream.usage == Usage(1, 1)


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_stream_with_other_line_ends_is_understood(line_end: bytes) -> None:
    """CRLF and CR come out as they came in."""
    text = STREAM.replace(b"\n", line_end)
    out, stream = _follow([text[:50], text[50:], b"\n"])
    assert out == _aliased((ROLE + FIRST + SECOND + FINISH).replace(b"\n", line_end))
    assert stream.usage == Usage(3, 2)
    assert stream.finish().startswith(b"data: [DONE]")


@pytest.mark.parametrize(
    "delta", ['{"tool_calls":[{"index":0}]}', '{"reasoning_content":"a"}', '{"reasoning":"a"}', '{"refusal":"no"}']
)
def test_stream_content_is_more_than_text(delta: str) -> None:
    """Tool calls, reasoning and refusals are answers too."""
    assert _follow([_chunk(delta)])[1].delivered
    assert not _follow([ROLE])[1].delivered
