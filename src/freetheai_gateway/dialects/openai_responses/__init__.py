"""OpenAI Responses (`POST /v1/responses`), stateless: nothing that a request says is there at the next one."""

from freetheai_gateway.dialects.event_relay import EventRelay
from freetheai_gateway.dialects.openai_limits import OPENAI_LIMIT_HEADERS
from freetheai_gateway.dialects.openai_responses.errors import render_error, render_stream_error
from freetheai_gateway.dialects.openai_responses.read_request import parse
from freetheai_gateway.dialects.openai_responses.reply import parse_reply
from freetheai_gateway.dialects.openai_responses.reply_parser import ResponsesReplyParser
from freetheai_gateway.dialects.openai_responses.reply_renderer import ResponsesReplyRenderer, render_whole
from freetheai_gateway.dialects.openai_responses.request import parse_request, render_request
from freetheai_gateway.dialects.openai_responses.stream import ResponsesEventReader
from freetheai_gateway.dialects.openai_responses.write_request import render
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

__all__ = ["OpenAIResponses"]


class OpenAIResponses:
    """Implements `dialects.protocol.Dialect` (raw lane) and `dialects.protocol.Translator`."""

    name = DialectName.OPENAI_RESPONSES
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
        """Begin to follow a streamed reply; usage is part of this dialect's events, asked for or not."""
        del request
        return EventRelay(ResponsesEventReader(), alias)

    @staticmethod
    def reply_parser(rendered: RenderedRequest) -> ReplyParser:
        """Begin to read the reply to a rendered request."""
        return ResponsesReplyParser(rendered)

    @staticmethod
    def reply_renderer(view: ClientView) -> ReplyRenderer:
        """Begin to write a streamed reply for a client."""
        return ResponsesReplyRenderer(view)
