"""`/v1/health`, the probes, and what the base URL says of itself."""

import asyncio

import pytest

from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import Readiness, StoreUnavailable, UsageTotals
from freetheai_gateway.services.reports import NodeReports, NoSiblings
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import chat_model, make_offer
from freetheai_gateway.testing.ports import FakeProvider, Pause
from freetheai_gateway.web.health import HealthRoutes, ProbeRoutes
from freetheai_gateway.web.operators import OperatorGate
from tests.unit.web.answers import RankedUsage, ask


class CountedTotals(RankedUsage):
    """Knows the totals, unless it is away; a pause holds its first answer."""

    def __init__(self, pause: Pause | None = None) -> None:
        super().__init__()
        self.reads = 0
        self.known: UsageTotals | None = UsageTotals(41, 12_000, 6_300)
        self._pause = pause

    async def totals(self) -> UsageTotals:
        """Give them."""
        self.reads += 1
        if self._pause is not None:
            pause, self._pause = self._pause, None
            await pause.hold()
        if self.known is None:
            raise StoreUnavailable
        return self.known


class Case:
    """Health over an observer that a test feeds."""

    def __init__(self, pause: Pause | None = None) -> None:
        self.clock = FakeClock()
        self.observer = Observer(Metrics(), Thresholds(minimum_requests=2), self.clock)
        self.usage = CountedTotals(pause)
        offer = make_offer(
            chat_model("glm/a"),
            chat_model("glm/b", retired=True),
            chat_model("rev/a", upstreams=[]),
            providers=[FakeProvider("zai")],
        )
        self.directory = Directory(offer)
        reports = NodeReports(Metrics(), {}, self.observer, NoSiblings())
        self.routes = HealthRoutes(self.directory, self.observer, self.usage, self.clock, reports)

    def finish(self, model: str, status: int, count: int = 1) -> None:
        """Let requests for a model end."""
        for _ in range(count):
            trace = Trace("req_1", "/v1/chat/completions", self.clock)
            trace.model, trace.status, trace.attempts = model, status, 1
            self.observer.finished(trace)

    async def ask(self) -> Client:
        """Read it."""
        return await ask(self.routes.health, "/v1/health")

    async def read(self) -> dict[str, object]:
        """Read what it says."""
        body = decode_any((await self.ask()).body)
        assert isinstance(body, dict)
        return body


async def test_health_when_nothing_was_called_then_it_is_up_and_its_parts_unknown() -> None:
    """The shape of the contract: catalogue, totals, thresholds, one entry per prefix; retired models don't count."""
    empty = {"requests": 0, "successes": 0, "errors": 0, "error_rate": 0.0}
    numbers = {f"{name}_{window}": value for window in ("30m", "60m") for name, value in empty.items()}
    waits = {f"first_content_{name}_ms_{window}": None for window in ("30m", "60m") for name in ("p50", "p95")}
    unknown = {
        "status": "unknown",
        "model_count": 1,
        "last_success_at": None,
        "last_error_at": None,
        **numbers,
        **waits,
    }
    assert await Case().read() == {
        "status": "up",
        "generated_at": "2026-11-23T01:30:00Z",
        "catalog": {"model_count": 2, "available_count": 1},
        "total_tokens_served": {"total": 18_300, "input": 12_000, "output": 6_300, "successful_requests": 41},
        "thresholds": {"minimum_requests": 2, "degraded_from": 0.05, "down_from": 0.5},
        "providers": [{"prefix": "glm", **unknown}, {"prefix": "rev", **unknown}],
    }


