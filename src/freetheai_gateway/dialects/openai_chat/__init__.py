"""OpenAI Chat Completions (`POST /v1/chat/completions`)."""

from freetheai_gateway.dialects.event_relay import EventRelay
from freetheai_gateway.dialects.openai_chat.errors import render_error, render_stream_error
from freetheai_gateway.dialects.openai_chat.reply import parse_reply
from freetheai_gateway.dialects.openai_chat.request import parse_request, render_request
from freetheai_gateway.dialects.openai_chat.stream import ChatEventReader
from freetheai_gateway.dialects.protocol import DialectName, LimitHeaderNames, RawRequest, RawStream
from freetheai_gateway.sse import comment

__all__ = ["OpenAIChat"]


class OpenAIChat:
    """Implements `dialects.protocol.Dialect`."""

    name = DialectName.OPENAI_CHAT
    forwarded_headers: tuple[bytes, ...] = ()
    keepalive = comment("keep-alive")
    limit_headers = LimitHeaderNames(
        limit=b"x-ratelimit-limit-requests",
        remaining=b"x-ratelimit-remaining-requests",
        reset=b"x-ratelimit-reset-requests",
        reset_is_timestamp=False,
    )

    parse_request = staticmethod(parse_request)
    render_request = staticmethod(render_request)
    parse_reply = staticmethod(parse_reply)
    render_error = staticmethod(render_error)
    render_stream_error = staticmethod(render_stream_error)

    @staticmethod
    def open_stream(request: RawRequest, alias: str) -> RawStream:
        """Begin to follow a streamed reply."""
        return EventRelay(ChatEventReader(show_usage=request.usage_asked), alias)
