"""What is known of the providers while they are called: keys, breakers, what runs and how quick they are. Sans-IO.

A `Fleet` belongs to one configuration. A reload makes a new one that takes over what is still the same: a provider by
its name, a key by its fingerprint, an upstream by its provider's address. Requests that run keep the old one.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from freetheai_gateway.domain.attempts import RetryBudget
from freetheai_gateway.domain.breakers import Breaker, Tally
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.key_limits import Budget, KeyMeter
from freetheai_gateway.domain.pools import PoolPolicy, Terms, Upstream

SETTLING: Final = 0.2
"""Weight of the latest latency in the average."""


class Key:
    """One API key of a provider; `index` is its number in the configuration."""

    __slots__ = ("fingerprint", "gate", "index", "meter", "suspicion")

    def __init__(self, fingerprint: str, index: int) -> None:
        self.fingerprint = fingerprint
        self.index = index
        self.gate = Gate()
        self.suspicion = Tally()
        self.meter: KeyMeter | None = None

    def moved_to(self, index: int) -> "Key":
        """Take the key over under a new number."""
        key = Key(self.fingerprint, index)
        key.gate, key.suspicion, key.meter = self.gate, self.suspicion, self.meter
        return key


class Target:
    """One model of one provider."""

    __slots__ = ("breaker", "cooling", "gate", "in_flight", "latency_s")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.gate = self.breaker.gate
        self.cooling: dict[str, Gate] = {}
        """Keys that were told to slow down for this model, by fingerprint."""
        self.in_flight = 0
        self.latency_s = 0.0
        """Until the first content, or the end of a whole reply: a moving average; 0 = nothing came yet."""

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

    __slots__ = ("budget", "counts", "keys", "load", "max_concurrency", "name", "targets", "terms", "turn")

    def __init__(self, name: str, terms: Terms, old: "ProviderState | None" = None) -> None:
        self.name = name
        self.terms = terms
        self.max_concurrency = terms.max_concurrency
        self.turn = 0
        self.load: Load = old.load if old is not None else Load()
        self.budget = _budget(terms, old)
        known = {key.fingerprint: key for key in old.keys} if old is not None and _same_place(old.terms, terms) else {}
        self.keys: list[Key] = [_key(fingerprint, index, known) for index, fingerprint in enumerate(terms.keys)]
        limits_are_new = old is None or old.terms.key_limits != terms.key_limits
        for key in self.keys:
            if limits_are_new or key.meter is None:
                key.meter = KeyMeter(terms.key_limits) if terms.key_limits.any_is_known else None
        self.counts = self.budget is not None or terms.key_limits.any_is_known
        """Whether somebody wants to know what a reply used."""
        self.targets: dict[str, Target] = {}
        if old is not None and _same_place(old.terms, terms):
            self.targets.update(old.targets)

    def target(self, model: str) -> Target:
        """Find the state of a model there; a fresh one where it was never called."""
        found = self.targets.get(model)
        if found is None:
            found = self.targets[model] = Target()
        return found


class Seat:
    """An upstream with everything that is known of it."""

    __slots__ = ("provider", "target", "upstream")

    def __init__(self, upstream: Upstream, provider: ProviderState) -> None:
        self.upstream = upstream
        self.provider = provider
        self.target = provider.target(upstream.model)


class Fleet:
    """Every provider of one configuration."""

    __slots__ = ("_seats", "budgets", "policy", "providers")

    def __init__(self, terms: Mapping[str, Terms], policy: PoolPolicy, old: "Fleet | None" = None) -> None:
        self.policy = policy
        self.providers: dict[str, ProviderState] = {
            name: ProviderState(name, its_terms, old.providers.get(name) if old is not None else None)
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

    def in_flight(self) -> dict[str, int]:
        """Tell how many calls run now, by provider."""
        return {name: provider.load.running for name, provider in self.providers.items()}


def _same_place(old: Terms, new: Terms) -> bool:
    return old.place == new.place


def _key(fingerprint: str, index: int, known: Mapping[str, Key]) -> Key:
    old = known.get(fingerprint)
    return Key(fingerprint, index) if old is None else old.moved_to(index)


def _budget(terms: Terms, old: "ProviderState | None") -> Budget | None:
    limit = terms.daily_budget_micro_usd
    if not limit:
        return None
    budget = old.budget if old is not None else None
    if budget is None:
        return Budget(limit)
    budget.limit_micro_usd = limit
    return budget
