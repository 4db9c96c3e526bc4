"""What is kept in mind of a finished request: metrics, and whether its provider did well."""

import pytest

from freetheai_gateway.domain.health import Counts, Status, Thresholds
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.observe import FOREIGN_CODE, Observer
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import GLM

CHAT = "/v1/chat/completions"
PREFIX = "glm"
HOUR_S = 3_600.0


class Observed:
    """An observer, and requests that end under its eyes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.observer = Observer(self.metrics, Thresholds(minimum_requests=2), self.clock)

    def finish(self, status: int = 200, code: str = "", *, model: str = GLM, attempts: int = 1) -> Trace:
        """End one request."""
        trace = Trace("req_1", CHAT, self.clock)
        trace.status, trace.code, trace.model, trace.attempts = status, code, model, attempts
        trace.provider, trace.outcome = "zai", "ok" if status == 200 else "failed"
        self.observer.finished(trace)
        return trace

    @property
    def counts(self) -> Counts:
        """What the prefix is judged by."""
        return self.observer.health_of(PREFIX).counts(self.clock.wall(), HOUR_S)


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.mark.parametrize(
    ("status", "code", "counts"),
    [
        (200, "", Counts(1, 0)),
        (500, "server_error", Counts(0, 1)),
        (502, "provider_error", Counts(0, 1)),
        (503, "provider_unavailable", Counts(0, 1)),
        (504, "provider_timeout", Counts(0, 1)),
        (503, "not_configured", Counts(0, 0)),
        (503, "restarting", Counts(0, 0)),
        (400, "invalid_request_error", Counts(0, 0)),
        (403, "model_access_denied", Counts(0, 0)),
        (413, "request_too_large", Counts(0, 0)),
        (429, "requests_per_minute", Counts(0, 0)),
        (499, "client_canceled", Counts(0, 0)),
    ],
)
def test_health_when_a_request_ends_then_only_5xx_of_providers_are_errors(
    observed: Observed, status: int, code: str, counts: Counts
) -> None:
    """A client's mistake, a client that left, and what the operator did or left undone, are nobody's error."""
    observed.finish(status, code)
    assert observed.counts == counts


def test_health_when_a_request_named_no_model_then_nothing_is_judged(observed: Observed) -> None:
    """A list or a page says nothing of a provider."""
    observed.finish(500, "server_error", model="", attempts=0)
    assert observed.counts == Counts(0, 0)
    assert observed.observer.statuses([PREFIX]) == {PREFIX: Status.UNKNOWN}


def test_statuses_when_asked_then_each_prefix_is_judged_by_its_own(observed: Observed) -> None:
    """One that fails does not drag the others."""
    for model, status in ((GLM, 200), (GLM, 200), ("rev/x", 502), ("rev/x", 502)):
        observed.finish(status, "" if status == 200 else "provider_error", model=model)
    statuses = observed.observer.statuses([PREFIX, "rev", "new"])
    assert statuses == {PREFIX: Status.UP, "rev": Status.DOWN, "new": Status.UNKNOWN}


def test_requests_when_counted_then_route_model_status_and_code_are_the_labels(observed: Observed) -> None:
    """One count per request, whatever came of it."""
    observed.finish()
    observed.finish(502, "provider_error")
    observed.finish(502, "provider_error")
    assert observed.metrics.requests.values == {
        (CHAT, GLM, "200", ""): 1,
        (CHAT, GLM, "502", "provider_error"): 2,
    }


def test_code_when_an_upstream_made_it_up_then_it_becomes_no_label(observed: Observed) -> None:
    """Labels come from us alone: a provider could otherwise fill the memory with them."""
    observed.finish(400, "some_vendor_code_4711")
    assert observed.metrics.requests.values == {(CHAT, GLM, "400", FOREIGN_CODE): 1}


def test_route_when_there_was_none_then_it_is_called_none(observed: Observed) -> None:
    """Paths that somebody tried are not labels either."""
    trace = Trace("req_1", "", observed.clock)
    trace.status, trace.code = 404, "not_found_error"
    observed.observer.finished(trace)
    assert observed.metrics.requests.values == {("none", "", "404", "not_found_error"): 1}


@pytest.mark.parametrize(
    ("status", "code", "attempts", "counted"),
    [
        (401, "invalid_api_key", 0, True),
        (403, "model_access_denied", 0, True),
        (429, "concurrency", 0, True),
        (400, "invalid_json", 0, False),
        (503, "not_configured", 0, False),
        (429, "rate_limit_error", 1, False),
    ],
)
def test_refusals_when_counted_then_they_are_those_of_the_gateway(
    observed: Observed, status: int, code: str, attempts: int, counted: bool
) -> None:
    """Key, access and limits; what an upstream refused is an attempt."""
    observed.finish(status, code, attempts=attempts)
    assert observed.metrics.refusals.values == ({(code,): 1} if counted else {})


def test_attempts_when_counted_then_provider_model_and_outcome_are_the_labels(observed: Observed) -> None:
    """A request that never reached a provider is no attempt."""
    observed.finish()
    observed.finish(502, "provider_error")
    observed.finish(429, "concurrency", attempts=0)
    assert observed.metrics.upstream_attempts.values == {("zai", GLM, "ok"): 1, ("zai", GLM, "failed"): 1}


def test_tokens_and_cost_when_known_then_each_kind_is_summed(observed: Observed) -> None:
    """Cached and reasoning tokens are parts of the others, and named only where there are any."""
    for usage in (Usage(30, 20), Usage(30, 20, cached_tokens=10, reasoning_tokens=5), Usage()):
        trace = Trace("req_1", CHAT, observed.clock)
        trace.status, trace.model, trace.attempts, trace.provider = 200, GLM, 1, "zai"
        trace.usage, trace.cost_micro_usd = usage, 1_500 if usage.input_tokens else 0
        observed.observer.finished(trace)
    assert observed.metrics.tokens.values == {
        (GLM, "input"): 60,
        (GLM, "output"): 40,
        (GLM, "cached"): 10,
        (GLM, "reasoning"): 5,
    }
    assert observed.metrics.cost_usd.values == {("zai",): pytest.approx(0.003)}


def test_durations_when_observed_then_whole_own_and_first_token_are_kept_apart(observed: Observed) -> None:
    """In seconds; the first token only where there was one."""
    trace = Trace("req_1", CHAT, observed.clock)
    trace.status, trace.model, trace.attempts, trace.streamed, trace.own_s = 200, GLM, 1, True, 0.002
    observed.clock.advance(0.5)
    trace.mark_first_token()
    observed.clock.advance(2.0)
    observed.observer.finished(trace)
    observed.finish()
    metrics = observed.metrics
    assert metrics.request_seconds.sums == {(CHAT, "true"): 2.5, (CHAT, "false"): 0.0}
    assert metrics.overhead_seconds.sums == {(CHAT,): 0.002}
    assert metrics.first_token_seconds.sums == {(GLM,): 0.5}


def test_dropped_fields_when_a_client_made_the_name_up_then_it_becomes_no_label(observed: Observed) -> None:
    """Documented fields are counted by name, all others together."""
    for number in range(5):
        trace = Trace("req_1", CHAT, observed.clock)
        trace.status, trace.lane, trace.dropped = 200, ("openai_chat", "gemini"), ("seed", f"field_{number}")
        observed.observer.finished(trace)
    counted = observed.metrics.dropped_fields.values
    assert counted == {("openai_chat", "gemini", "seed"): 5, ("openai_chat", "gemini", "other"): 5}
