"""Where an account stands, as response headers: under our names and under those that the SDKs document."""

from collections.abc import Sequence

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.dialects.protocol import LimitHeaderNames
from freetheai_gateway.domain.limits import Rule, Standing
from freetheai_gateway.errors import whole_seconds

Headers = list[tuple[bytes, bytes]]


def limit_headers(standings: Sequence[Standing], names: LimitHeaderNames, now: float) -> Headers:
    """Render standings as headers; every `Reset` of ours in whole seconds from now, rounded up."""
    headers: Headers = []
    for standing in standings:
        limit, remaining = b"%d" % standing.limit, b"%d" % standing.remaining
        match standing.rule:
            case Rule.REQUESTS_PER_MINUTE:
                reset = whole_seconds(standing.reset_s)
                headers += (
                    (b"x-ratelimit-limit", limit),
                    (b"x-ratelimit-remaining", remaining),
                    (b"x-ratelimit-reset", b"%d" % reset),
                    (names.limit, limit),
                    (names.remaining, remaining),
                    (names.reset, _sdk_reset(names, reset, now)),
                )
            case Rule.CONCURRENCY:
                headers += ((b"x-concurrency-limit", limit), (b"x-concurrency-remaining", remaining))
            case Rule.DAILY_REQUESTS:
                headers += (
                    (b"x-dailylimit-limit", limit),
                    (b"x-dailylimit-remaining", remaining),
                    (b"x-dailylimit-reset", b"%d" % whole_seconds(standing.reset_s)),
                )
            case Rule.TOKENS_PER_MINUTE:
                pass  # charged only when a reply is settled: no number before it would be true
    return headers


def _sdk_reset(names: LimitHeaderNames, reset_s: int, now: float) -> bytes:
    if names.reset_is_timestamp:
        return rfc3339(now + reset_s).encode()
    return b"%ds" % reset_s
