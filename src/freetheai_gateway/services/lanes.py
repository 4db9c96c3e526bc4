"""Choosing and building the lane of a request: raw where the provider has the client's dialect, else translated."""

from collections.abc import Mapping

from freetheai_gateway.dialects.lanes import Lane, RawLane, TranslationLane
from freetheai_gateway.dialects.protocol import (
    ClientTranslator,
    ClientView,
    DialectName,
    Target,
    UpstreamTranslator,
)
from freetheai_gateway.dialects.token_estimate import estimate_tokens
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.ports import Provider


class LaneBuilder:
    """Knows every dialect that can be translated: `clients` what is read from callers, `upstreams` what is called."""

    def __init__(
        self,
        clients: Mapping[DialectName, ClientTranslator],
        upstreams: Mapping[DialectName, UpstreamTranslator],
    ) -> None:
        self._clients = clients
        self._upstreams = upstreams

    def reaches(self, client: DialectName, provider: Provider) -> bool:
        """Whether a client of this dialect can be served by the provider at all."""
        return client in provider.dialects or (
            client in self._clients and any(dialect in self._upstreams for dialect in provider.dialects)
        )

    def build(self, exchange: Exchange, upstream: Upstream, provider: Provider) -> Lane:
        """Render the request for one upstream. Raises `InvalidRequest` for what its dialect can't say."""
        model = exchange.model
        target = Target(
            model=upstream.model,
            quirks=upstream.quirks,
            default_output_tokens=model.default_output_tokens,
            max_output_tokens=model.max_output_tokens,
        )
        client = exchange.dialect.name
        if client not in provider.dialects:
            dialect = next(dialect for dialect in provider.dialects if dialect in self._upstreams)
            return self._translation(exchange, target, dialect)
        translated = None
        if client in self._clients and client in self._upstreams:

            def translated() -> TranslationLane:
                return self._translation(exchange, target, client)

        return RawLane(exchange.dialect, exchange.request, target, model.id, translated)

    def _translation(self, exchange: Exchange, target: Target, upstream: DialectName) -> TranslationLane:
        client = self._clients[exchange.dialect.name]
        trace = exchange.trace
        conversation = client.parse(exchange.body)
        view = ClientView(
            alias=exchange.model.id,
            reply_id=trace.request_id.partition("_")[2],
            created=int(trace.started_wall),
            request=conversation,
            input_tokens_estimate=estimate_tokens(conversation),
        )
        return TranslationLane(client, self._upstreams[upstream], view, target)
