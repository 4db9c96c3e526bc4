"""How the providers stand, as operators see them: who is ready, what runs, which breakers are open, which keys rest."""

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.fleet import Key, ProviderState, Target
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.ports import Provider

Object = dict[str, object]
_MICRO = 1_000_000


class UpstreamStates:
    """Describes every provider of the current offer, as this process knows it. Names no key and no address."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def list(self) -> list[Object]:
        """Describe them in the order of the configuration."""
        offer, now, wall = self._directory.offer, self._clock.monotonic(), self._clock.wall()
        return [_describe(provider, offer, now, wall) for provider in offer.providers.values()]


def _describe(provider: Provider, offer: Offer, now: float, wall: float) -> Object:
    state = offer.fleet.providers[provider.name]
    return {
        "provider": provider.name,
        "readiness": provider.readiness().value,
        "dialects": [dialect.value for dialect in provider.dialects],
        "in_flight": state.load.running,
        "max_concurrency": state.max_concurrency or None,
        "shared_with_members": provider.shared_with_members,
        "daily_budget_usd": state.budget.limit_micro_usd / _MICRO if state.budget is not None else None,
        "spent_today_usd": state.budget.spent_micro_usd(wall) / _MICRO if state.budget is not None else None,
        "keys": [_describe_key(key, now) for key in state.keys],
        "models": _models(provider.name, offer, state, now),
    }


def _describe_key(key: Key, now: float) -> Object:
    """Describe a key by its number, from 1; `reason` says why it rests."""
    wait_s = key.gate.wait_s(now)
    return {"number": key.index + 1, "rests_s": round(wait_s, 3), "reason": key.gate.reason or None}


def _models(name: str, offer: Offer, state: ProviderState, now: float) -> list[Object]:
    """Describe what is served there; a model that was never called has no latency."""
    return [
        {"id": model.id, "upstream_model": upstream.model, **_describe_target(state.targets.get(upstream.model), now)}
        for model in offer.catalogue.models.values()
        for upstream in model.upstreams
        if upstream.provider == name
    ]


def _describe_target(target: Target | None, now: float) -> Object:
    if target is None:
        target = Target()
    return {
        "breaker": target.breaker.state(now).value,
        "in_flight": target.in_flight,
        "latency_ms": round(target.latency_s * 1000) if target.latency_s else None,
    }
