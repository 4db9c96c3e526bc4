"""The dialects that can be translated, by the side they are spoken on. A new one is one more entry."""

from collections.abc import Mapping

from freetheai_gateway.dialects.protocol import ClientTranslator, DialectName, UpstreamTranslator

CLIENTS: Mapping[DialectName, ClientTranslator] = {}
UPSTREAMS: Mapping[DialectName, UpstreamTranslator] = {}
