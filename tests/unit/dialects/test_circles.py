"""A parser that keeps what was wrong with a reply keeps nothing that knows the parser."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.dialects.anthropic_messages.reply_parser import MessagesReplyParser
from freetheai_gateway.dialects.gemini.reply_parser import GeminiReplyParser
from freetheai_gateway.dialects.lanes import TranslationLane
from freetheai_gateway.dialects.openai_chat.reply_parser import ChatReplyParser
from freetheai_gateway.dialects.openai_responses.reply_parser import ResponsesReplyParser
from freetheai_gateway.dialects.protocol import (
    ClientView,
    DialectName,
    MalformedReply,
    RenderedRequest,
    ReplyParser,
    Target,
    UpstreamSaidError,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.sse import MAX_EVENT_BYTES
from tests.circles import watched

WRONG = {
    "nonsense": b"data: {\n\n",
    "error": b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"x"}}\n\n',
    "too large": b"data: " + b"x" * (MAX_EVENT_BYTES + 1),
}


PARSERS = [ChatReplyParser, GeminiReplyParser, MessagesReplyParser, ResponsesReplyParser]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("make", PARSERS)
def test_parser_when_a_reply_is_wrong_then_its_failure_is_in_no_circle(
    make: Callable[[RenderedRequest], ReplyParser], wrong: str
) -> None:
    """Raised at once, at the next bytes, or at the end."""
    with watched() as left:
        _feed(make(RenderedRequest(b"{}")), WRONG[wrong])
        assert left() == {}


def _feed(parser: ReplyParser, data: bytes) -> None:
    for part in (data, b""):
        with suppress(MalformedReply, UpstreamSaidError):
            parser.feed(part)
    with suppress(MalformedReply, UpstreamSaidError):
        parser.finish()


CHAT, MESSAGES, RESPONSES = DialectName.OPENAI_CHAT, DialectName.ANTHROPIC_MESSAGES, DialectName.OPENAI_RESPONSES
REQUESTS = {
    CHAT: b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}',
    MESSAGES: b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}',
    RESPONSES: b'{"model":"m","input":[{"type":"message","role":"user","content":"Hi"}],"stream":true}',
}
REPLIES = {
    CHAT: b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    MESSAGES: (
        b'data: {"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"model":"m"}}\n\n'
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
        b'data: {"type":"content_block_stop","index":0}\n\n'
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
        b'data: {"type":"message_stop"}\n\n'
    ),
    RESPONSES: (
        b'data: {"type":"response.created","response":{"id":"resp_1"}}\n\n'
        b'data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","output":['
        b'{"type":"message","id":"msg_1","role":"assistant",'
        b'"content":[{"type":"output_text","text":"a","annotations":[]}]}]}}\n\n'
    ),
    DialectName.GEMINI: b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}\n\n',
}


@pytest.mark.parametrize("upstream", REPLIES)
@pytest.mark.parametrize("client", REQUESTS)
def test_translation_when_it_is_through_then_nothing_of_it_is_in_a_circle(
    client: DialectName, upstream: DialectName
) -> None:
    """A conversation may be megabytes: it goes with its request."""
    with watched() as left:
        assert _translate(client, upstream)
        assert left() == {}


def _translate(client: DialectName, upstream: DialectName) -> bytes:
    view = ClientView("glm/glm-5.1", "1", 0, CLIENTS[client].parse(REQUESTS[client]))
    stream = TranslationLane(CLIENTS[client], UPSTREAMS[upstream], view, Target("m", Quirks())).open_stream()
    return stream.feed(REPLIES[upstream]) + stream.finish()
