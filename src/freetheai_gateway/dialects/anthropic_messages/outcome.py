"""Why a reply ended and what it used, in the words of Messages."""

from freetheai_gateway.domain.events import Finished, StopReason
from freetheai_gateway.domain.usage import Usage

_REASONS = {
    StopReason.END: "end_turn",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.TOOL_CALLS: "end_turn",
    StopReason.LENGTH: "max_tokens",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
    StopReason.REFUSAL: "refusal",
    StopReason.PAUSE: "pause_turn",
}
_CUT_SHORT = frozenset({StopReason.LENGTH, StopReason.CONTEXT_FULL, StopReason.REFUSAL})
"""Here the last call may be half a call: clients must not run it."""

CHARACTERS_PER_TOKEN = 4
"""Measure of the answer where an upstream tells no usage."""


def write_stop(finished: Finished, *, has_calls: bool, has_refusal: bool) -> dict[str, object]:
    """Write `stop_reason` and `stop_sequence`.

    A reply that called tools says so whatever the upstream said, unless it was cut short; one that did not never does.
    """
    if has_calls and finished.reason not in _CUT_SHORT:
        return {"stop_reason": "tool_use", "stop_sequence": None}
    reason = _REASONS[finished.reason]
    if has_refusal and reason == "end_turn":
        reason = "refusal"
    stop: dict[str, object] = {"stop_reason": reason, "stop_sequence": finished.stop_sequence}
    if finished.detail is not None:
        stop["stop_details"] = finished.detail
    return stop


def write_usage(usage: Usage, cache_written_tokens: int) -> dict[str, object]:
    """Write usage; here `input_tokens` excludes what the cache gave and took."""
    written = min(cache_written_tokens, usage.input_tokens)
    read = min(usage.cached_tokens, usage.input_tokens - written)
    counts: dict[str, object] = {
        "input_tokens": usage.input_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        thinking = min(usage.reasoning_tokens, usage.output_tokens)
        counts["output_tokens_details"] = {"thinking_tokens": thinking}
    return counts


def completed_usage(usage: Usage, input_estimate: int, character_count: int) -> Usage:
    """Fill in by estimate what an upstream did not tell: no reply has no input, and none with text has no output."""
    return Usage(
        input_tokens=usage.input_tokens or input_estimate,
        output_tokens=usage.output_tokens or -(-character_count // CHARACTERS_PER_TOKEN),
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
