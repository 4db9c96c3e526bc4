"""Replies that are odd but seen: what no reader needs must not turn a good reply into a failure, nor be miscounted."""

import pytest

from freetheai_gateway.app.dialects import UPSTREAMS
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import Dialect, DialectName, RawStream, RenderedRequest, UpstreamSaidError
from freetheai_gateway.domain.conversation import Text, ToolCall
from freetheai_gateway.domain.events import Reply, StopReason, fold
from freetheai_gateway.domain.usage import Usage

CHAT, MESSAGES, RESPONSES = OpenAIChat(), AnthropicMessages(), OpenAIResponses()
LONE = rb"Hi \ud83d."
"""An emoji of which a server that cuts between code units sent the first half."""
WHOLE: dict[DialectName, bytes] = {
    CHAT.name: b'{"model":"m","choices":[{"message":{"content":"%b"},"finish_reason":"stop"}]}',
    MESSAGES.name: b'{"type":"message","model":"m","content":[{"type":"text","text":"%b"}],"stop_reason":"end_turn"}',
    RESPONSES.name: b'{"object":"response","status":"completed","model":"m","output":[{"type":"message","content":'
    b'[{"type":"output_text","text":"%b"}]}]}',
    DialectName.GEMINI: b'{"candidates":[{"content":{"parts":[{"text":"%b"}]},"finishReason":"STOP"}]}',
}
STREAMS: dict[DialectName, bytes] = {
    CHAT.name: b'data: {"model":"m","choices":[{"delta":{"content":"%b"},"finish_reason":"stop"}]}\n\n',
    MESSAGES.name: b'event: message_start\ndata: {"type":"message_start","message":{"id":"i","model":"m"}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"%b"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    RESPONSES.name: b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n'
    b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"%b"}\n\n'
    b'data: {"type":"response.completed","response":{"model":"m","status":"completed","output":[{"type":"message",'
    b'"content":[{"type":"output_text","text":"%b"}]}]}}\n\n',
    DialectName.GEMINI: b'data: {"candidates":[{"content":{"parts":[{"text":"%b"}]},"finishReason":"STOP"}]}\n\n',
}
RAW: tuple[Dialect, ...] = (CHAT, MESSAGES, RESPONSES)


def _stream(dialect: Dialect) -> RawStream:
    ask = dialect.parse_request(b'{"model":"a","messages":[1],"input":"Hi.","max_tokens":9,"stream":true}')
    return dialect.open_stream(ask, "glm/glm-5.1")


def _usage(usage: bytes, *, around: bytes = b'"usage":%b') -> Usage | None:
    """Count the usage of a whole chat reply in the raw lane."""
    body = b'{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"stop"}],' + around % usage + b"}"
    return CHAT.parse_reply(body, "a").usage


def _translated(name: DialectName, body: bytes) -> Reply:
    reply = fold(UPSTREAMS[name].reply_parser(RenderedRequest(b"")).parse_whole(body))
    assert reply is not None
    return reply


def _text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


@pytest.mark.parametrize("dialect", RAW, ids=lambda dialect: dialect.name)
def test_half_an_emoji_when_it_stands_in_a_raw_reply_then_the_reply_passes(dialect: Dialect) -> None:
    """Whole and streamed: the bytes are the client's to read, as they would be without a gateway."""
    body = WHOLE[dialect.name] % LONE
    assert LONE in dialect.parse_reply(body, "m").body
    stream = _stream(dialect)
    data = STREAMS[dialect.name].replace(b"%b", LONE)
    assert LONE in stream.feed(data)
    stream.finish()


@pytest.mark.parametrize("name", UPSTREAMS)
def test_half_an_emoji_when_a_reply_is_translated_then_a_mark_takes_its_place(name: DialectName) -> None:
    assert _text(_translated(name, WHOLE[name] % LONE)) == "Hi �."
    parser = UPSTREAMS[name].reply_parser(RenderedRequest(b""))
    reply = fold([*parser.feed(STREAMS[name].replace(b"%b", LONE)), *parser.finish()])
    assert reply is not None
    assert _text(reply) == "Hi �."


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (b'{"prompt_tokens":12.0,"completion_tokens":3.0}', Usage(12, 3)),
        (b'{"prompt_tokens":12,"completion_tokens":3,"prompt_tokens_details":[]}', Usage(12, 3)),
        (b'{"prompt_tokens":12,"completion_tokens":3,"prompt_cache_hit_tokens":8}', Usage(12, 3, 8)),
        (b'{"prompt_tokens":12,"completion_tokens":3,"cached_tokens":8}', Usage(12, 3, 8)),
        (b'{"prompt_tokens":12,"completion_tokens":3,"cache_read_input_tokens":8}', Usage(12, 3, 8)),
        (b'""', None),
        (b"[]", None),
    ],
    ids=["floats", "details as a list", "DeepSeek's cache", "Moonshot's cache", "LiteLLM's cache", "text", "list"],
)
def test_usage_when_it_is_told_in_a_servers_own_way_then_it_is_counted(usage: bytes, counted: Usage | None) -> None:
    """The raw lane counts what the translation counts, and fails over none of it."""
    assert _usage(usage) == counted
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":%b}' % usage
    assert _translated(CHAT.name, body).usage == (counted or Usage())


