"""What is counted of the running gateway, as plain numbers: adding to one costs a tenth of a microsecond.

The numbers are turned into the Prometheus text format only when someone reads them (`web/metrics.py`). Labels come
from the catalogue and the route table alone, never from an account, a key or anything that a client wrote.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

Labels = tuple[str, ...]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
FINE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)


class Sum:
    """One sum; whoever adds to it often keeps it, because finding it by its labels costs more than adding."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Timing:
    """One row of a histogram, to be kept like a `Sum`: durations, counted by bucket and summed, in seconds."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds


class Counter:
    """Sums by labels."""

    __slots__ = ("_sums", "help", "label_names", "name")

    def __init__(self, name: str, text: str, label_names: Labels) -> None:
        self.name = name
        self.help = text
        self.label_names = label_names
        self._sums: dict[Labels, Sum] = {}

    @property
    def values(self) -> dict[Labels, float]:
        """Every sum that was added to, by its labels."""
        return {labels: one.value for labels, one in self._sums.items() if one.value}

    def sum_of(self, labels: Labels) -> Sum:
        """Find one sum; a new one is 0, and shown once it is more."""
        found = self._sums.get(labels)
        if found is None:
            found = self._sums[labels] = Sum()
        return found

    def clear(self) -> None:
        """Set every sum to 0."""
        for one in self._sums.values():
            one.value = 0

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Add to one sum."""
        self.sum_of(labels).value += amount


class Histogram:
    """Counts by labels and bucket; `buckets` are upper bounds in seconds, the last one is open."""

    __slots__ = ("_rows", "buckets", "help", "label_names", "name")

    def __init__(self, name: str, text: str, label_names: Labels, buckets: tuple[float, ...] = SECONDS) -> None:
        self.name = name
        self.help = text
        self.label_names = label_names
        self.buckets = buckets
        self._rows: dict[Labels, Timing] = {}

    @property
    def counts(self) -> dict[Labels, list[int]]:
        """Durations by bucket, by labels."""
        return {labels: row.counts for labels, row in self._rows.items()}

    @property
    def sums(self) -> dict[Labels, float]:
        """Seconds in all, by labels."""
        return {labels: row.total for labels, row in self._rows.items()}

    def row_of(self, labels: Labels) -> Timing:
        """Find one row, an empty one where there was none."""
        found = self._rows.get(labels)
        if found is None:
            found = self._rows[labels] = Timing(self.buckets)
        return found

    def clear(self) -> None:
        """Set every row to 0."""
        for row in self._rows.values():
            row.counts = [0] * (len(self.buckets) + 1)
            row.total = 0.0

    def observe(self, labels: Labels, seconds: float) -> None:
        """Count one duration."""
        self.row_of(labels).observe(seconds)


Gauges = Mapping[str, tuple[str, Labels, Callable[[], Mapping[Labels, float]]]]
"""Name -> help, label names, and what reads the values when someone asks."""


class Kind(StrEnum):
    """How a family's numbers are to be read."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Row(msgspec.Struct, frozen=True):
    """The numbers of one set of labels: one, or a histogram's counts by bucket and then their seconds in all."""

    labels: Labels
    numbers: list[float]


class Family(msgspec.Struct, frozen=True):
    """A metric as it was at one moment, fit to be sent to another process; `buckets` are a histogram's bounds."""

    name: str
    kind: Kind
    help: str
    label_names: Labels
    rows: list[Row]
    buckets: tuple[float, ...] = ()


_WORST: Mapping[str, Callable[[float, float], float]] = {
    "freetheai_limits_backend_up": min,
    "freetheai_breaker_open": max,
    "freetheai_upstream_breaker_open": max,
    "freetheai_upstream_cooling_keys": max,
    "freetheai_prefix_requests": max,
    "freetheai_prefix_status": min,
}
"""Gauges that are not added up: the worst process stands for all. What is told of prefixes is the node's already."""


def join_families(processes: Iterable[Sequence[Family]]) -> list[Family]:
    """Make one set of metrics of several processes', in the order of the first."""
    joined: dict[str, Family] = {}
    for families in processes:
        for family in families:
            known = joined.get(family.name)
            joined[family.name] = family if known is None else _join(known, family)
    return list(joined.values())


def _join(one: Family, other: Family) -> Family:
    rows = {row.labels: row.numbers for row in one.rows}
    join = _WORST.get(one.name)
    for row in other.rows:
        known = rows.get(row.labels)
        if known is None:
            rows[row.labels] = row.numbers
        elif join is not None:
            rows[row.labels] = [join(known[0], row.numbers[0])]
        else:
            rows[row.labels] = [a + b for a, b in zip(known, row.numbers, strict=True)]
    return msgspec.structs.replace(one, rows=[Row(labels, numbers) for labels, numbers in rows.items()])


class Metrics:
    """Every counter and histogram of the contract (design section 5, "Metrics")."""

    def __init__(self) -> None:
        self.requests = Counter("freetheai_requests", "Requests answered.", ("route", "model", "status", "code"))
        self.tokens = Counter("freetheai_tokens", "Tokens used, as upstreams report them.", ("model", "kind"))
        self.cost_usd = Counter("freetheai_cost_usd", "Upstream cost by the configured prices.", ("provider",))
        self.upstream_attempts = Counter(
            "freetheai_upstream_attempts", "Calls to upstreams.", ("provider", "model", "outcome")
        )
        self.refusals = Counter("freetheai_refusals", "Requests refused before they reached an upstream.", ("code",))
        self.dropped_fields = Counter(
            "freetheai_dropped_fields", "Request fields that translation left out.", ("from", "to", "field")
        )
        self.request_seconds = Histogram(
            "freetheai_request_seconds", "From the request's head to the last byte.", ("route", "streamed")
        )
        self.overhead_seconds = Histogram(
            "freetheai_overhead_seconds", "The gateway's own time before the first byte.", ("route",), FINE_SECONDS
        )
        self.first_token_seconds = Histogram(
            "freetheai_first_token_seconds", "From the request's head to the first content.", ("model",)
        )

    @property
    def counters(self) -> tuple[Counter, ...]:
        """All counters."""
        return self.requests, self.tokens, self.cost_usd, self.upstream_attempts, self.refusals, self.dropped_fields

    def clear(self) -> None:
        """Begin at zero again, in the same cells: whoever kept one goes on adding to it."""
        for counter in self.counters:
            counter.clear()
        for histogram in self.histograms:
            histogram.clear()

    def families(self, gauges: Gauges) -> list[Family]:
        """Copy every number as it is now."""
        counted = [
            Family(each.name, Kind.COUNTER, each.help, each.label_names, [Row(k, [v]) for k, v in each.values.items()])
            for each in self.counters
        ]
        read = [
            Family(name, Kind.GAUGE, text, label_names, [Row(labels, [value]) for labels, value in values().items()])
            for name, (text, label_names, values) in gauges.items()
        ]
        timed = [
            Family(
                each.name,
                Kind.HISTOGRAM,
                each.help,
                each.label_names,
                [Row(labels, [*counts, each.sums[labels]]) for labels, counts in each.counts.items()],
                each.buckets,
            )
            for each in self.histograms
        ]
        return counted + read + timed

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """All histograms."""
        return self.request_seconds, self.overhead_seconds, self.first_token_seconds
