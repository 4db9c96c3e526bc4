"""The numbers in the format that scrapers read, as another parser of it sees them."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from freetheai_gateway.metrics import Family, Gauges, Metrics
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.web.metrics import MetricsRoute
from freetheai_gateway.web.operators import OperatorGate
from tests.unit.web.answers import Headers, ask

CHAT = "/v1/chat/completions"
GAUGES: Gauges = {
    "freetheai_open_streams": ("Streams.", (), lambda: {(): 3}),
    "freetheai_upstream_in_flight": ("Calls.", ("provider",), lambda: {("zai",): 2, ("rev",): 0}),
}


def some_metrics() -> Metrics:
    """Count a little."""
    metrics = Metrics()
    metrics.requests.add((CHAT, 'odd"\\\nmodel', "200", ""), 41)
    metrics.request_seconds.observe((CHAT, "true"), 0.02)
    metrics.request_seconds.observe((CHAT, "true"), 400.0)
    return metrics


def route_of(metrics: Metrics) -> MetricsRoute:
    """Make the route over the metrics of one process."""

    async def read() -> list[Family]:
        return metrics.families(GAUGES)

    return MetricsRoute(read, OperatorGate(None))


async def scrape(metrics: Metrics, headers: Headers = ()) -> Client:
    """Read them as a scraper does."""
    return await ask(route_of(metrics), "/metrics", headers)


async def test_metrics_when_scraped_then_every_sample_is_there() -> None:
    """Counters end in `_total`, gauges are read at that moment, labels are escaped."""
    client = await scrape(some_metrics())
    assert client.status == 200
    assert client.headers[b"content-type"].startswith(b"text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse_text(client.body.decode())
        for sample in family.samples
    }
    labels = (("code", ""), ("model", 'odd"\\\nmodel'), ("route", CHAT), ("status", "200"))
    assert samples["freetheai_requests_total", *labels] == 41
    assert samples["freetheai_open_streams",] == 3
    assert samples["freetheai_upstream_in_flight", ("provider", "zai")] == 2
    assert samples["freetheai_upstream_in_flight", ("provider", "rev")] == 0


async def test_histogram_when_scraped_then_its_buckets_add_up() -> None:
    """Each bucket counts what is at most its bound; the last one counts all."""
    client = await scrape(some_metrics())
    samples = [
        sample
        for family in parse_text(client.body.decode())
        for sample in family.samples
        if sample.name.startswith("freetheai_request_seconds")
    ]
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert (buckets["0.01"], buckets["0.025"], buckets["300.0"], buckets["+Inf"]) == (0, 1, 1, 2)
    assert list(buckets.values()) == sorted(buckets.values())
    others = {sample.name: sample.value for sample in samples if "le" not in sample.labels}
    assert others == {
        "freetheai_request_seconds_count": 2,
        "freetheai_request_seconds_sum": pytest.approx(400.02),
    }


async def test_metrics_when_openmetrics_is_accepted_then_it_is_sent() -> None:
    """What Prometheus asks for by itself."""
    accept = b"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    client = await scrape(some_metrics(), [(b"accept", accept)])
    assert client.headers[b"content-type"].startswith(b"application/openmetrics-text")
    families = {family.name: family.type for family in parse_openmetrics(client.body.decode())}  # type: ignore[no-untyped-call]
    assert families["freetheai_requests"] == "counter"
    assert families["freetheai_request_seconds"] == "histogram"
    assert families["freetheai_open_streams"] == "gauge"


async def test_metrics_when_nothing_happened_then_the_families_are_there() -> None:
    """A dashboard finds its names before the first request."""
    client = await scrape(Metrics())
    named = {family.name for family in parse_text(client.body.decode())}
    assert {"freetheai_requests", "freetheai_tokens", "freetheai_request_seconds", "freetheai_open_streams"} <= named


async def test_metrics_when_a_stranger_asks_then_there_is_no_such_route() -> None:
    """The gate decides before anything is read."""
    route = route_of(Metrics())
    client = await ask(route, "/metrics", peer="203.0.113.9")
    assert client.status == 404
    assert b"freetheai_" not in client.body
