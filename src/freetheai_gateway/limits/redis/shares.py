"""What each process may use of what all have together: slots of a provider, limits of its keys, its budget. Sans-IO.

Slots are granted by Redis, never more than there are: a process asks for what it uses and some more, lowers its cap
before it gives slots back, and raises it once it was granted them. What was used is told and heard afterwards: between
two rounds each process may use what the others do not know of yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from freetheai_gateway.domain.fleet import Fleet, ProviderState
from freetheai_gateway.domain.key_limits import MINUTE_S, DayTotal, KeyMeter
from freetheai_gateway.limits.redis.script import Word

_WORDS_OF_SLOTS: Final = 3


@dataclass(slots=True)
class _Counter:
    """One total on its way: what was sent of it."""

    name: str
    total: DayTotal
    meter: KeyMeter | None = None
    is_requests: bool = False
    day: int = 0
    sent: int = 0

    def words(self) -> tuple[Word, ...]:
        self.day, self.sent = self.total.day, self.total.unsent
        return (f"{self.name}:{self.day}", self.sent, self.total.known)


@dataclass(slots=True)
class Round:
    """One exchange: `words` go to the script, `take` reads its answer."""

    providers: list[ProviderState] = field(default_factory=list)
    counters: list[_Counter] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is shared."""
        return not self.providers and not self.counters

    @classmethod
    def of(cls, fleet: Fleet, wall: float) -> Self:
        """Collect what is shared of a fleet; `wall` names the day."""
        asked = cls()
        for provider in fleet.providers.values():
            name = f"{provider.name}:{provider.terms.place}"
            if provider.max_concurrency:
                asked.providers.append(provider)
            if provider.budget is not None:
                provider.budget.turn(wall)
                asked.counters.append(_Counter(f"{name}:spent", provider.budget.today))
            for key in provider.keys:
                meter = key.meter
                if meter is not None:
                    meter.turn(wall)
                    of_key = f"{name}:{key.fingerprint}"
                    asked.counters.append(_Counter(f"{of_key}:requests", meter.requests_today, meter, is_requests=True))
                    asked.counters.append(_Counter(f"{of_key}:tokens", meter.tokens_today, meter))
        return asked

    def words(self, processes: int) -> list[Word]:
        """Write the question; `processes` is how many there were in the last answer, this one included."""
        words: list[Word] = [len(self.providers)]
        for provider in self.providers:
            wanted = wanted_slots(provider.max_concurrency, provider.load.running, processes)
            provider.cap = min(provider.cap, max(wanted, _least(provider, processes)))
            words += (f"{provider.name}:{provider.terms.place}", provider.max_concurrency, wanted)
        for counter in self.counters:
            words += counter.words()
        return words

    def take(self, reply: Sequence[object], now: float, last_at: float | None) -> int:
        """Take over the answer; returns how many processes there are. `last_at`: when the last one was taken over."""
        numbers = [int(str(number)) for number in reply]
        processes = 1
        for index, provider in enumerate(self.providers):
            granted, others, many = numbers[_WORDS_OF_SLOTS * index : _WORDS_OF_SLOTS * (index + 1)]
            processes = max(processes, many + 1)
            provider.cap = max(granted, _least(provider, many + 1, others))
        is_recent = last_at is not None and now - last_at < MINUTE_S
        for counter, total in zip(self.counters, numbers[_WORDS_OF_SLOTS * len(self.providers) :], strict=True):
            elsewhere = counter.total.hear(counter.day, counter.sent, total)
            if counter.meter is not None and elsewhere and is_recent:
                requests, tokens = (elsewhere, 0) if counter.is_requests else (0, elsewhere)
                counter.meter.hear(requests, tokens, now)
        return processes


def wanted_slots(most: int, running: int, processes: int) -> int:
    """Choose how many slots to ask for: at rest half of a fair share, else twice what is used, and alone all.

    As many as the others hold at rest are never asked for. Where there are fewer than two for each process nothing is
    held at rest, or it would be nobody else's.
    """
    at_rest = most // (2 * processes)
    if processes == 1:
        return most
    return min(max(2 * running, at_rest), most - at_rest * (processes - 1)) if at_rest else min(running, most)


def _least(provider: ProviderState, processes: int, others: int = 0) -> int:
    """Where slots are too few to be held at rest: what the others do not use, and one in any case."""
    if provider.max_concurrency // (2 * processes):
        return 0
    return max(1, provider.max_concurrency - others)
