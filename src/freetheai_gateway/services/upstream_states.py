"""How the providers stand, as operators see them: who is ready, how much runs, which models hang on it."""

from collections.abc import Callable, Mapping

from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.ports import Provider

Object = dict[str, object]
InFlight = Callable[[], Mapping[str, int]]


class UpstreamStates:
    """Describes every provider of the current offer. Names no key and no address."""

    def __init__(self, directory: Directory, in_flight: InFlight) -> None:
        self._directory = directory
        self._in_flight = in_flight

    def list(self) -> list[Object]:
        """Describe them in the order of the configuration."""
        offer, running = self._directory.offer, self._in_flight()
        return [_describe(provider, offer, running.get(provider.name, 0)) for provider in offer.providers.values()]


def _describe(provider: Provider, offer: Offer, in_flight: int) -> Object:
    return {
        "provider": provider.name,
        "readiness": provider.readiness().value,
        "dialects": [dialect.value for dialect in provider.dialects],
        "in_flight": in_flight,
        "max_concurrency": provider.max_concurrency or None,
        "shared_with_members": provider.shared_with_members,
        "models": [
            model.id
            for model in offer.catalogue.models.values()
            if any(upstream.provider == provider.name for upstream in model.upstreams)
        ],
    }
