"""How often a request may be sent, for how long, and how many repeats all requests together may cost. Sans-IO."""

from freetheai_gateway.domain.pools import PoolPolicy


class RetryBudget:
    """Repeats of the requests for one model: so many at once, and a share of the requests beyond.

    Where everything is down, each request costs its upstreams at most `1 + share` calls and not `attempts`.
    """

    __slots__ = ("left",)

    def __init__(self, burst: int) -> None:
        self.left = float(burst)

    def earn(self, policy: PoolPolicy) -> None:
        """Note a request; needless while the whole burst is left."""
        left = self.left + policy.retry_share
        self.left = min(policy.retry_burst, left)

    def take(self) -> bool:
        """Take one repeat; `False` where none is left."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


def backoff_s(repeats: int, policy: PoolPolicy, draw: float) -> float:
    """Choose the pause before the n-th repeat at the same upstream, from half of `backoff_s` doubled n-1 times to all.

    `draw` is a random number in [0, 1): requests that failed together do not come back together.
    """
    whole: float = policy.backoff_s * 2.0 ** min(10, repeats - 1)
    return whole * (0.5 + 0.5 * draw)
