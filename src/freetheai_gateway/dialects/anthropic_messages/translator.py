"""Messages as one side of the translation lane."""

from freetheai_gateway.dialects.anthropic_messages.read_request import read_request
from freetheai_gateway.dialects.anthropic_messages.reply_parser import MessagesReplyParser
from freetheai_gateway.dialects.anthropic_messages.reply_renderer import MessagesReplyRenderer
from freetheai_gateway.dialects.anthropic_messages.whole import write_whole
from freetheai_gateway.dialects.anthropic_messages.write_request import write_request
from freetheai_gateway.dialects.protocol import ClientView, DialectName, RenderedRequest, ReplyParser, ReplyRenderer


class MessagesTranslator:
    """Implements `dialects.protocol.Translator`."""

    name = DialectName.ANTHROPIC_MESSAGES

    parse = staticmethod(read_request)
    render = staticmethod(write_request)
    render_whole = staticmethod(write_whole)

    @staticmethod
    def reply_parser(rendered: RenderedRequest) -> ReplyParser:
        """Begin to read the reply to a rendered request."""
        return MessagesReplyParser(rendered)

    @staticmethod
    def reply_renderer(view: ClientView) -> ReplyRenderer:
        """Begin to write a streamed reply for a client."""
        return MessagesReplyRenderer(view)
