"""Discord's rate limits as arithmetic: when a call to a route may go out, and what an answer says about the next.

Buckets are named by Discord per route and major parameter; numbers are read from headers, never known beforehand
(Discord's documentation of rate limits).
"""

from collections import OrderedDict

MOST_ROUTES = 2_000


class Buckets:
    """Instants are of a monotonic clock. Routes that were not used for long are forgotten first."""

    def __init__(self) -> None:
        self._open_at: OrderedDict[str, float] = OrderedDict()
        self._all_open_at = 0.0

    def wait_s(self, route: str, now: float) -> float:
        """Say how long a call must wait; 0 = it may go."""
        return max(0.0, self._all_open_at - now, self._open_at.get(route, 0.0) - now)

    def answered(self, route: str, headers: dict[bytes, bytes], now: float) -> None:
        """Note what an answer says: where nothing remains, the route opens again after the reset."""
        remaining, reset_after = (
            _number(headers.get(b"x-ratelimit-remaining")),
            _number(headers.get(b"x-ratelimit-reset-after")),
        )
        if remaining is not None and remaining < 1 and reset_after is not None:
            self._close(route, now + reset_after)

    def refused(self, route: str, retry_after_s: float, now: float, *, everywhere: bool) -> None:
        """Note a 429."""
        if everywhere:
            self._all_open_at = max(self._all_open_at, now + retry_after_s)
        else:
            self._close(route, now + retry_after_s)

    def _close(self, route: str, until: float) -> None:
        self._open_at[route] = until
        self._open_at.move_to_end(route)
        if len(self._open_at) > MOST_ROUTES:
            self._open_at.popitem(last=False)


def _number(text: bytes | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
