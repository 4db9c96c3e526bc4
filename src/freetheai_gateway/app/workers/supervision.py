"""What the parent of several workers decides: values in, actions out; no process, no signal, no clock.

The first worker starts alone: it migrates the database and tells what keeps the node from starting. The others follow
when it serves, and the node is announced when all do. Until then any worker that ends, ends the node; from then on a
worker that ends is started again, ever more slowly. A reload is adopted by all workers or by none.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from math import ldexp
from typing import TypeAlias

MODELS = 0
"""The process that keeps the local models; workers count from 1."""
FIRST = 1
FAILED = 1
"""The exit code of a node that did not end as it should."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the parent waits for what, in seconds."""

    first_delay_s: float = 0.1
    """Before a worker is started again; doubled at each failure in a row."""
    most_delay_s: float = 30.0
    settled_s: float = 60.0
    """A worker that lived as long had recovered."""
    drain_s: float = 130.0
    """For all to end after the first signal; workers that are left then are killed."""
    force_s: float = 5.0
    """The same after the second signal."""
    prepare_s: float = 10.0
    """For all to say whether they can take a new configuration."""


class Step(Enum):
    """What a worker can be told."""

    ANNOUNCE = auto()
    PREPARE = auto()
    ADOPT = auto()
    FORGET = auto()


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process in this place."""

    slot: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a process to end as soon as its requests have; told twice it ends at once."""

    slot: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End a process whatever it does."""

    slot: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a process something."""

    slot: int
    step: Step


@dataclass(frozen=True, slots=True)
class Restarting:
    """Say that a process ended that should not have, and when another takes its place."""

    slot: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class ReloadEnded:
    """Every worker adopted the new configuration, or, where some could not, none did."""

    refused_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing runs any more: end with this exit code."""

    code: int


Action: TypeAlias = Start | Stop | Kill | Tell | Restarting | ReloadEnded | Finish


class _Phase(Enum):
    ABSENT = auto()
    STARTING = auto()
    UP = auto()


@dataclass(slots=True)
class _Place:
    """One process's place: who takes it, since when, and when it is filled again."""

    phase: _Phase = _Phase.ABSENT
    since: float = 0.0
    failures: int = 0
    due_at: float | None = None


@dataclass(slots=True)
class _Reload:
    """A reload on its way: who has not answered yet, who has agreed, who has not."""

    ends_at: float
    awaited: set[int]
    agreed: set[int] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)


