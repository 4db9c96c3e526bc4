"""`GET /metrics`: the numbers of `metrics.Metrics` in the text format that Prometheus reads.

prometheus-client renders them; it is imported by the first reader, not at start.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from freetheai_gateway.metrics import Family, Kind
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Read = Callable[[], Awaitable[Sequence[Family]]]
"""Reads every metric of the node, when someone asks."""


class MetricsRoute:
    """Answers scrapers."""

    def __init__(self, read: Read, gate: OperatorGate) -> None:
        self._read = read
        self._gate = gate

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer `GET /metrics` in the format that the scraper asks for."""
        self._gate.check(request)
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 - 40 ms that most starts never need

        encode, content_type = choose_encoder(request.header(b"accept").decode("latin-1"))
        body: bytes = encode(_Collected(await self._read()))
        await response.send_whole(200, ((b"content-type", content_type.encode()),), body)


class _Collected:
    """Metrics that were read, as prometheus-client's encoders ask for them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator["Metric"]:
        """Give every family."""
        from prometheus_client.core import (  # noqa: PLC0415 - as above
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for family in self._families:
            if family.kind is Kind.HISTOGRAM:
                yield _histogram(family)
                continue
            make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
            metric = make(family.name, family.help, labels=family.label_names)
            for row in family.rows:
                metric.add_metric(row.labels, row.numbers[0])
            yield metric


def _histogram(family: Family) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - as above

    timing = HistogramMetricFamily(family.name, family.help, labels=family.label_names)
    bounds = [*(repr(bound) for bound in family.buckets), "+Inf"]
    for row in family.rows:
        *counts, total = row.numbers
        timing.add_metric(row.labels, list(zip(bounds, accumulate(counts), strict=True)), sum_value=total)
    return timing