@pytest.mark.parametrize(
    "around", [b'"x_groq":{"id":"r","usage":%b}', b'"choices":[{"message":{"content":"a"},"usage":%b}]']
)
def test_usage_when_it_stands_at_another_place_then_it_is_found(around: bytes) -> None:
    """Groq puts it into an object of its own, Moonshot into the choice."""
    told = b'{"prompt_tokens":12,"completion_tokens":3}'
    assert _usage(told, around=around) == Usage(12, 3)
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],' + around % told + b"}"
    assert _translated(CHAT.name, body).usage == Usage(12, 3)


def test_usage_when_reasoning_is_told_beside_the_completion_then_both_are_output() -> None:
    """xAI: the total shows that `completion_tokens` is the answer alone."""
    told = (
        b'{"prompt_tokens":32,"completion_tokens":9,"total_tokens":%d,"completion_tokens_details":'
        b'{"reasoning_tokens":94}}'
    )
    assert _usage(told % 135) == Usage(32, 103, 0, 94)
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":%b}' % (told % 135)
    assert _translated(CHAT.name, body).usage == Usage(32, 103, 0, 94)
    assert _usage(told % 41) == Usage(32, 9, 0, 9)


@pytest.mark.parametrize(
    "event",
    [
        b'{"model":1,"choices":[{"delta":{"content":"a"},"finish_reason":null}]}',
        b'{"model":"m","choices":[{"delta":[],"finish_reason":0}],"usage":""}',
        b'{"model":"m","choices":[{"delta":null,"finish_reason":{"type":"stop"}}]}',
    ],
)
def test_chunk_when_a_field_is_of_another_type_then_it_passes(event: bytes) -> None:
    """The raw lane judges no server's taste: a client that can read it gets it."""
    stream = _stream(CHAT)
    data = b"data: %b\n\n" % event
    assert event.removeprefix(b'{"model":"m"') in stream.feed(data)
    stream.check()


@pytest.mark.parametrize(
    "usage",
    [
        b'{"input_tokens":12.0,"output_tokens":3}',
        b'{"input_tokens":12,"output_tokens":3,"output_tokens_details":[]}',
        b'{"input_tokens":12,"output_tokens":3,"output_tokens_details":{"thinking_tokens":null}}',
    ],
)
def test_messages_usage_when_a_count_is_odd_then_the_reply_passes(usage: bytes) -> None:
    body = (
        b'{"type":"message","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":%b}'
        % usage
    )
    assert MESSAGES.parse_reply(body, "a").usage == Usage(12, 3)
    assert _translated(MESSAGES.name, body).usage == Usage(12, 3)


def test_messages_usage_when_the_last_event_tells_no_input_then_the_first_ones_counts() -> None:
    """Compatible servers fill the fields that they do not know at the end with 0."""
    start = b'{"type":"message_start","message":{"model":"m","usage":{"input_tokens":25,"cache_read_input_tokens":75}}}'
    end = (
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,'
        b'"cache_read_input_tokens":0,"output_tokens":7}}'
    )
    stop = b'{"type":"message_stop"}'
    data = b"".join(b"event: e\ndata: %b\n\n" % event for event in (start, end, stop))
    stream = _stream(MESSAGES)
    stream.feed(data)
    assert stream.usage == Usage(100, 7, 75)
    reply = fold(UPSTREAMS[MESSAGES.name].reply_parser(RenderedRequest(b"")).feed(data))
    assert reply is not None
    assert reply.usage == Usage(100, 7, 75)


@pytest.mark.parametrize(
    "usage",
    [
        b'{"input_tokens":12.0,"output_tokens":3}',
        b'{"input_tokens":12,"output_tokens":3,"input_tokens_details":[],"output_tokens_details":null}',
    ],
)
def test_responses_usage_when_a_count_is_odd_then_the_reply_passes(usage: bytes) -> None:
    body = b'{"object":"response","status":"completed","model":"m","output":[],"usage":%b}' % usage
    assert RESPONSES.parse_reply(body, "a").usage == Usage(12, 3)
    assert _translated(RESPONSES.name, body).usage == Usage(12, 3)


@pytest.mark.parametrize(
    "word", ["content_filter: RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "guardrail_intervened"]
)
def test_finish_reason_when_a_filter_struck_then_it_is_a_refusal_in_any_servers_words(word: str) -> None:
    body = b'{"choices":[{"message":{"content":""},"finish_reason":"%b"}]}' % word.encode()
    assert _translated(CHAT.name, body).finished.reason is StopReason.REFUSAL


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "function_call_filter: UNEXPECTED_TOOL_CALL"])
def test_finish_reason_when_the_call_was_no_call_then_the_reply_has_failed(word: str) -> None:
    """It is no polite end: another try may help."""
    with pytest.raises(UpstreamSaidError):
        _translated(CHAT.name, b'{"choices":[{"message":{"content":""},"finish_reason":"%b"}]}' % word.encode())


