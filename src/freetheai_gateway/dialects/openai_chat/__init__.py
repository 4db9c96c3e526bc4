"""OpenAI Chat Completions (`POST /v1/chat/completions`)."""

from freetheai_gateway.dialects.event_relay import EventRelay
from freetheai_gateway.dialects.openai_chat.chunks import ChunkRenderer
from freetheai_gateway.dialects.openai_chat.errors import render_error, render_stream_error
from freetheai_gateway.dialects.openai_chat.parse import parse
from freetheai_gateway.dialects.openai_chat.render import render
from freetheai_gateway.dialects.openai_chat.reply import parse_reply
from freetheai_gateway.dialects.openai_chat.reply_parser import ChatReplyParser
from freetheai_gateway.dialects.openai_chat.request import parse_request, render_request
from freetheai_gateway.dialects.openai_chat.stream import ChatEventReader
from freetheai_gateway.dialects.openai_chat.whole import render_whole
from freetheai_gateway.dialects.openai_limits import OPENAI_LIMIT_HEADERS
from freetheai_gateway.dialects.protocol import (
    ClientView,
    DialectName,
    RawRequest,
    RawStream,
    RenderedRequest,
    ReplyParser,
    ReplyRenderer,
)
from freetheai_gateway.sse import comment

__all__ = ["OpenAIChat"]


class OpenAIChat:
    """Implements `dialects.protocol.Dialect` (the raw lane) and `Translator`."""

    name = DialectName.OPENAI_CHAT
    forwarded_headers: tuple[bytes, ...] = ()
    keepalive = comment("keep-alive")
    limit_headers = OPENAI_LIMIT_HEADERS

    parse_request = staticmethod(parse_request)
    render_request = staticmethod(render_request)
    parse_reply = staticmethod(parse_reply)
    render_error = staticmethod(render_error)
    render_stream_error = staticmethod(render_stream_error)

    parse = staticmethod(parse)
    render = staticmethod(render)
    render_whole = staticmethod(render_whole)

    @staticmethod
    def open_stream(request: RawRequest, alias: str) -> RawStream:
        """Begin to follow a streamed reply."""
        return EventRelay(ChatEventReader(show_usage=request.usage_asked), alias)

    @staticmethod
    def reply_parser(rendered: RenderedRequest) -> ReplyParser:
        """Begin to read the reply to a rendered request."""
        return ChatReplyParser(rendered)

    @staticmethod
    def reply_renderer(view: ClientView) -> ReplyRenderer:
        """Begin to write a streamed reply for a client."""
        return ChunkRenderer(view)
