"""What is known of one request while it runs; its canonical log line and its usage record are made from it."""

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.failures import Mishap
from freetheai_gateway.domain.usage import Usage


class Trace:
    """Filled in step by step; holds names, times and counts, never content."""

    __slots__ = (
        "_clock",
        "_ended_at",
        "_waited_s",
        "_waits_since",
        "attempts",
        "caller",
        "cause",
        "code",
        "cost_micro_usd",
        "delivered",
        "dropped",
        "estimated",
        "failed_attempts",
        "first_token_at",
        "images",
        "lane",
        "mishap",
        "model",
        "outcome",
        "own_s",
        "provider",
        "reply_id",
        "request_id",
        "route",
        "started_at",
        "started_wall",
        "status",
        "streamed",
        "upstream_model",
        "usage",
    )

    def __init__(self, request_id: str, route: str, clock: Clock) -> None:
        self._clock = clock
        self._ended_at: float | None = None
        self._waited_s = 0.0
        self._waits_since: float | None = None
        self.request_id = request_id
        self.route = route
        self.started_at = clock.monotonic()
        self.started_wall = clock.wall()
        self.caller: Caller | None = None
        self.model = ""
        self.provider = ""
        self.upstream_model = ""
        self.attempts = 0
        self.own_s = 0.0
        """Seconds of the gateway's own work before the first byte went to the client."""
        self.first_token_at: float | None = None
        self.streamed = False
        self.status = 0
        self.code = ""
        self.cause = ""
        """Why an upstream failed, for the operator; never shown to the client and free of foreign text."""
        self.dropped: tuple[str, ...] = ()
        """What translation left out."""
        self.lane = ("", "")
        """Client and upstream dialect, where something was left out between them."""
        self.reply_id = ""
        """The upstream's id of a reply whose stream has begun, where its error event must repeat it."""
        self.outcome = ""
        """How the last upstream call went, as a metric's label: `ok`, `http_429`, `head_timeout`, …"""
        self.mishap: Mishap | None = None
        """How the last upstream call failed; `None` where it did not, or not through the upstream."""
        self.failed_attempts: tuple[tuple[str, str], ...] = ()
        """Provider and outcome of every call before the last."""
        self.usage = Usage()
        self.images = 0
        """Pictures that were made."""
        self.cost_micro_usd = 0
        self.estimated = False
        self.delivered = False

    def elapsed_s(self) -> float:
        """Seconds since the request's head was read; until its last byte was handed over, once it was."""
        return (self._ended_at or self._clock.monotonic()) - self.started_at

    def end(self) -> None:
        """Note that the last byte goes to the client now; later calls change nothing."""
        if self._ended_at is None:
            self._ended_at = self._clock.monotonic()

    @property
    def upstream_s(self) -> float:
        """Seconds spent waiting for the upstream before its first byte went to the client."""
        if self._waits_since is None:
            return self._waited_s
        return self._waited_s + self._clock.monotonic() - self._waits_since

    def begin_wait(self) -> None:
        """Note that from now on the upstream is waited for."""
        if self._waits_since is None:
            self._waits_since = self._clock.monotonic()

    def end_wait(self) -> None:
        """Note that the upstream has given something for the client."""
        since = self._waits_since
        if since is not None:
            self._waited_s += self._clock.monotonic() - since
            self._waits_since = None

    def mark_first_token(self) -> None:
        """Note that the first content goes to the client now; later calls change nothing."""
        if self.first_token_at is None:
            self.first_token_at = self._clock.monotonic()

    def first_token_ms(self) -> int | None:
        """Milliseconds from the request's head to its first content."""
        if self.first_token_at is None:
            return None
        return round((self.first_token_at - self.started_at) * 1000)
