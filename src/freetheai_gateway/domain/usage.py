"""What a finished request used, and the record that is left of it. Never content."""

from dataclasses import dataclass

import msgspec

MAX_TOKENS = 1_000_000_000
"""More than any reply can use: what an upstream claims beyond it is cut off, so that sums stay within 64 bits."""


def token_count(claimed: object) -> int:
    """Read a count that an upstream claims: absent, negative and other things are 0, absurd ones are capped.

    A whole number may come as a float: servers in JavaScript know no other.
    """
    if not claimed or not isinstance(claimed, int | float) or claimed < 0:
        return 0
    return int(min(MAX_TOKENS, claimed))


def detail_of(details: object, name: str) -> object:
    """Give a field of the details of a count; some servers send a list or null in the place of the object."""
    return details.get(name) if isinstance(details, dict) else None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts as billed: `input_tokens` includes `cached_tokens`, `output_tokens` includes reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, and per image."""

    input_per_million: float = 0.0
    cached_input_per_million: float | None = None
    output_per_million: float = 0.0
    per_image: float = 0.0


def cost_micro_usd(usage: Usage, price: Price, images: int = 0) -> int:
    """Price a usage in whole millionths of a dollar; a dollar per million tokens is one micro-dollar a token."""
    cached_rate = price.input_per_million if price.cached_input_per_million is None else price.cached_input_per_million
    fresh = max(0, usage.input_tokens - usage.cached_tokens)
    return round(
        fresh * price.input_per_million
        + usage.cached_tokens * cached_rate
        + usage.output_tokens * price.output_per_million
        + images * price.per_image * 1_000_000
    )


class UsageRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One finished request. `request_id` is unique and makes every later insert idempotent."""

    request_id: str
    started_at: float
    """Wall-clock seconds."""
    duration_ms: int
    account_id: str
    key_id: str
    route: str
    """Such as `/v1/chat/completions`."""
    model: str
    """The alias that the client called."""
    status: int
    """HTTP status that the request ended with; 499 where the client left, also in mid-stream."""
    code: str = ""
    """Stable error code; empty when the request succeeded."""
    provider: str = ""
    upstream_model: str = ""
    success: bool = False
    """At least one byte of content was delivered: what a daily quota counts."""
    streamed: bool = False
    estimated: bool = False
    """The upstream gave no usage and the counts are our estimate."""
    attempts: int = 0
    first_token_ms: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    cost_micro_usd: int = 0
