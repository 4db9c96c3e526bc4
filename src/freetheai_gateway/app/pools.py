"""What is told of the pools: gauges for scrapers, standings for operators; and what a restart must not forget."""

from collections.abc import Mapping, Sequence

from freetheai_gateway.clock import Clock, utc_day
from freetheai_gateway.domain.breakers import State
from freetheai_gateway.domain.health import HALF_HOUR_S, HOUR_S, Status, prefix_of
from freetheai_gateway.domain.standings import ProviderStanding, standings_of
from freetheai_gateway.metrics import Gauges
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import UsageStore

_MICRO = 1_000_000
_WINDOWS = {"30m": HALF_HOUR_S, "60m": HOUR_S}
_LEVELS = {Status.UP: 1.0, Status.DEGRADED: 0.5, Status.DOWN: 0.0}

Values = Mapping[tuple[str, ...], float]


def standings(directory: Directory, clock: Clock) -> Sequence[ProviderStanding]:
    """Tell how every provider stands now."""
    return standings_of(directory.offer.fleet, clock.monotonic(), clock.wall())


def pool_gauges(directory: Directory, observer: Observer, clock: Clock) -> Gauges:
    """Make the gauges of providers, keys, breakers and prefixes."""

    def keys() -> Values:
        return {
            (provider.name, str(key.ordinal)): float(key.state == "resting")
            for provider in standings(directory, clock)
            for key in provider.keys
        }

    def breakers() -> Values:
        return {
            (provider.name, upstream.model): float(upstream.breaker != State.CLOSED)
            for provider in standings(directory, clock)
            for upstream in provider.upstreams
        }

    def cooling() -> Values:
        return {
            (provider.name, upstream.model): float(len(upstream.cooling_keys))
            for provider in standings(directory, clock)
            for upstream in provider.upstreams
        }

    return {
        "freetheai_upstream_in_flight": (
            "Calls to upstreams that run now.",
            ("provider",),
            lambda: {(name,): count for name, count in directory.offer.fleet.in_flight().items()},
        ),
        "freetheai_breaker_open": ("1 while a key rests that was refused.", ("provider", "key"), keys),
        "freetheai_upstream_breaker_open": (
            "1 while an upstream is left alone, or tried by one request at a time.",
            ("provider", "model"),
            breakers,
        ),
        "freetheai_upstream_cooling_keys": (
            "Keys that were told to slow down for a model.",
            ("provider", "model"),
            cooling,
        ),
        "freetheai_prefix_requests": (
            "Outcomes of the models of a prefix in the last 30 and 60 minutes.",
            ("prefix", "window", "outcome"),
            lambda: _outcomes(directory, observer, clock),
        ),
        "freetheai_prefix_status": (
            "1 up, 0.5 degraded, 0 down; absent while unknown. The thresholds are those of /v1/health.",
            ("prefix",),
            lambda: {
                (prefix,): _LEVELS[status]
                for prefix, status in observer.statuses(_prefixes(directory)).items()
                if status in _LEVELS
            },
        ),
    }


async def restore_budgets(directory: Directory, usage: UsageStore, clock: Clock) -> None:
    """Go on counting what providers with a budget cost today where the last process stopped."""
    wall = clock.wall()
    providers = directory.offer.fleet.providers
    if any(provider.budget is not None for provider in providers.values()):
        for row in await usage.report("provider", since=utc_day(wall)):
            provider = providers.get(row.provider)
            if provider is not None and provider.budget is not None:
                provider.budget.restore(row.cost_micro_usd, wall)


def _prefixes(directory: Directory) -> list[str]:
    models = directory.offer.catalogue.models.values()
    return list(dict.fromkeys(prefix_of(model.id) for model in models if not model.retired))


def _outcomes(directory: Directory, observer: Observer, clock: Clock) -> Values:
    now = clock.wall()
    values: dict[tuple[str, ...], float] = {}
    for prefix in _prefixes(directory):
        health = observer.health_of(prefix)
        for window, length_s in _WINDOWS.items():
            counts = health.counts(now, length_s)
            values[prefix, window, "success"] = counts.successes
            values[prefix, window, "error"] = counts.errors
    return values
