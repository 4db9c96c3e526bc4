"""What a worker answers for its whole node, with siblings that are objects in the same process."""

from collections.abc import Callable, Sequence

import pytest

from freetheai_gateway.domain.health import HOUR_S, Counts, Status, Thresholds
from freetheai_gateway.metrics import Family, Gauges, Metrics
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.reports import HEALTH, METRICS, NodeReports
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock

CHAT = "/v1/chat/completions"
MODEL = "glm/a"


class Others:
    """Implements `Siblings` over workers that a test has made."""

    def __init__(self) -> None:
        self.workers: list[NodeReports | None] = []
        self.lost = 0

    async def ask(self, kind: str) -> Sequence[bytes | None]:
        """Ask each of them; `None` is one that is silent."""
        return [None if worker is None else worker.answer(kind) for worker in self.workers]

    async def serve(self, answer: Callable[[str], bytes]) -> None:
        """Do nothing: they are asked directly."""


class Worker:
    """One worker of the node."""

    def __init__(self, clock: FakeClock, *, up: float = 1) -> None:
        self.others = Others()
        self.metrics = Metrics()
        self.observer = Observer(self.metrics, Thresholds(minimum_requests=4), clock)
        gauges: Gauges = {
            "freetheai_open_streams": ("Streams.", (), lambda: {(): 2.0}),
            "freetheai_limits_backend_up": ("Up.", (), lambda: {(): up}),
            "freetheai_breaker_open": ("Open.", ("provider", "key"), lambda: {("zai", "1"): 1 - up}),
        }
        self.reports = NodeReports(self.metrics, gauges, self.observer, self.others)
        self.clock = clock

    def finish(self, count: int, status: int = 200) -> None:
        """Let requests end."""
        for _ in range(count):
            trace = Trace("req_1", CHAT, self.clock)
            trace.model, trace.status, trace.attempts = MODEL, status, 1
            self.observer.finished(trace)


@pytest.fixture
def node() -> tuple[Worker, Worker]:
    """Make a node of two workers; the second one's limits backend is away."""
    clock = FakeClock()
    one, other = Worker(clock), Worker(clock, up=0)
    one.others.workers, other.others.workers = [other.reports], [one.reports]
    return one, other


def value(families: list[Family], name: str) -> float:
    """Add up a family's first numbers."""
    return sum(row.numbers[0] for family in families if family.name == name for row in family.rows)


async def test_metrics_when_any_worker_is_asked_then_the_numbers_are_the_nodes(node: tuple[Worker, Worker]) -> None:
    """Counts and streams add up; of a backend and a breaker the worst counts."""
    one, other = node
    one.finish(3)
    other.finish(4)
    for worker in node:
        families = await worker.reports.families()
        assert value(families, "freetheai_requests") == 7
        assert value(families, "freetheai_open_streams") == 4
        assert value(families, "freetheai_limits_backend_up") == 0
        assert value(families, "freetheai_breaker_open") == 1
        (timing,) = [family for family in families if family.name == "freetheai_request_seconds"]
        assert [sum(row.numbers[:-1]) for row in timing.rows] == [7]
        assert len({family.name for family in families}) == len(families)


async def test_metrics_when_a_worker_is_silent_then_the_answer_says_so(node: tuple[Worker, Worker]) -> None:
    """What is there is given; how many it is of, too."""
    one, _ = node
    one.others.workers.append(None)
    families = await one.reports.families()
    assert value(families, "freetheai_workers") == 3
    assert value(families, "freetheai_workers_reporting") == 2


async def test_metrics_when_a_worker_was_lost_then_all_begin_at_zero(node: tuple[Worker, Worker]) -> None:
    """A sum that falls by a part would be read as a restart, and its rest counted twice; cells stay in use."""
    one, other = node
    one.finish(3)
    other.finish(4)
    one.others.lost = other.others.lost = 1
    assert value(await one.reports.families(), "freetheai_requests") == 0
    one.finish(1)
    other.finish(1)
    assert value(await other.reports.families(), "freetheai_requests") == 2


async def test_health_when_each_worker_saw_too_little_then_together_they_judge(node: tuple[Worker, Worker]) -> None:
    """Two errors of four are half; the judgement stays when nothing is called any more."""
    one, other = node
    one.finish(2)
    other.finish(2, status=502)
    assert one.observer.statuses(["glm"]) == {"glm": Status.UNKNOWN}
    await one.reports.refresh_health()
    assert one.observer.health_of("glm").counts(one.clock.wall(), HOUR_S) == Counts(2, 2)
    assert one.observer.statuses(["glm"]) == {"glm": Status.DOWN}
    one.clock.advance(2 * HOUR_S)
    await one.reports.refresh_health()
    assert one.observer.health_of("glm").counts(one.clock.wall(), HOUR_S) == Counts(0, 0)
    assert one.observer.statuses(["glm"]) == {"glm": Status.DOWN}


async def test_health_when_a_worker_is_silent_then_it_is_counted(node: tuple[Worker, Worker]) -> None:
    """And no longer when it answers again."""
    one, other = node
    one.others.workers = [None]
    await one.reports.refresh_health()
    assert one.reports.lacks == 1
    one.others.workers = [other.reports]
    await one.reports.refresh_health()
    assert one.reports.lacks == 0


def test_answer_when_the_kind_is_unknown_then_it_is_an_error(node: tuple[Worker, Worker]) -> None:
    """Only these two are asked for."""
    assert node[0].reports.answer(METRICS)
    assert node[0].reports.answer(HEALTH)
    with pytest.raises(KeyError):
        node[0].reports.answer("secrets")
