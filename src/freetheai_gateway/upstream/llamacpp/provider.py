"""The embedded model as a provider: what it speaks, and the address that changes with every restart of the child."""

from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.pools import Terms, Timeouts
from freetheai_gateway.services.ports import Origin, ProviderCall, Readiness, UpstreamRequest
from freetheai_gateway.upstream.llamacpp.model import EmbeddedModel
from freetheai_gateway.upstream.llamacpp.state import Phase

_PATHS = {
    DialectName.OPENAI_CHAT: "/v1/chat/completions",
    DialectName.ANTHROPIC_MESSAGES: "/v1/messages",
}
"""llama.cpp's server has Responses too, but its events lack the sequence numbers that SDKs insist on, and it ignores
`text.format`: translated to chat, Responses clients get both."""
_HEADERS = ((b"content-type", b"application/json"),)
_NOWHERE = Origin("http", "127.0.0.1", 0)
"""Where nothing listens: a child that died between the choice and the call is a refused connection."""


class LocalProvider:
    """Implements `Provider` for the child process of an `EmbeddedModel`."""

    def __init__(
        self,
        name: str,
        model: EmbeddedModel,
        *,
        timeouts: Timeouts,
        max_concurrency: int,
        shared_with_members: bool,
    ) -> None:
        self._model = model
        self._timeouts = timeouts
        self.name = name
        self.terms = Terms(max_concurrency=max_concurrency)
        self.shared_with_members = shared_with_members

    @property
    def fetches(self) -> tuple[str, ...]:
        """Nothing: what runs beside the gateway stands in the operator's network."""
        return ()

    @property
    def dialects(self) -> tuple[DialectName, ...]:
        """What llama.cpp's server has on its own."""
        return tuple(_PATHS)

    def readiness(self) -> Readiness:
        """Say whether the child answers now; one that failed is being started again."""
        match self._model.state.phase:
            case Phase.READY:
                return Readiness.READY
            case Phase.MISSING | Phase.STOPPED:
                return Readiness.NOT_CONFIGURED
            case Phase.LOADING | Phase.FAILED:
                return Readiness.LOADING

    def call(self, call: ProviderCall, key_index: int) -> UpstreamRequest:  # noqa: ARG002 - it has one key, its own
        """Address a rendered request to the child that runs now."""
        endpoint = self._model.endpoint
        return UpstreamRequest(
            method="POST",
            origin=endpoint.origin if endpoint is not None else _NOWHERE,
            target=_PATHS[call.dialect] + call.operation,
            headers=_HEADERS if endpoint is None else (*_HEADERS, *endpoint.headers),
            body=call.body,
            streamed=call.streamed,
            timeouts=self._timeouts,
        )

    def list_models(self, key_index: int) -> UpstreamRequest | None:  # noqa: ARG002 - as above
        """Give none: the supervisor looks after the child."""
        return None