class Supervision:
    """The state of one node. Every method returns what is to be done now; `now` is in seconds of any steady clock."""

    def __init__(self, workers: int, patience: Patience, *, with_models: bool = False) -> None:
        self._patience = patience
        self._places = {slot: _Place() for slot in range(FIRST, workers + 1)}
        if with_models:
            self._places[MODELS] = _Place()
        self.is_open = False
        """Whether all workers have served once."""
        self._exit_code: int | None = None
        self._stops_at: float | None = None
        self._reload: _Reload | None = None
        self._reload_is_wanted = False

    @property
    def living(self) -> list[int]:
        """The workers that serve."""
        return [slot for slot, place in self._places.items() if slot != MODELS and place.phase is _Phase.UP]

    def begin(self, now: float) -> list[Action]:
        """Start the first worker, and the models."""
        return [self._start(slot, now) for slot in (MODELS, FIRST) if slot in self._places]

    def started(self, slot: int, now: float) -> list[Action]:
        """Hear that a process serves."""
        place = self._places[slot]
        place.phase, place.since = _Phase.UP, now
        if self._exit_code is not None:
            return [Stop(slot)]
        actions: list[Action] = []
        if not self.is_open:
            actions += [
                self._start(other, now)
                for other, its in self._places.items()
                if slot == FIRST and other > FIRST and its.phase is _Phase.ABSENT
            ]
            self.is_open = len(self.living) == sum(other != MODELS for other in self._places)
            if self.is_open:
                actions.append(Tell(FIRST, Step.ANNOUNCE))
        return actions + self._begin_reload(now)

    def ended(self, slot: int, code: int, now: float) -> list[Action]:
        """Hear that a process ended, with an exit code or by a signal (then `code` is negative)."""
        place = self._places[slot]
        lived_s = now - place.since if place.phase is _Phase.UP else 0.0
        place.phase = _Phase.ABSENT
        if self._exit_code is not None:
            return self._finish_or_stop_models(now)
        if not self.is_open and slot != MODELS:
            return self._end_node(code if code > 0 else FAILED, now)
        place.failures = 1 if lived_s > self._patience.settled_s else place.failures + 1
        delay_s = min(self._patience.most_delay_s, ldexp(self._patience.first_delay_s, min(place.failures - 1, 32)))
        place.due_at = now + delay_s
        return [Restarting(slot, delay_s), *self._without(slot), *self._begin_reload(now)]

    def stop(self, now: float) -> list[Action]:
        """End the node as soon as its requests have ended; the second time at once."""
        if self._exit_code is None:
            return self._end_node(0, now)
        self._stops_at = now + self._patience.force_s
        return [Stop(slot) for slot in self._alive()]

    def want_reload(self, now: float) -> list[Action]:
        """Begin a reload as soon as no process is starting and no other reload is on its way."""
        self._reload_is_wanted = True
        return self._begin_reload(now)

    def answered(self, slot: int, *, agrees: bool) -> list[Action]:
        """Hear whether a process can take the new configuration."""
        reload = self._reload
        if reload is None or slot not in reload.awaited:
            return []
        reload.awaited.discard(slot)
        if agrees:
            reload.agreed.add(slot)
        else:
            reload.refused.append(slot)
        return self._end_reload()

    def with_models(self, now: float) -> list[Action]:
        """From now on there is a process for local models."""
        if MODELS in self._places or self._exit_code is not None:
            return []
        self._places[MODELS] = _Place()
        return [self._start(MODELS, now)]

    def tick(self, now: float) -> list[Action]:
        """Do what is due."""
        actions: list[Action] = []
        if self._stops_at is not None and now >= self._stops_at:
            self._stops_at = None
            self._exit_code = FAILED
            return [Kill(slot) for slot in self._alive()]
        if self._reload is not None and now >= self._reload.ends_at:
            self._reload.refused += sorted(self._reload.awaited)
            self._reload.awaited.clear()
            actions += self._end_reload()
        if self._exit_code is None and self._reload is None:
            due = [slot for slot, place in self._places.items() if place.due_at is not None and now >= place.due_at]
            actions += [self._start(slot, now) for slot in due]
        return actions

    def next_at(self) -> float | None:
        """When `tick` has something to do at the earliest."""
        times = [place.due_at for place in self._places.values() if place.due_at is not None and self._reload is None]
        times += [] if self._reload is None else [self._reload.ends_at]
        if self._exit_code is not None:
            times = [] if self._stops_at is None else [self._stops_at]
        return min(times, default=None)

    def _start(self, slot: int, now: float) -> Action:
        place = self._places[slot]
        place.phase, place.since, place.due_at = _Phase.STARTING, now, None
        return Start(slot)

    def _alive(self) -> list[int]:
        return [slot for slot, place in self._places.items() if place.phase is not _Phase.ABSENT]

    def _end_node(self, code: int, now: float) -> list[Action]:
        self._exit_code = code
        self._stops_at = now + self._patience.drain_s
        self._reload, self._reload_is_wanted = None, False
        stops: list[Action] = [Stop(slot) for slot in self._alive() if slot != MODELS]
        return stops or self._finish_or_stop_models(now)

    def _finish_or_stop_models(self, now: float) -> list[Action]:
        """Stop the models last: requests that drain may still need them."""
        assert self._exit_code is not None
        alive = self._alive()
        if not alive:
            return [Finish(self._exit_code)]
        if alive == [MODELS]:
            self._stops_at = now + self._patience.force_s
            return [Stop(MODELS)]
        return []

    def _begin_reload(self, now: float) -> list[Action]:
        busy = self._reload is not None or any(place.phase is _Phase.STARTING for place in self._places.values())
        if not self._reload_is_wanted or busy or self._exit_code is not None:
            return []
        self._reload_is_wanted = False
        asked = self._alive()
        self._reload = _Reload(now + self._patience.prepare_s, set(asked))
        return [Tell(slot, Step.PREPARE) for slot in asked] or self._end_reload()

    def _without(self, slot: int) -> list[Action]:
        """Wait no longer for a process that died: the one that follows reads what holds then."""
        if self._reload is None:
            return []
        self._reload.awaited.discard(slot)
        self._reload.agreed.discard(slot)
        return self._end_reload()

    def _end_reload(self) -> list[Action]:
        reload = self._reload
        if reload is None or reload.awaited:
            return []
        self._reload = None
        step = Step.FORGET if reload.refused else Step.ADOPT
        return [*(Tell(slot, step) for slot in sorted(reload.agreed)), ReloadEnded(tuple(reload.refused))]
