"""Cross-origin requests: pages of other origins may call the API with a key (Fetch standard, "CORS protocol").

Keys are sent in headers that a page must set itself, never as cookies, so any origin may be allowed.
"""

from collections.abc import Sequence

from freetheai_gateway.web.request import Request

MAX_AGE_S = 86_400
_EXPOSED = b", ".join(
    (
        b"x-request-id",
        b"request-id",
        b"server-timing",
        b"retry-after",
        b"x-should-retry",
        b"x-gateway-dropped",
        b"etag",
        b"location",
        b"x-ratelimit-limit",
        b"x-ratelimit-remaining",
        b"x-ratelimit-reset",
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-reset-requests",
        b"anthropic-ratelimit-requests-limit",
        b"anthropic-ratelimit-requests-remaining",
        b"anthropic-ratelimit-requests-reset",
        b"x-concurrency-limit",
        b"x-concurrency-remaining",
        b"x-dailylimit-limit",
        b"x-dailylimit-remaining",
        b"x-dailylimit-reset",
    )
)

Headers = tuple[tuple[bytes, bytes], ...]


ANY_ORIGIN: Headers = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED))
"""For answers that everyone may read, whatever the configuration says of the others."""


class CrossOrigin:
    """Decides which origins may read answers; `*` = all of them."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes) -> Headers:
        """Give the headers that let a page of this origin read an answer; none where it may not."""
        if self._any:
            return ANY_ORIGIN
        if origin not in self._origins:
            return ((b"vary", b"origin"),)
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        )

    @staticmethod
    def preflight(request: Request, methods: Sequence[str]) -> Headers:
        """Give what a preflight asks for: the route's methods, and every header it named; no key is needed."""
        asked = request.header(b"access-control-request-headers")
        return (
            (b"access-control-allow-methods", ", ".join(sorted({*methods, "OPTIONS"})).encode()),
            (b"access-control-allow-headers", asked or b"authorization, content-type, x-api-key"),
            (b"access-control-max-age", b"%d" % MAX_AGE_S),
            (b"vary", b"access-control-request-headers"),
        )
