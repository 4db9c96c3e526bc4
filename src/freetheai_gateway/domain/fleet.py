"""What is known of the providers while they are called: keys, breakers, what runs and how quick they are. Sans-IO.

A `Fleet` belongs to one configuration. A reload makes a new one that takes over what is still the same: a provider by
its name, a key by its fingerprint, an upstream by its provider's address. Requests that run keep the old one.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Final

from msgspec.structs import replace

from freetheai_gateway.domain.attempts import RetryBudget
from freetheai_gateway.domain.breakers import Breaker, Tally
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.key_limits import Budget, KeyMeter
from freetheai_gateway.domain.news import GateName, News
from freetheai_gateway.domain.pools import PoolPolicy, Terms, Upstream

REFUSED: Final = "refused"
"""Why a gate is shut where a key is not accepted."""
SETTLING: Final = 0.2
"""Weight of the latest latency in the average."""


class Key:
    """One API key of a provider; `index` is its number in the configuration."""

    __slots__ = ("fingerprint", "gate", "index", "meter")

    def __init__(self, fingerprint: str, index: int, gate: Gate | None = None) -> None:
        self.fingerprint = fingerprint
        self.index = index
        self.gate = gate or Gate()
        self.meter: KeyMeter | None = None

    def moved_to(self, index: int) -> "Key":
        """Take the key over under a new number."""
        key = Key(self.fingerprint, index, self.gate)
        key.meter = self.meter
        return key


class Target:
    """One model of one provider."""

    __slots__ = ("_name", "_news", "breaker", "cooling", "gate", "in_flight", "latency_s", "suspicions")

    def __init__(self, name: GateName | None = None, news: News | None = None) -> None:
        self._name = name
        self._news = news
        self.breaker = Breaker(Gate(name, news))
        self.gate = self.breaker.gate
        self.cooling: dict[str, Gate] = {}
        """Keys that were told to slow down for this model, or refused for it, by fingerprint."""
        self.suspicions: dict[str, Tally] = {}
        """Requests that keys were refused for lately, by fingerprint."""
        self.in_flight = 0
        self.latency_s = 0.0
        """Until the first content, or the end of a whole reply: a moving average; 0 = nothing came yet."""

    def cooled(self, fingerprint: str) -> Gate:
        """Find the gate of a key for this model, or put one there."""
        gate = self.cooling.get(fingerprint)
        if gate is None:
            name = None if self._name is None else replace(self._name, key=fingerprint)
            gate = self.cooling[fingerprint] = Gate(name, self._news)
        return gate

    def note_latency(self, seconds: float) -> None:
        """Take a latency into the average."""
        self.latency_s += (seconds - self.latency_s) * SETTLING if self.latency_s else seconds


class Load:
    """How many calls of a provider run; it outlives every reload."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0


