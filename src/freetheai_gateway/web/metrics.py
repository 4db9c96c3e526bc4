"""`GET /metrics`: the numbers of `metrics.Metrics` in the text format that Prometheus reads.

prometheus-client renders them; it is imported by the first reader, not at start.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from freetheai_gateway.metrics import Metrics
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Gauges = Mapping[str, tuple[str, tuple[str, ...], Callable[[], Mapping[tuple[str, ...], float]]]]
"""Name -> help, label names, and what reads the values when someone asks."""


class MetricsRoute:
    """Answers scrapers."""

    def __init__(self, metrics: Metrics, gauges: Gauges, gate: OperatorGate) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._gate = gate

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer `GET /metrics` in the format that the scraper asks for."""
        self._gate.check(request)
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - 40 ms that most starts never need

        encode, content_type = choose_encoder(request.header(b"accept").decode("latin-1"))
        body: bytes = encode(self)
        await response.send_whole(200, ((b"content-type", content_type.encode()),), body)

    def collect(self) -> Iterator["Metric"]:
        """Give every family, as prometheus-client's encoders ask for them."""
        from prometheus_client.core import (  # noqa: PLC0415 - as above
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for counter in self._metrics.counters:
            family = CounterMetricFamily(counter.name, counter.help, labels=counter.label_names)
            for labels, value in counter.values.items():
                family.add_metric(labels, value)
            yield family
        for name, (text, label_names, read) in self._gauges.items():
            gauge = GaugeMetricFamily(name, text, labels=label_names)
            for labels, value in read().items():
                gauge.add_metric(labels, value)
            yield gauge
        for histogram in self._metrics.histograms:
            timing = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.label_names)
            bounds = [*(repr(bound) for bound in histogram.buckets), "+Inf"]
            for labels, counts in histogram.counts.items():
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                timing.add_metric(labels, buckets, sum_value=histogram.sums[labels])
            yield timing
