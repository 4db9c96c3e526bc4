"""`usage` as compatible servers tell it, wherever they put it.

Documented: `prompt_tokens` includes cached ones, `completion_tokens` includes reasoning, and `usage` stands at the top.
Seen: it stands in the choice (Moonshot) or in `x_groq` (Groq); cached tokens under other names (DeepSeek, Moonshot,
LiteLLM); reasoning beside the completion and not in it (xAI).
"""

from freetheai_gateway.domain.usage import Usage, detail_of, token_count
from freetheai_gateway.jsonc import InvalidJSON, Raw, decode_any, encode

Counts = dict[str, object]
_PLAIN = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)
"""What is documented; where nothing else stands at the top, no cache is told of under another name."""


def read_usage(value: Raw) -> tuple[Usage, int] | None:
    """Read `usage` and the tokens written to a cache; `None` where there is none, or only zeros: nothing was told.

    Counts that contradict each other are cut, so that nothing computed from them is negative.
    """
    usage = _object(value)
    if usage is None:
        return None
    input_tokens, output_tokens = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    if not input_tokens and not output_tokens:
        return None
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = written = reasoning = 0
    if prompt or not usage.keys() <= _PLAIN:
        cached = min(_cached(usage, prompt), input_tokens)
        written = min(_written(usage, prompt), input_tokens - cached)
    if completion and (reasoning := token_count(detail_of(completion, "reasoning_tokens"))):
        if token_count(usage.get("total_tokens")) == input_tokens + output_tokens + reasoning:
            output_tokens += reasoning
        reasoning = min(reasoning, output_tokens)
    return Usage(input_tokens, output_tokens, cached, reasoning), written


def read_groq(value: Raw) -> tuple[Usage, int] | None:
    """Read `usage` within `x_groq`."""
    inner = _object(value)
    usage = inner.get("usage") if inner is not None else None
    return read_usage(Raw(encode(usage))) if isinstance(usage, dict) else None


def _object(value: Raw) -> Counts | None:
    if not bytes(value).startswith(b"{"):
        return None
    try:
        found = decode_any(value)
    except InvalidJSON:
        return None
    return found if isinstance(found, dict) else None


def _cached(usage: Counts, prompt: object) -> int:
    told = (
        detail_of(prompt, "cached_tokens"),
        *(usage.get(name) for name in ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")),
    )
    return next((token_count(count) for count in told if count is not None), 0)


def _written(usage: Counts, prompt: object) -> int:
    told = (
        detail_of(prompt, "cache_write_tokens"),
        detail_of(prompt, "cache_creation_tokens"),
        usage.get("cache_creation_input_tokens"),
    )
    return next((token_count(count) for count in told if count is not None), 0)
