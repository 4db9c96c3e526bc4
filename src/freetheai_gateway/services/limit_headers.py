"""Where an account stands, as response headers: under our names and under those that the SDKs document.

They go with every answer, so they are written as finished lines in one go, not as pairs that somebody joins later.
"""

from collections.abc import Sequence

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.dialects.protocol import LimitHeaderNames
from freetheai_gateway.domain.limits import Rule, Standing
from freetheai_gateway.errors import whole_seconds

_REQUESTS_RULE, _CONCURRENCY_RULE, _DAY_RULE = Rule.REQUESTS_PER_MINUTE, Rule.CONCURRENCY, Rule.DAILY_REQUESTS
_RATE = b"\r\nx-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\nx-ratelimit-reset: %d\r\n%b: %d\r\n%b: %d\r\n%b: %b"
_CONCURRENCY = b"\r\nx-concurrency-limit: %d\r\nx-concurrency-remaining: %d"
_DAY = b"\r\nx-dailylimit-limit: %d\r\nx-dailylimit-remaining: %d\r\nx-dailylimit-reset: %d"


def limit_lines(standings: Sequence[Standing], names: LimitHeaderNames, now: float) -> bytes:
    """Render standings as header lines, each begun by CR LF; every `Reset` of ours in whole seconds, rounded up.

    Tokens per minute have none: they are charged when a reply is settled, so no number before it would be true.
    """
    lines = b""
    for standing in standings:
        rule, limit = standing.rule, standing.limit
        remaining = limit - standing.used
        remaining = max(remaining, 0)
        if rule is _REQUESTS_RULE:
            reset = whole_seconds(standing.reset_s)
            sdk_reset = rfc3339(now + reset).encode() if names.reset_is_timestamp else b"%ds" % reset
            named = (names.limit, limit, names.remaining, remaining, names.reset, sdk_reset)
            lines += _RATE % (limit, remaining, reset, *named)
        elif rule is _CONCURRENCY_RULE:
            lines += _CONCURRENCY % (limit, remaining)
        elif rule is _DAY_RULE:
            lines += _DAY % (limit, remaining, whole_seconds(standing.reset_s))
    return lines


def limit_headers(standings: Sequence[Standing], names: LimitHeaderNames, now: float) -> list[tuple[bytes, bytes]]:
    """Give the same as pairs, for errors."""
    return split_lines(limit_lines(standings, names, now))


def split_lines(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Split finished header lines into names and values."""
    pairs = [line.partition(b": ") for line in lines.split(b"\r\n")[1:]]
    return [(name, value) for name, _, value in pairs]