def test_arguments_when_they_are_null_as_text_then_the_call_has_none() -> None:
    """As vLLM's parsers write a call without arguments; within an object null stays what it is."""
    calls = b'"tool_calls":[{"id":"a","function":{"name":"f","arguments":"null"}}]'
    body = b'{"choices":[{"message":{%b},"finish_reason":"tool_calls"}]}' % calls
    assert _translated(CHAT.name, body).parts == (ToolCall("a", "f", ""),)
    chunk = (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":%b}}]}}]}'
    )
    stream = b"".join(chunk % piece + b"\n\n" for piece in (b'"{\\"x\\":"', b'"null"', b'"}"')) + b"data: [DONE]\n\n"
    reply = fold(UPSTREAMS[CHAT.name].reply_parser(RenderedRequest(b"")).feed(stream))
    assert reply is not None
    assert reply.parts == (ToolCall("a", "f", '{"x":null}'),)


def test_tool_calls_when_they_are_one_object_then_it_is_the_call() -> None:
    """TGI streams no list."""
    chunk = (
        b'data: {"choices":[{"delta":{"tool_calls":{"index":0,"id":"","function":{"name":"%b","arguments":%b}}}}]}\n\n'
    )
    stream = chunk % (b"f", b'"{"') + chunk % (b"", b'"}"') + b"data: [DONE]\n\n"
    reply = fold(UPSTREAMS[CHAT.name].reply_parser(RenderedRequest(b"")).feed(stream))
    assert reply is not None
    (call,) = reply.parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("f", "{}")


def test_base_resp_when_it_tells_a_failure_then_the_reply_has_failed() -> None:
    """MiniMax: no balance, on status 200; 0 is success."""
    body = b'{"choices":%b,"base_resp":{"status_code":%d,"status_msg":"insufficient balance"}}'
    with pytest.raises(UpstreamSaidError):
        CHAT.parse_reply(body % (b"[]", 1008), "a")
    with pytest.raises(UpstreamSaidError):
        _translated(CHAT.name, body % (b"null", 1008))
    good = body % (b'[{"message":{"content":"a"},"finish_reason":"stop"}]', 0)
    assert CHAT.parse_reply(good, "a").delivered
    assert _text(_translated(CHAT.name, good)) == "a"


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize("name", UPSTREAMS)
def test_byte_order_mark_when_a_stream_begins_with_it_then_its_first_words_are_not_lost(
    name: DialectName, cut: int
) -> None:
    """The event stream format has a reader ignore it."""
    data = b"\xef\xbb\xbf" + STREAMS[name].replace(b"%b", b"Hi.")
    parser = UPSTREAMS[name].reply_parser(RenderedRequest(b""))
    reply = fold([*parser.feed(data[:cut]), *parser.feed(data[cut:]), *parser.finish()])
    assert reply is not None
    assert _text(reply) == "Hi."


def test_choice_when_it_holds_an_error_then_the_reply_has_failed() -> None:
    """OpenRouter documents one beside every choice, whole and streamed."""
    body = b'{"model":"m","choices":[{"%b":{"content":""},"error":{"code":502,"message":"x"}}]}'
    with pytest.raises(UpstreamSaidError):
        CHAT.parse_reply(body % b"message", "a")
    with pytest.raises(UpstreamSaidError):
        _translated(CHAT.name, body % b"message")
    stream = _stream(CHAT)
    stream.feed(b"data: %b\n\n" % (body % b"delta"))
    with pytest.raises(UpstreamSaidError):
        stream.check()


def test_usage_when_the_last_chunk_tells_nothing_but_zeros_then_what_was_told_before_counts() -> None:
    told = b'"usage":{"prompt_tokens":%d,"completion_tokens":%d}'
    first = b'data: {"model":"m","choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],%b}\n\n' % (told % (5, 3))
    data = first + b'data: {"model":"m","choices":[],%b}\n\ndata: [DONE]\n\n' % (told % (0, 0))
    stream = _stream(CHAT)
    assert b'"choices":[]' not in stream.feed(data)
    assert stream.usage == Usage(5, 3)
    reply = fold(UPSTREAMS[CHAT.name].reply_parser(RenderedRequest(b"")).feed(data))
    assert reply is not None
    assert reply.usage == Usage(5, 3)


@pytest.mark.parametrize("done", [b"", b'data: {"type":"response.output_item.done","output_index":0,"item":%b}\n\n'])
def test_responses_text_when_no_item_was_announced_then_it_is_not_lost(done: bytes) -> None:
    """Some servers send deltas alone, and an empty output at the end."""
    item = b'{"type":"message","content":[{"type":"output_text","text":"Hi."}]}'
    data = (
        b'data: {"type":"response.created","response":{"id":"r","created_at":"today"}}\n\n'
        b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hi."}\n\n'
        + (done % item if done else b"")
        + b'data: {"type":"response.completed","response":{"status":"completed","output":[]}}\n\n'
    )
    reply = fold(UPSTREAMS[RESPONSES.name].reply_parser(RenderedRequest(b"")).feed(data))
    assert reply is not None
    assert _text(reply) == "Hi."
