"""Sums and buckets as plain numbers."""

import pytest

from freetheai_gateway.metrics import Counter, Histogram, Metrics


def test_counter_when_added_to_then_each_row_of_labels_has_its_own_sum() -> None:
    """By one, or by an amount."""
    counter = Counter("requests", "Requests.", ("route",))
    counter.add(("/a",))
    counter.add(("/a",), 2.5)
    counter.add(("/b",))
    assert counter.values == {("/a",): 3.5, ("/b",): 1}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.1, 0), (0.100001, 1), (1.0, 1), (1.5, 2), (99.0, 2)])
def test_histogram_when_observed_then_a_bound_belongs_to_its_bucket(seconds: float, bucket: int) -> None:
    """`le` means less or equal; what is over the last bound falls into the open bucket."""
    histogram = Histogram("seconds", "Seconds.", (), (0.1, 1.0))
    histogram.observe((), seconds)
    assert histogram.counts[()] == [int(index == bucket) for index in range(3)]
    assert histogram.sums[()] == seconds


def test_histogram_when_observed_often_then_counts_and_sums_grow_by_labels() -> None:
    """One row of labels does not touch another."""
    histogram = Histogram("seconds", "Seconds.", ("route",), (1.0,))
    for route, seconds in (("/a", 0.5), ("/a", 2.0), ("/b", 0.25)):
        histogram.observe((route,), seconds)
    assert histogram.counts == {("/a",): [1, 1], ("/b",): [1, 0]}
    assert histogram.sums == {("/a",): 2.5, ("/b",): 0.25}


def test_metrics_when_listed_then_the_names_and_labels_are_those_of_the_contract() -> None:
    """Dashboards are built on them: a change here breaks other people's."""
    metrics = Metrics()
    listed = {counter.name: counter.label_names for counter in metrics.counters}
    listed |= {histogram.name: histogram.label_names for histogram in metrics.histograms}
    assert listed == {
        "freetheai_requests": ("route", "model", "status", "code"),
        "freetheai_tokens": ("model", "kind"),
        "freetheai_cost_usd": ("provider",),
        "freetheai_upstream_attempts": ("provider", "model", "outcome"),
        "freetheai_refusals": ("code",),
        "freetheai_dropped_fields": ("from", "to", "field"),
        "freetheai_request_seconds": ("route", "streamed"),
        "freetheai_overhead_seconds": ("route",),
        "freetheai_first_token_seconds": ("model",),
    }
    assert not {"account", "key"} & {label for labels in listed.values() for label in labels}
