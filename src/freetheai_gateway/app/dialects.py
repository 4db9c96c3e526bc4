"""The dialects that can be translated, by the side they are spoken on. A new one is one more entry."""

from collections.abc import Mapping

from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import ClientTranslator, DialectName, Translator, UpstreamTranslator

_BOTH_SIDES: tuple[Translator, ...] = (OpenAIChat(), MessagesTranslator())

CLIENTS: Mapping[DialectName, ClientTranslator] = {translator.name: translator for translator in _BOTH_SIDES}
UPSTREAMS: Mapping[DialectName, UpstreamTranslator] = {
    translator.name: translator for translator in (*_BOTH_SIDES, Gemini())
}