async def test_health_when_requests_ended_then_each_prefix_is_judged() -> None:
    """Errors are 5xx; one prefix that is not up makes the whole degraded."""
    case = Case()
    case.finish("glm/a", 200, 3)
    case.finish("rev/a", 502)
    case.finish("rev/a", 429, 5)
    case.clock.advance(1.0)
    case.finish("rev/a", 504)
    body = await case.read()
    assert body["status"] == "degraded"
    assert isinstance(body["providers"], list)
    glm, rev = body["providers"]
    assert (glm["status"], glm["requests_30m"], glm["error_rate_30m"]) == ("up", 3, 0.0)
    assert (rev["status"], rev["errors_60m"], rev["error_rate_60m"]) == ("down", 2, 1.0)
    assert (rev["last_success_at"], rev["last_error_at"]) == (None, "2026-11-23T01:30:01Z")


async def test_health_when_answers_began_then_it_says_how_long_half_and_nearly_all_took() -> None:
    """From the head to the first content; who failed did not wait for any."""
    case = Case()
    for wait_s in (0.1,) * 9 + (2.0,):
        trace = Trace("req_1", "/v1/chat/completions", case.clock)
        trace.model, trace.status, trace.attempts = "glm/a", 200, 1
        case.clock.advance(wait_s)
        trace.mark_first_token()
        case.observer.finished(trace)
    case.finish("glm/a", 502)
    glm = (await case.read())["providers"][0]  # type: ignore[index]
    assert glm["first_content_p50_ms_30m"] == pytest.approx(100, rel=0.1)
    assert glm["first_content_p95_ms_60m"] == pytest.approx(2_000, rel=0.1)


async def test_health_is_public_and_may_be_cached() -> None:
    """No key is asked for; pages of any origin may read it."""
    client = await Case().ask()
    assert client.status == 200
    assert client.headers[b"cache-control"] == b"public, max-age=10"
    assert client.headers[b"access-control-allow-origin"] == b"*"


async def test_health_when_asked_often_then_it_is_built_every_five_seconds() -> None:
    """A page that polls costs nothing; a reload shows at once."""
    case = Case()
    first = (await case.ask()).body
    case.clock.advance(4.9)
    assert (await case.ask()).body == first
    case.clock.advance(0.1)
    assert (await case.ask()).body != first
    case.directory.offer = make_offer(providers=[FakeProvider(state=Readiness.NOT_CONFIGURED)])
    assert (await case.read())["catalog"] == {"model_count": 1, "available_count": 0}
    assert case.usage.reads == 3


async def test_health_when_many_ask_at_once_then_one_of_them_builds() -> None:
    """Nobody waits for the database twice."""
    pause = Pause()
    case = Case(pause)
    async with asyncio.TaskGroup() as tasks:
        builder = tasks.create_task(case.ask())
        await pause.reached.wait()
        assert (await case.ask()).status == 200
        pause.release()
    assert builder.result().status == 200
    assert case.usage.reads == 1


async def test_health_when_the_database_is_away_then_the_last_totals_stay() -> None:
    """Health must answer when things are unwell."""
    case = Case()
    before = (await case.read())["total_tokens_served"]
    case.usage.known = None
    case.clock.advance(5.0)
    assert (await case.read())["total_tokens_served"] == before


@pytest.mark.parametrize(("draining", "status"), [(False, 200), (True, 503)])
async def test_readiness_when_the_server_drains_then_balancers_look_elsewhere(draining: bool, status: int) -> None:
    """For the operator's machinery only; being alive is everyone's."""
    probes = ProbeRoutes(OperatorGate(None), lambda: draining)
    assert (await ask(probes.ready, "/readyz")).status == status
    assert (await ask(probes.ready, "/readyz", peer="203.0.113.7")).status == 404
    assert (await ask(probes.alive, "/healthz", peer="203.0.113.7")).status == 200


async def test_base_url_says_that_it_is_one() -> None:
    """And where the documentation is."""
    body = decode_any((await ask(Case().routes.base_url, "/v1")).body)
    assert isinstance(body, dict)
    assert body["base_url"] == "https://ai.example.org/v1"
    assert body["docs"] == "https://ai.example.org/docs"
    assert "base URL" in body["message"]
