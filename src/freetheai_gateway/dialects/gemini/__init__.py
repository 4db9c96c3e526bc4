"""Gemini `generateContent`, spoken with upstreams only."""

from freetheai_gateway.dialects.gemini.reply_parser import GeminiReplyParser
from freetheai_gateway.dialects.gemini.request import write_request
from freetheai_gateway.dialects.protocol import DialectName, RenderedRequest, ReplyParser

__all__ = ["Gemini"]


class Gemini:
    """Implements `dialects.protocol.UpstreamTranslator`.

    Whether a reply is streamed is said by the method in the address (`:streamGenerateContent?alt=sse`), not by the
    body: the body of both is the same.
    """

    name = DialectName.GEMINI

    render = staticmethod(write_request)

    @staticmethod
    def reply_parser(rendered: RenderedRequest) -> ReplyParser:
        """Begin to read the reply to a rendered request."""
        return GeminiReplyParser(rendered)
