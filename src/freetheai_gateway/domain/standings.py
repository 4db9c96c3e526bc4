"""How every provider stands now, for operators, pages and metrics. Names no key and no address."""

from collections.abc import Sequence

import msgspec

from freetheai_gateway.domain.fleet import Fleet, Key, ProviderState, Target


class KeyStanding(msgspec.Struct, frozen=True, gc=False):
    """One key. `ordinal` is its place in the configuration, from 1 on; `back_in_s` 0 = it is in use, or is due."""

    ordinal: int
    state: str
    """`in_use`, `resting` (it was refused) or `spent` (over a limit that is configured for it)."""
    back_in_s: float


class UpstreamStanding(msgspec.Struct, frozen=True, gc=False):
    """One model of a provider."""

    model: str
    breaker: str
    """`closed`, `open` or `half_open`."""
    in_flight: int
    latency_s: float | None
    """Moving average until the first content; `None` where nothing came yet."""
    back_in_s: float
    cooling_keys: tuple[int, ...]
    """Ordinals of keys that were told to slow down for this model."""


class ProviderStanding(msgspec.Struct, frozen=True):
    """One provider; amounts of money in US dollars, of this UTC day."""

    name: str
    in_flight: int
    max_concurrency: int | None
    spent_usd: float | None
    daily_budget_usd: float | None
    keys: tuple[KeyStanding, ...]
    upstreams: tuple[UpstreamStanding, ...]


def standings_of(fleet: Fleet, now: float, wall: float) -> Sequence[ProviderStanding]:
    """Tell how every provider stands; `now` is monotonic."""
    return [_provider(provider, now, wall) for provider in fleet.providers.values()]


def _provider(provider: ProviderState, now: float, wall: float) -> ProviderStanding:
    budget = provider.budget
    return ProviderStanding(
        name=provider.name,
        in_flight=provider.load.running,
        max_concurrency=provider.max_concurrency or None,
        spent_usd=None if budget is None else budget.spent_micro_usd(wall) / 1_000_000,
        daily_budget_usd=None if budget is None else budget.limit_micro_usd / 1_000_000,
        keys=tuple(_key(key, now, wall) for key in provider.keys),
        upstreams=tuple(_upstream(provider, model, target, now) for model, target in provider.targets.items()),
    )


def _key(key: Key, now: float, wall: float) -> KeyStanding:
    if not key.gate.clear:
        return KeyStanding(key.index + 1, "resting", max(0.0, key.gate.shut_until - now))
    spent_s = 0.0 if key.meter is None else key.meter.wait_s(now, wall)
    return KeyStanding(key.index + 1, "spent" if spent_s else "in_use", spent_s)


def _upstream(provider: ProviderState, model: str, target: Target, now: float) -> UpstreamStanding:
    cooling = target.cooling
    return UpstreamStanding(
        model=model,
        breaker=target.breaker.state(now).value,
        in_flight=target.in_flight,
        latency_s=target.latency_s or None,
        back_in_s=0.0 if target.gate.clear else max(0.0, target.gate.shut_until - now),
        cooling_keys=tuple(
            key.index + 1
            for key in provider.keys
            if key.fingerprint in cooling and cooling[key.fingerprint].shut_until > now
        ),
    )
