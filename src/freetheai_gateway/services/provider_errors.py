"""What a member is told when an upstream fails: one sentence, no address, no foreign detail."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.complaint import Blame, Complaint, blame_of, parse_complaint
from freetheai_gateway.dialects.protocol import MalformedReply, UpstreamSaidError
from freetheai_gateway.domain.failures import ERROR_IN_REPLY, HTTP, MALFORMED, Mishap
from freetheai_gateway.errors import (
    ContentPolicyViolation,
    ContextLengthExceeded,
    GatewayError,
    InvalidRequest,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RequestTooLarge,
    whole_seconds,
)
from freetheai_gateway.services.body import MAX_ERROR_BYTES, Body
from freetheai_gateway.services.ports import Failure, UpstreamFailed, UpstreamReply
from freetheai_gateway.services.trace import Trace

RETRY_AFTER_S = 5.0
"""Told where the upstream names no time."""
MAX_RETRY_AFTER_S = 86_400.0

_TIMEOUTS = frozenset(
    {
        Failure.CONNECT_TIMEOUT,
        Failure.HEAD_TIMEOUT,
        Failure.CONTENT_TIMEOUT,
        Failure.IDLE_TIMEOUT,
        Failure.TOTAL_TIMEOUT,
    }
)


_CALLERS = frozenset({Blame.CONTEXT_LENGTH, Blame.CONTENT_POLICY, Blame.REQUEST, Blame.TOO_LARGE})
"""Faults of the request itself."""


def provider_failed(trace: Trace) -> ProviderError:
    """Say that the provider failed."""
    return ProviderError(
        f"The provider of {trace.model} failed. Retry once; if it happens again, report {trace.request_id} in Discord."
    )


def provider_timed_out(trace: Trace) -> ProviderTimeout:
    """Say that the provider was too slow."""
    return ProviderTimeout(
        f"The provider of {trace.model} did not answer in time. Retry once; if it happens again, "
        f"report {trace.request_id} in Discord."
    )


def provider_busy(model: str, retry_after_s: float = RETRY_AFTER_S) -> ProviderUnavailable:
    """Say that every upstream of the model is cooling down, full or spent."""
    return ProviderUnavailable(
        f"Every provider of {model} is busy; try again in {max(1, whole_seconds(retry_after_s))} s.",
        retry_after_s=retry_after_s,
    )


def from_transport(failed: UpstreamFailed, trace: Trace) -> GatewayError:
    """Translate a call that brought no complete reply."""
    trace.cause = str(failed)
    trace.outcome = failed.failure.value
    trace.mishap = Mishap(failed.failure.value, sent=failed.request_sent)
    return provider_timed_out(trace) if failed.failure in _TIMEOUTS else provider_failed(trace)


def from_fault(fault: MalformedReply | UpstreamSaidError, trace: Trace, *, begun: bool = False) -> GatewayError:
    """Translate a reply that is none; where it has `begun` the client has a part of it: it failed, whatever it says."""
    trace.cause = str(fault) or "the provider reported an error inside its reply"
    if isinstance(fault, MalformedReply):
        trace.outcome = MALFORMED
        trace.mishap = Mishap(MALFORMED)
        return provider_failed(trace)
    trace.outcome = ERROR_IN_REPLY
    trace.mishap = Mishap(HTTP, status=fault.status) if fault.status else Mishap(ERROR_IN_REPLY)
    match blame_of(fault.status):
        case Blame.BUSY if not begun:
            return provider_busy(trace.model)
        case Blame.TIMEOUT:
            return provider_timed_out(trace)
        case _:
            return provider_failed(trace)


async def from_refusal(reply: UpstreamReply, clock: Clock, trace: Trace) -> GatewayError:
    """Read what an upstream says in an HTTP error, close the reply and translate it."""
    try:
        body = await Body(reply).read_all(MAX_ERROR_BYTES)
    except (MalformedReply, UpstreamFailed):
        body = b""  # the status alone decides then
    finally:
        reply.close()
    return from_complaint(parse_complaint(reply.status, body), reply, clock.wall(), trace)


def from_complaint(complaint: Complaint, reply: UpstreamReply, now: float, trace: Trace) -> GatewayError:
    """Translate an HTTP error; the client's own faults keep the upstream's sentence."""
    trace.outcome = f"http_{reply.status}"
    trace.cause = f"status {reply.status}" + (f", code {complaint.code}" if complaint.code else "")
    told_s = told_retry_after_s(reply.headers, now, complaint.retry_delay_s)
    trace.mishap = Mishap(
        HTTP,
        status=reply.status,
        code=complaint.code or "",
        callers_fault=complaint.blame in _CALLERS,
        retry_after_s=told_s,
    )
    match complaint.blame:
        case Blame.BUSY:
            return provider_busy(trace.model, RETRY_AFTER_S if told_s is None else told_s)
        case Blame.TIMEOUT:
            return provider_timed_out(trace)
        case Blame.PROVIDER:
            return provider_failed(trace)
        case _:
            return _callers_fault(complaint, trace.model)


def _callers_fault(complaint: Complaint, model: str) -> GatewayError:
    text = complaint.message
    match complaint.blame:
        case Blame.CONTEXT_LENGTH:
            return ContextLengthExceeded(
                text or f"The request is longer than the context window of {model}.", param=complaint.param
            )
        case Blame.CONTENT_POLICY:
            return ContentPolicyViolation(text or f"The provider of {model} refused the content.")
        case Blame.TOO_LARGE:
            return RequestTooLarge(text or f"The request is too large for the provider of {model}.")
        case _:
            return InvalidRequest(
                text or f"The provider of {model} refused the request.", code=complaint.code, param=complaint.param
            )


def told_retry_after_s(
    headers: Sequence[tuple[bytes, bytes]], now: float, in_body: float | None = None
) -> float | None:
    """Read `retry-after` (seconds or an HTTP date, RFC 9110 section 10.2.3), else what the body says; within a day.

    `None` where neither says anything.
    """
    for name, value in headers:
        if name == b"retry-after":
            seconds = _seconds(value.decode("latin-1").strip(), now)
            if seconds is not None:
                return _within_a_day(seconds)
    return None if in_body is None else _within_a_day(in_body)


def _within_a_day(seconds: float) -> float:
    return min(max(1.0, seconds), MAX_RETRY_AFTER_S)


def _seconds(value: str, now: float) -> float | None:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
