"""What a member is told when an upstream fails."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from freetheai_gateway.dialects.complaint import parse_complaint
from freetheai_gateway.dialects.protocol import MalformedReply, UpstreamSaidError
from freetheai_gateway.domain.failures import HTTP, Mishap
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.services.provider_errors import (
    from_complaint,
    from_fault,
    from_transport,
    provider_busy,
    told_retry_after_s,
)
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.ports import FakeReply

NOW = 1_795_392_000.0
FAILED = "The provider of glm/glm-5.1 failed. Retry once; if it happens again, report req_1 in Discord."
TIMED_OUT = (
    "The provider of glm/glm-5.1 did not answer in time. Retry once; if it happens again, report req_1 in Discord."
)


def _trace() -> Trace:
    trace = Trace("req_1", "/v1/chat/completions", FakeClock())
    trace.model = "glm/glm-5.1"
    return trace


@pytest.fixture
def trace() -> Trace:
    """Begin a request for a model."""
    return _trace()


def _complaint(trace: Trace, status: int, body: object = None, **headers: bytes) -> GatewayError:
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    reply = FakeReply(status=status, headers=pairs)
    return from_complaint(parse_complaint(status, encode(body)), reply, NOW, trace)


@pytest.mark.parametrize("failure", list(Failure))
def test_transport_failure_is_a_timeout_only_where_a_deadline_passed(failure: Failure, trace: Trace) -> None:
    """502 or 504, in the words of the contract; the cause is for the operator."""
    error = from_transport(UpstreamFailed(failure, Phase.SENT, 7), trace)
    expected = (504, "provider_timeout", TIMED_OUT) if "timeout" in failure else (502, "provider_error", FAILED)
    assert (error.status, error.code, error.message) == expected
    assert trace.cause == f"{failure} in phase sent, errno 7"
    assert trace.outcome == failure


def test_fault_in_a_reply_is_a_failure_of_the_provider(trace: Trace) -> None:
    """The client is told no more than for any other failure."""
    assert from_fault(MalformedReply("the reply has no choices"), trace).message == FAILED
    assert (trace.cause, trace.outcome) == ("the reply has no choices", "malformed")
    assert from_fault(UpstreamSaidError(), trace).status == 502
    assert trace.outcome == "error_in_reply"


def test_fault_that_says_busy_is_a_failure_once_the_client_has_a_part_of_the_reply(trace: Trace) -> None:
    """Before that another try may help; after it the answer is lost, and is to be reported if it happens again."""
    assert from_fault(UpstreamSaidError(status=529), trace).status == 503
    assert from_fault(UpstreamSaidError(status=529), trace, begun=True).message == FAILED
    assert trace.mishap == Mishap(HTTP, status=529)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, 400),
        (422, 400),
        (413, 413),
        (401, 502),
        (402, 502),
        (403, 502),
        (404, 502),
        (408, 504),
        (429, 503),
        (500, 502),
        (502, 502),
        (503, 503),
        (504, 504),
        (524, 504),
        (529, 503),
        (201, 502),
        (302, 502),
    ],
)
def test_status_of_an_upstream_becomes_one_that_means_the_same_for_the_client(
    status: int, expected: int, trace: Trace
) -> None:
    """Our credentials' troubles are never the client's 401."""
    assert _complaint(trace, status).status == expected
    assert trace.outcome == f"http_{status}"


@pytest.mark.parametrize(
    ("status", "fields", "type_", "code", "message"),
    [
        (400, {"message": "temperature is too high", "param": "temperature"}, "invalid_request_error", None, None),
        (400, {"message": "bad", "code": "bad_thing"}, "invalid_request_error", "bad_thing", None),
        (400, {}, "invalid_request_error", None, "The provider of glm/glm-5.1 refused the request."),
        (400, {"message": "This model's maximum context length is 5"}, "context_length_exceeded", None, None),
        (
            400,
            {"code": "context_length_exceeded"},
            "context_length_exceeded",
            None,
            "The request is longer than the context window of glm/glm-5.1.",
        ),
        (
            400,
            {"code": "content_policy_violation"},
            "content_policy_violation",
            None,
            "The provider of glm/glm-5.1 refused the content.",
        ),
        (413, {}, "request_too_large", None, "The request is too large for the provider of glm/glm-5.1."),
    ],
)
def test_complaint_about_the_request_keeps_the_upstreams_sentence(
    status: int, fields: dict[str, object], type_: str, code: str | None, message: str | None
) -> None:
    """Or has one of ours where it gave none."""
    error = _complaint(_trace(), status, {"error": fields})
    assert (error.type, error.code) == (type_, code or type_)
    assert error.message == (message or fields["message"])
    assert error.param == fields.get("param")


def test_complaint_when_it_names_addresses_and_keys_then_they_are_removed(trace: Trace) -> None:
    """Neither the client nor the log sees them."""
    secret, address = "sk-proj-abcdefghijklmnop", "https://internal.example/v1?key=1"
    error = _complaint(trace, 400, {"error": {"message": f"{secret} was refused by {address}", "code": secret}})
    for text in (error.message, error.code, trace.cause):
        assert secret not in text
        assert "internal" not in text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"17", 17.0),
        (b" 2.5 ", 2.5),
        (b"0", 1.0),
        (b"-3", 1.0),
        (b"36000", 36_000.0),
        (b"999999999", 86_400.0),
        (b"inf", 86_400.0),
        (b"nan", 1.0),
        (b"soon", None),
        (b"", None),
        (b"\xff\x00", None),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True).encode(), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True).encode(), 1.0),
        (b"Mon, 99 Foo 9999 99:99:99 GMT", None),
        (b"Mon, 01 Jan 9999 00:00:00 GMT", 86_400.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_within_a_day(value: bytes | None, seconds: float | None) -> None:
    """RFC 9110 section 10.2.3, and what upstreams make of it."""
    headers = [] if value is None else [(b"retry-after", value)]
    assert told_retry_after_s(headers, NOW) == seconds


def test_busy_provider_says_when_to_come_back(trace: Trace) -> None:
    """The number in the sentence is the one of the header: rounded up."""
    error = _complaint(trace, 429, retry_after=b"16.2")
    assert error.message == "Every provider of glm/glm-5.1 is busy; try again in 17 s."
    assert (error.retry_after_s, error.should_not_retry) == (16.2, False)
    assert _complaint(trace, 429, retry_after=b"36000").should_not_retry
    assert provider_busy("m").retry_after_s == 5.0
