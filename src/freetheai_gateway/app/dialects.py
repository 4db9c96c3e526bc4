"""The dialects that can be translated, by the side they are spoken on. A new one is one more entry."""

from collections.abc import Mapping

from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import ClientTranslator, DialectName, Translator, UpstreamTranslator

_BOTH_SIDES: Mapping[DialectName, Translator] = {
    translator.name: translator for translator in (OpenAIChat(), MessagesTranslator(), OpenAIResponses())
}

CLIENTS: Mapping[DialectName, ClientTranslator] = _BOTH_SIDES
UPSTREAMS: Mapping[DialectName, UpstreamTranslator] = {**_BOTH_SIDES, DialectName.GEMINI: Gemini()}
