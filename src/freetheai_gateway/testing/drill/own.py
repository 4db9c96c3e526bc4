"""A drill of an operator's own pools: his providers and models, each provider played by a scripted upstream.

What decides about a failure is taken from his configuration: the upstreams of each model with priorities and weights,
the keys (how many there are, not what they are), limits, budgets, and `[pools]`. Patience is cut to a hundredth.
Everything else is the drill's: dialect, tiers, database, and every address.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from freetheai_gateway.settings.catalogue import CallTimeouts, Model, Provider, Upstream
from freetheai_gateway.settings.tree import Pools, Settings
from freetheai_gateway.testing.drill.cases import FAILURES, Failure, Phase
from freetheai_gateway.testing.drill.stage import Stage

SHARE = 0.01
"""Of the patience that is configured …"""
LONGEST_S = 3.0
"""… and at most so much for a whole call."""
SHORTEST_S = 0.3
ALL = "all"
"""Stands for the name of the provider that fails."""
_PLAYED = (
    (Phase.HEAD, "refused"),
    (Phase.HEAD, "no address"),
    (Phase.HEAD, "no TLS"),
    (Phase.HEAD, "silence"),
    (Phase.HEAD, "401"),
    (Phase.HEAD, "429"),
    (Phase.HEAD, "500"),
    (Phase.HEAD, "503"),
    (Phase.CONTENT, "error in a 200"),
    (Phase.CONTENT, "cut after the role"),
    (Phase.CONTENT, "broken JSON"),
    (Phase.MID, "cut"),
    (Phase.MID, "silence"),
    (Phase.NEVER, "slow head"),
    (Phase.NEVER, "wrong usage"),
)
KINDS: Sequence[Failure] = tuple(failure for failure in FAILURES if (failure.phase, failure.name) in _PLAYED)


@dataclass(frozen=True, slots=True)
class Pool:
    """Models that can be had at the same places: one of them is played for all."""

    model: str
    alike: int
    """How many more there are."""
    upstreams: tuple[Upstream, ...]

    @property
    def scopes(self) -> tuple[str, ...]:
        """Who fails in turn: each provider of the first priority alone, where there are others, and all."""
        first = min(upstream.priority for upstream in self.upstreams)
        names = dict.fromkeys(upstream.provider for upstream in self.upstreams if upstream.priority == first)
        alone = len({upstream.provider for upstream in self.upstreams}) == 1
        return (ALL,) if alone else (*names, ALL)


@dataclass(frozen=True, slots=True)
class OwnCase:
    """One failure of one provider, or of all, seen by who calls one model."""

    number: int
    pool: Pool
    fails: str
    failure: Failure
    streamed: bool

    @property
    def model(self) -> str:
        """Name the model on the drill's gateway."""
        return f"drill/{self.number}"

    def provider(self, name: str) -> str:
        """Name a provider on the drill's gateway: each case has providers of its own."""
        return f"d{self.number}-{name}"


def pools_of(settings: Settings) -> list[Pool]:
    """Find the pools of the chat models that are set up."""
    usable = {provider.name for provider in settings.providers if provider.api_keys}
    alike: dict[tuple[Upstream, ...], list[Model]] = {}
    for model in settings.models:
        upstreams = tuple(upstream for upstream in model.upstreams if upstream.provider in usable)
        if model.kind == "chat" and upstreams and not model.retired:
            places = tuple(
                Upstream(provider=each.provider, model="", priority=each.priority, weight=each.weight)
                for each in upstreams
            )
            alike.setdefault(places, []).append(model)
    return [Pool(models[0].id, len(models) - 1, places) for places, models in alike.items()]


def own_cases(pools: Sequence[Pool]) -> Iterator[OwnCase]:
    """List what is played."""
    number = 0
    for pool in pools:
        for failure in KINDS:
            for streamed in (True, False):
                if failure.streamed is None or failure.streamed is streamed:
                    for fails in pool.scopes:
                        number += 1
                        yield OwnCase(number, pool, fails, failure, streamed)


def own_configuration(settings: Settings, cases: Sequence[OwnCase], stage: Stage) -> str:
    """Write the drill's configuration file; nothing of it names a real address or key."""
    providers = {provider.name: provider for provider in settings.providers}
    return _head(settings.pools) + "".join(_case(case, providers, stage) for case in cases)


def _head(pools: Pools) -> str:
    values: dict[str, object] = {
        "attempts": pools.attempts,
        "deadline_s": max(SHORTEST_S, pools.deadline_s * SHARE),
        "backoff_s": pools.backoff_s * SHARE,
        "retry_share": pools.retry_share,
        "retry_burst": pools.retry_burst,
        "breaker_failures": pools.breaker_failures,
        "breaker_window_s": pools.breaker_window_s,
        "breaker_open_s": pools.breaker_open_s,
        "dead_key_s": pools.dead_key_s,
        "cooldown_s": pools.cooldown_s,
        "max_cooldown_s": pools.max_cooldown_s,
        "sticky": _boolean(pools.sticky),
    }
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    return f'[[tiers]]\nlevel = 1\nname = "Drill"\nrequests_per_minute = 100000\nconcurrency = 1000\n\n[pools]\n{lines}'


def _case(case: OwnCase, providers: dict[str, Provider], stage: Stage) -> str:
    names = dict.fromkeys(upstream.provider for upstream in case.pool.upstreams)
    text = "".join(_provider(case, providers[name], stage) for name in names)
    text += f'\n[[models]]\nid = "{case.model}"\n'
    for upstream in case.pool.upstreams:
        behaviour = case.failure.behaviour if case.fails in {upstream.provider, ALL} else "plain"
        text += (
            f'\n[[models.upstreams]]\nprovider = "{case.provider(upstream.provider)}"\nmodel = "{behaviour}"\n'
            f"priority = {upstream.priority}\nweight = {upstream.weight}\n"
        )
    return text


def _provider(case: OwnCase, provider: Provider, stage: Stage) -> str:
    url = stage.url_of(case.failure if case.fails in {provider.name, ALL} else None)
    keys = ", ".join(f'"drill-{number}"' for number in range(len(provider.api_keys)))
    limits = provider.limits_per_key
    return f"""
[[providers]]
name = "{case.provider(provider.name)}"
api = "openai"
base_url = "{url}"
api_keys = [{keys}]
max_concurrency = {provider.max_concurrency}
timeouts = {scaled(provider.timeouts)}
daily_budget_usd = {provider.daily_budget_usd}
shared_with_members = {_boolean(provider.shared_with_members)}

[providers.limits_per_key]
requests_per_minute = {limits.requests_per_minute}
requests_per_day = {limits.requests_per_day}
tokens_per_minute = {limits.tokens_per_minute}
tokens_per_day = {limits.tokens_per_day}
"""


def scaled(timeouts: CallTimeouts) -> str:
    """Write a provider's patience, cut down so that none lasts longer than the drill may; the order stays."""
    share = min(SHARE, LONGEST_S / timeouts.total_s)
    names = ("connect_s", "first_byte_s", "first_content_s", "idle_s", "total_s")
    pairs = (f"{name} = {max(SHORTEST_S, getattr(timeouts, name) * share):.3f}" for name in names)
    return f"{{ {', '.join(pairs)} }}"


def _boolean(value: bool) -> str:  # noqa: FBT001 - a value to be written
    return "true" if value else "false"
