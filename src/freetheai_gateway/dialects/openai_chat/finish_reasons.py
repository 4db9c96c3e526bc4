"""What servers write as `finish_reason`, the words of other dialects that leak through them included."""

from freetheai_gateway.dialects.protocol import UpstreamSaidError
from freetheai_gateway.domain.events import StopReason

_REASONS = {
    "stop": StopReason.END,
    "eos": StopReason.END,
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "max_output_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "tool_use": StopReason.TOOL_CALLS,
    "content_filter": StopReason.REFUSAL,
    "refusal": StopReason.REFUSAL,
    "safety": StopReason.REFUSAL,
    "sensitive": StopReason.REFUSAL,
    "recitation": StopReason.REFUSAL,
    "blocklist": StopReason.REFUSAL,
    "prohibited_content": StopReason.REFUSAL,
    "spii": StopReason.REFUSAL,
    "image_safety": StopReason.REFUSAL,
    "content_filtered": StopReason.REFUSAL,
    "guardrail_intervened": StopReason.REFUSAL,
    "pause_turn": StopReason.PAUSE,
}
_FAILURES = frozenset(
    {
        *("error", "abort", "network_error", "insufficient_system_resource"),
        *("malformed_function_call", "unexpected_tool_call", "function_call_filter"),
    }
)

_WRITTEN = {
    StopReason.END: "stop",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.PAUSE: "stop",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.LENGTH: "length",
    StopReason.CONTEXT_FULL: "length",
    StopReason.REFUSAL: "content_filter",
}


def read_finish(word: object) -> StopReason | None:
    """Read a finish reason; `None` where the reply goes on. Raises `UpstreamSaidError` for those that mean failure."""
    if not isinstance(word, str) or not word:
        return None
    word = word.lower().partition(":")[0]  # `content_filter: RECITATION`, as Gemini's compatible endpoint has it
    if word in _FAILURES:
        raise UpstreamSaidError
    return _REASONS.get(word, StopReason.END)


def write_finish(reason: StopReason, *, called: bool, legacy: bool) -> str:
    """Write a finish reason; `called`: a tool was called, `legacy`: the client asked with `functions`."""
    if called and reason in {StopReason.END, StopReason.STOP_SEQUENCE, StopReason.TOOL_CALLS}:
        return "function_call" if legacy else "tool_calls"
    return "stop" if reason is StopReason.TOOL_CALLS else _WRITTEN[reason]