class ProviderState:
    """One provider under one configuration."""

    __slots__ = (
        "_news",
        "budget",
        "cap",
        "counts",
        "keys",
        "load",
        "max_concurrency",
        "name",
        "targets",
        "terms",
        "turn",
    )

    def __init__(self, name: str, terms: Terms, news: News, old: "ProviderState | None" = None) -> None:
        self.name = name
        self.terms = terms
        self.max_concurrency = terms.max_concurrency
        self.cap = inf
        """How many calls this process may have running: all, or what the others leave it."""
        self._news = news
        self.turn = 0
        self.load: Load = old.load if old is not None else Load()
        self.budget = _budget(terms, old)
        known = {key.fingerprint: key for key in old.keys} if old is not None and _same_place(old.terms, terms) else {}
        self.keys: list[Key] = [self._key(fingerprint, index, known) for index, fingerprint in enumerate(terms.keys)]
        limits_are_new = old is None or old.terms.key_limits != terms.key_limits
        for key in self.keys:
            if limits_are_new or key.meter is None:
                key.meter = KeyMeter(terms.key_limits) if terms.key_limits.any_is_known else None
        self.counts = self.budget is not None or terms.key_limits.any_is_known
        """Whether somebody wants to know what a reply used."""
        self.targets: dict[str, Target] = {}
        if old is not None and _same_place(old.terms, terms):
            self.targets.update(old.targets)
        self.count_for(news.processes)
        if old is not None and old.max_concurrency == self.max_concurrency:
            self.cap = old.cap

    def count_for(self, processes: int) -> None:
        """Count as one of so many processes that do not know of each other: 1 = alone, or they tell each other."""
        if self.max_concurrency:
            self.cap = max(1, self.max_concurrency // processes)
        if self.budget is not None:
            self.budget.weight = processes
        for key in self.keys:
            if key.meter is not None:
                key.meter.weight = processes

    def target(self, model: str) -> Target:
        """Find the state of a model there; a fresh one where it was never called."""
        found = self.targets.get(model)
        if found is None:
            found = self.targets[model] = Target(GateName(self.name, self.terms.place, model), self._news)
        return found

    def refusals_of(self, fingerprint: str) -> int:
        """Count the models for which a key rests as it was refused."""
        gates = (target.cooling.get(fingerprint) for target in self.targets.values())
        return sum(gate is not None and not gate.clear and gate.reason == REFUSED for gate in gates)

    def _key(self, fingerprint: str, index: int, known: Mapping[str, Key]) -> Key:
        old = known.get(fingerprint)
        if old is not None:
            return old.moved_to(index)
        return Key(fingerprint, index, Gate(GateName(self.name, self.terms.place, "", fingerprint), self._news))


class Seat:
    """An upstream with everything that is known of it."""

    __slots__ = ("provider", "target", "upstream")

    def __init__(self, upstream: Upstream, provider: ProviderState) -> None:
        self.upstream = upstream
        self.provider = provider
        self.target = provider.target(upstream.model)


class Fleet:
    """Every provider of one configuration."""

    __slots__ = ("_seats", "budgets", "news", "policy", "providers")

    def __init__(
        self, terms: Mapping[str, Terms], policy: PoolPolicy, old: "Fleet | None" = None, *, processes: int = 1
    ) -> None:
        self.policy = policy
        self.news: News = old.news if old is not None else News(processes)
        self.providers: dict[str, ProviderState] = {
            name: ProviderState(name, its_terms, self.news, old.providers.get(name) if old is not None else None)
            for name, its_terms in terms.items()
        }
        self._seats: dict[int, tuple[Upstream, Seat]] = {}
        self.budgets: dict[str, RetryBudget] = old.budgets if old is not None else {}

    def seat(self, upstream: Upstream) -> Seat:
        """Find the seat of an upstream whose provider is part of the fleet."""
        found = self._seats.get(id(upstream))  # an upstream lives as long as its catalogue: hashing it costs more
        if found is None:
            found = self._seats[id(upstream)] = (upstream, Seat(upstream, self.providers[upstream.provider]))
        return found[1]

    def seats(self, upstreams: Iterable[Upstream]) -> list[Seat]:
        """Find several seats."""
        return [self.seat(upstream) for upstream in upstreams]

    def retries_of(self, model_id: str) -> RetryBudget:
        """Find what may be repeated of the requests for a model."""
        found = self.budgets.get(model_id)
        if found is None:
            found = self.budgets[model_id] = RetryBudget(self.policy.retry_burst)
        return found

    def find_gate(self, name: GateName) -> Gate | None:
        """Find a gate of which another process told; `None` where it is none of ours."""
        provider = self.providers.get(name.provider)
        if provider is None or provider.terms.place != name.place:
            return None
        if name.model and name.key:
            return provider.target(name.model).cooled(name.key) if name.key in provider.terms.keys else None
        if name.model:
            return provider.target(name.model).gate
        return next((key.gate for key in provider.keys if key.fingerprint == name.key), None)

    def shut_gates(self) -> Iterator[Gate]:
        """List the gates that are not clear."""
        for provider in self.providers.values():
            gates = [key.gate for key in provider.keys]
            for target in provider.targets.values():
                gates += [target.gate, *target.cooling.values()]
            yield from (gate for gate in gates if not gate.clear)

    def count_for(self, processes: int) -> None:
        """Count as one of so many processes that do not know of each other."""
        self.news.processes = processes
        for provider in self.providers.values():
            provider.count_for(processes)

    def in_flight(self) -> dict[str, int]:
        """Tell how many calls run now, by provider."""
        return {name: provider.load.running for name, provider in self.providers.items()}


def _same_place(old: Terms, new: Terms) -> bool:
    return old.place == new.place


def _budget(terms: Terms, old: "ProviderState | None") -> Budget | None:
    limit = terms.daily_budget_micro_usd
    if not limit:
        return None
    budget = old.budget if old is not None else None
    if budget is None:
        return Budget(limit)
    budget.limit_micro_usd = limit
    return budget
