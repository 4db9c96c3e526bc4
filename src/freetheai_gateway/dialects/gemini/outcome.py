"""Why Gemini stopped, in neutral words. Source: Gemini API reference, "FinishReason"."""

from freetheai_gateway.domain.events import StopReason

_REFUSALS = frozenset(
    {
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "PUP_LIMITED_DISABLED"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    }
)
_FAILURES = frozenset(
    {
        *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
        *("MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"),
    }
)
_NOT_FINISHED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


def is_finish(reason: str | None) -> bool:
    """Tell whether a chunk's finish reason is one; some upstreams fill the field in every chunk."""
    return reason is not None and reason not in _NOT_FINISHED


def is_failure(reason: str) -> bool:
    """Tell whether the model broke off with something that is no answer; another try may help."""
    return reason in _FAILURES


def stop_reason(reason: str, *, has_calls: bool, has_text: bool) -> StopReason:
    """Translate a finish reason. `STOP` covers calls too; of unclear reasons the content tells what they mean."""
    if reason == "MAX_TOKENS":
        return StopReason.LENGTH
    if reason in _REFUSALS or (reason != "STOP" and not (has_text or has_calls)):
        return StopReason.REFUSAL
    return StopReason.TOOL_CALLS if has_calls else StopReason.END
