"""The end of an admitted request, exactly once."""

import pytest

from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import ProviderError, ProviderTimeout
from freetheai_gateway.services.settle import Settlement
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import PRICE, member
from freetheai_gateway.testing.ports import MemoryLedger


class CountingLease:
    """Implements `Lease`."""

    standings = ()

    def __init__(self) -> None:
        self.settled: list[tuple[bool, int]] = []

    def settle(self, *, delivered: bool, tokens: int = 0, images: int = 0) -> None:
        self.settled.append((delivered, tokens))


class Case:
    """A settlement and all that it touches."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.clock = FakeClock()
        self.lease = CountingLease()
        self.ledger = MemoryLedger(failure=failure)
        self.trace = Trace("req_1", "/v1/chat/completions", self.clock)
        self.trace.caller = member()
        self.settlement = Settlement(self.lease, self.ledger, self.trace, 400)


def test_settlement_when_ended_many_times_then_the_first_end_counts() -> None:
    """Whatever the order of the others."""
    case = Case()
    case.settlement.fail(ProviderTimeout("slow"))
    case.settlement.succeed()
    case.settlement.fail(ProviderError("bad"))
    case.settlement.abandon()
    (record,) = case.ledger.records
    assert (record.status, record.code) == (504, "provider_timeout")
    assert (case.trace.status, case.trace.code) == (504, "provider_timeout")
    assert case.lease.settled == [(False, 0)]


def test_settlement_when_abandoned_then_it_is_a_fault_of_ours() -> None:
    """No outcome was ever told."""
    case = Case()
    case.settlement.abandon()
    assert (case.ledger.records[0].status, case.ledger.records[0].code) == (500, "server_error")


def test_settlement_when_the_ledger_raises_then_the_slot_is_freed_once() -> None:
    """And is not tried again by whoever cleans up."""
    case = Case(failure=OSError("disk"))
    case.settlement.note_usage(Usage(3, 4), delivered=True, output_tokens=0)
    with pytest.raises(OSError, match="disk"):
        case.settlement.succeed()
    case.settlement.abandon()
    assert case.lease.settled == [(True, 7)]


@pytest.mark.parametrize(
    ("usage", "said", "expected", "estimated"),
    [
        (Usage(10, 20), (True, 5, True), Usage(10, 20), False),
        (Usage(10, 20), (True, 50, True), Usage(10, 20), False),
        (Usage(10, 20), (False, 0, True), Usage(10, 20), False),
        (None, (True, 5, True), Usage(100, 5), True),
        (None, (True, 0, True), Usage(100, 1), True),
        (None, (False, 0, True), Usage(), False),
        (None, (True, 5, False), Usage(100, 5), True),
        (Usage(10, 1, 4), (True, 5, False), Usage(10, 5, 4), True),
        (Usage(10, 20), (True, 5, False), Usage(10, 20), False),
        (Usage(10, 0), (False, 5, False), Usage(10, 0), False),
    ],
)
def test_usage_when_it_is_missing_or_partial_then_it_is_estimated(
    usage: Usage | None, said: tuple[bool, int, bool], expected: Usage, estimated: bool
) -> None:
    """Never below what was delivered; nothing is charged where nothing was said and nothing delivered."""
    case, (delivered, events, complete) = Case(), said
    case.settlement.note_usage(usage, delivered=delivered, output_tokens=events, complete=complete)
    assert (case.trace.usage, case.trace.estimated, case.trace.delivered) == (expected, estimated, delivered)


def test_usage_when_noted_after_the_end_then_nothing_changes() -> None:
    """The log line says what the record says."""
    case = Case()
    case.settlement.note_usage(Usage(1, 2), delivered=True, output_tokens=0)
    case.settlement.succeed()
    case.settlement.note_usage(None, delivered=True, output_tokens=9)
    assert case.trace.usage == Usage(1, 2)


def test_record_has_times_counts_and_cost_and_no_more() -> None:
    """Every field that a request fills in."""
    case = Case()
    trace = case.trace
    trace.model, trace.provider, trace.upstream_model = "glm/glm-5.1", "zai", "glm-5.1"
    trace.attempts, trace.streamed = 2, True
    case.settlement.upstream = Upstream("zai", "glm-5.1", price=PRICE)
    case.clock.advance(0.25)
    trace.mark_first_token()
    case.clock.advance(1.0)
    trace.mark_first_token()
    case.settlement.note_usage(Usage(30, 20, 10, 5), delivered=True, output_tokens=0)
    case.settlement.succeed()
    (record,) = case.ledger.records
    assert (record.duration_ms, record.first_token_ms) == (1250, 250)
    assert (record.attempts, record.streamed, record.estimated) == (2, True, False)
    assert (record.input_tokens, record.output_tokens, record.cached_tokens, record.reasoning_tokens) == (30, 20, 10, 5)
    assert record.cost_micro_usd == 65
    assert case.trace.cost_micro_usd == 65


@pytest.mark.parametrize(("outcome", "expected"), [("", "canceled"), ("http_500", "http_500")])
def test_outcome_when_nothing_went_wrong_upstream_then_it_was_canceled(outcome: str, expected: str) -> None:
    """The label of an attempt that ended otherwise; success is always `ok`."""
    case, good = Case(), Case()
    case.trace.outcome = good.trace.outcome = outcome
    case.settlement.fail(ProviderError("x"))
    good.settlement.succeed()
    assert (case.trace.outcome, good.trace.outcome) == (expected, "ok")
