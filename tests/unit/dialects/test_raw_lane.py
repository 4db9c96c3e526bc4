"""The raw lane's odd corners: model names in unusual spelling, events without end, broken terminators."""

import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import Dialect, MalformedReply, RawStream
from freetheai_gateway.dialects.splice import ModelSplice, with_top_level_model
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.sse import MAX_EVENT_BYTES

CHAT, MESSAGES = OpenAIChat(), AnthropicMessages()
CHUNK = b'data: {"model":"m","choices":[{"delta":{"content":"a"}}]}\n\n'


def _stream(dialect: Dialect = CHAT) -> RawStream:
    request = dialect.parse_request(b'{"model":"a","messages":[1],"stream":true}')
    return dialect.open_stream(request, "glm/glm-5.1")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","x":1}',
        b'{"model" : "m","x":1}',
        b'{"model":"\\u006d","x":1}',
        b'{"mod\\u0065l":"m","x":1}',
        b'{"x":1,"nested":{"model":"m"},"model":"m"}',
        b'{"text":"\\"model\\":\\"m\\"","model":"m"}',
        b'{"other":{"model":"\\ud800"},"model":"m"}',
    ],
)
def test_alias_takes_the_place_of_the_top_level_model_only(body: bytes) -> None:
    """However key and value are spelled, and whatever else looks like them."""
    before = decode_any(body.replace(b"\\ud800", b"x"))
    after = decode_any(with_top_level_model(body, "m", "glm/glm-5.1").replace(b"\\ud800", b"x"))
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after.pop("model") == "glm/glm-5.1"
    before.pop("model")
    assert after == before


def test_alias_when_a_reply_names_no_model_then_it_is_added() -> None:
    """Some upstreams leave it out; clients are always told which model answered."""
    assert with_top_level_model(b'{"x":1}', None, "a") == b'{"x":1,"model":"a"}'


def test_alias_when_the_reply_is_not_utf_8_then_it_is_malformed() -> None:
    """An unknown key in broken UTF-8 passes a reader of known fields; it must not become our failure."""
    with pytest.raises(MalformedReply, match="UTF-8"):
        CHAT.parse_reply(b'{"\xff":1,"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}', "a")


def test_splice_when_nothing_was_learnt_then_nothing_is_replaced() -> None:
    """A model that stands nowhere in the bytes."""
    splice = ModelSplice("a")
    assert not splice.learn(b'{"model":"other"}', "m")
    assert (splice.count(b'"model":"m"'), splice.apply(b'"model":"m"')) == (0, b'"model":"m"')


@pytest.mark.parametrize("delivered", [False, True])
def test_event_when_it_never_ends_then_the_reply_is_malformed(delivered: bool) -> None:
    """Before and after content; what was whole before it is not lost."""
    stream = _stream()
    if delivered:
        assert stream.feed(CHUNK)
    for _ in range(MAX_EVENT_BYTES // 1_000_000 + 2):
        assert stream.feed(b"x" * 1_000_000) == b""
    with pytest.raises(MalformedReply, match="an event is too large"):
        stream.check()
    assert stream.feed(CHUNK) == b""


def test_messages_stream_when_it_ends_without_its_last_event_then_it_is_malformed() -> None:
    """Only `message_stop` ends one politely."""
    stream = _stream(MESSAGES)
    stream.feed(b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n')
    with pytest.raises(MalformedReply):
        stream.finish()


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES], ids=["chat", "messages"])
@pytest.mark.parametrize(
    ("model", "code"),
    [
        (b'""', "missing_required_parameter"),
        (b"null", "missing_required_parameter"),
        (b"1", "invalid_type"),
        (b'"' + b"x" * 257 + b'"', "invalid_request_error"),
    ],
)
def test_request_when_its_model_is_no_name_then_the_field_is_named(model: bytes, code: str, dialect: Dialect) -> None:
    """Empty, missing, of another type, or longer than any name."""
    with pytest.raises(InvalidRequest) as caught:
        dialect.parse_request(b'{"model":' + model + b',"messages":[1]}')
    assert (caught.value.param, caught.value.code) == ("model", code)
