"""Anthropic Messages (`POST /v1/messages`)."""

from freetheai_gateway.dialects.anthropic_messages.errors import render_error, render_stream_error
from freetheai_gateway.dialects.anthropic_messages.reply import parse_reply
from freetheai_gateway.dialects.anthropic_messages.request import parse_request, render_request
from freetheai_gateway.dialects.anthropic_messages.stream import MessagesEventReader
from freetheai_gateway.dialects.anthropic_messages.translator import MessagesTranslator
from freetheai_gateway.dialects.event_relay import EventRelay
from freetheai_gateway.dialects.protocol import DialectName, LimitHeaderNames, RawRequest, RawStream

__all__ = ["AnthropicMessages", "MessagesTranslator"]


class AnthropicMessages:
    """Implements `dialects.protocol.Dialect`."""

    name = DialectName.ANTHROPIC_MESSAGES
    forwarded_headers: tuple[bytes, ...] = (b"anthropic-",)
    keepalive = b'event: ping\ndata: {"type":"ping"}\n\n'
    limit_headers = LimitHeaderNames(
        limit=b"anthropic-ratelimit-requests-limit",
        remaining=b"anthropic-ratelimit-requests-remaining",
        reset=b"anthropic-ratelimit-requests-reset",
        reset_is_timestamp=True,
    )

    parse_request = staticmethod(parse_request)
    render_request = staticmethod(render_request)
    parse_reply = staticmethod(parse_reply)
    render_error = staticmethod(render_error)
    render_stream_error = staticmethod(render_stream_error)

    @staticmethod
    def open_stream(request: RawRequest, alias: str) -> RawStream:
        """Begin to follow a streamed reply; usage is part of this dialect's events, asked for or not."""
        del request
        return EventRelay(MessagesEventReader(), alias)
