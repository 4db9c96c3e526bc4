"""The measuring: the contestants one after the other, round by round, so that a machine's mood hits all alike."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import msgspec

from tools.bench import load, machine
from tools.bench.setup import DIRECT, Contestant, Stage

_WARM_UP_S = 1


class Whole(msgspec.Struct, frozen=True):
    """One load of whole replies. What the load left to be done after it (the accounts) counts in the CPU time."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    failures: int
    cpu_us: float | None = None
    core_share: float | None = None
    """Of the load's time in which the server had a core; below 0.95 something else was the bottleneck."""
    cpu_left_s: float | None = None
    """CPU time after the load's end."""


class Streamed(msgspec.Struct, frozen=True):
    """One load of streams, and streams one by one for the first event and the first content."""

    first_byte_ms: float
    first_content_ms: float
    chunks: int = 0
    failures: int = 0
    cpu_us: float | None = None


Sample = Whole | Streamed


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much load, and how often."""

    rounds: int
    seconds: int
    connections: int
    streams: int
    chunks: int
    delay_ms: float
    first_bytes: int


@dataclass(slots=True)
class Results:
    """Samples by kind of load and contestant, one of each round; memory by contestant."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, name: str, sample: Sample) -> None:
        """Keep a sample."""
        self.samples.setdefault((kind, name), []).append(sample)


class Rounds:
    """Measures what is on a stage."""

    def __init__(self, stage: Stage, sizes: Sizes, wrk: str | None, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._sizes = sizes
        self._wrk = wrk
        self._say = say

    def run(self) -> Results:
        """Warm up, then do all rounds. Raises what a load raises."""
        results = Results()
        for kind, contestant in self._everyone(0):
            self._say(f"warming up: {kind} {contestant.name}")
            self._measure(kind, contestant, warm_up=True)
        for number in range(self._sizes.rounds):
            for kind, contestant in self._everyone(number):
                self._say(f"round {number + 1} of {self._sizes.rounds}: {kind} {contestant.name}")
                results.add(kind, contestant.name, self._measure(kind, contestant, warm_up=False))
        for name, contestant in self._stage.contestants.items():
            if contestant.server is not None:
                results.peak_mb[name] = machine.peak_mb(contestant.server.pids)
        return results

    def _everyone(self, number: int) -> Iterator[tuple[str, Contestant]]:
        """Give every kind of load with every contestant; who begins changes from round to round."""
        contestants = list(self._stage.contestants.values())
        if number % 2:
            contestants.reverse()
        for kind in self._stage.kinds:
            for contestant in contestants:
                # The client that loads the upstream directly speaks no TLS.
                if not (contestant.name == DIRECT and kind.endswith("_tls")):
                    yield kind, contestant

    def _measure(self, kind: str, contestant: Contestant, *, warm_up: bool) -> Sample:
        if kind.startswith("whole"):
            return self._whole(kind, contestant, _WARM_UP_S if warm_up else self._sizes.seconds)
        return self._streamed(kind, contestant, 0.2 if warm_up else 1.0)

    def _whole(self, kind: str, contestant: Contestant, seconds: int) -> Whole:
        target, connections = contestant.target(kind), self._sizes.connections
        cpu = _CpuTime(contestant)
        if self._wrk is not None:
            body_file = self._stage.directory / "body.json"
            rate = load.wrk(self._wrk, target, connections=connections, seconds=seconds, body_file=body_file)
        else:
            rate = load.rate(target, connections=connections, seconds=seconds)
        cpu.load_over()
        per_request = cpu.total_s() / max(1, rate.requests) * 1e6
        has_server = contestant.server is not None
        return Whole(
            requests_per_s=round(rate.per_s, 1),
            p50_ms=rate.p50_us / 1000,
            p99_ms=rate.p99_us / 1000,
            requests=rate.requests,
            failures=rate.failures,
            cpu_us=round(per_request, 2) if has_server else None,
            core_share=round(cpu.share, 3) if has_server else None,
            cpu_left_s=round(cpu.left_s, 3) if has_server else None,
        )

    def _streamed(self, kind: str, contestant: Contestant, share: float) -> Streamed:
        target, sizes = contestant.target(kind), self._sizes
        waits_ms = load.first_bytes_ms(target, count=max(1, round(sizes.first_bytes * share)))
        chunks = max(1, round(sizes.chunks * share))
        cpu = _CpuTime(contestant)
        seen = load.streams(target, count=sizes.streams, chunks=chunks, delay_s=sizes.delay_ms / 1000)
        cpu.load_over()
        per_chunk = cpu.total_s() / max(1, seen.chunks) * 1e6
        return Streamed(
            first_byte_ms=_median_of(waits_ms, 0),
            first_content_ms=_median_of(waits_ms, 1),
            chunks=seen.chunks,
            failures=seen.failures,
            cpu_us=round(per_chunk, 2) if contestant.server is not None else None,
        )


def _median_of(waits_ms: Sequence[tuple[float, float]], which: int) -> float:
    return round(median(wait[which] for wait in waits_ms), 4) if waits_ms else float("nan")


class _CpuTime:
    """What a server uses from now on, in the load and after it."""

    def __init__(self, contestant: Contestant) -> None:
        self._pids = contestant.server.pids if contestant.server is not None else ()
        self._before_s = machine.cpu_when_quiet_s(self._pids)
        self._began_at = time.perf_counter()
        self._at_end_s = self._quiet_s = self._before_s
        self.share = 0.0

    @property
    def left_s(self) -> float:
        """What was used after the load."""
        return self._quiet_s - self._at_end_s

    def load_over(self) -> None:
        """Note the end of the load, and wait for what it left behind."""
        self._at_end_s = machine.cpu_s(self._pids)
        self.share = (self._at_end_s - self._before_s) / (time.perf_counter() - self._began_at)
        self._quiet_s = machine.cpu_when_quiet_s(self._pids)

    def total_s(self) -> float:
        """Sum what was used in the load and after it."""
        return self._quiet_s - self._before_s
