"""How the models of one prefix do: successes and errors over the last hour, and what that makes of their status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from freetheai_gateway.domain.waits import Quantiles, Slices, Waits

BUCKET_S = 10.0
HALF_HOUR_S = 1_800.0
HOUR_S = 3_600.0
REMEMBERED_S = 86_400.0
"""How long a status stays when too few requests came to judge again."""
_NOT_THE_PROVIDERS_FAULT = frozenset(
    {"database_unavailable", "discord_membership_error", "not_configured", "overloaded", "restarting"}
)
_OK, _FIRST_FAILURE = 200, 500


def verdict_of(status: int, code: str, attempts: int) -> bool | None:
    """Say how a finished request speaks for its prefix; `None` where it says nothing of it.

    An error is a 5xx or a stream that broke. A client's mistake, a client that left, and what the operator did or left
    undone are neither.
    """
    if status >= _FIRST_FAILURE:
        return None if code in _NOT_THE_PROVIDERS_FAULT else False
    return True if status == _OK and attempts else None


class Status(StrEnum):
    """`unknown`: never judged, or not for a day."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Shares of failed requests, judged over half an hour from `minimum_requests` on."""

    minimum_requests: int = 5
    degraded_from: float = 0.05
    down_from: float = 0.5


@dataclass(frozen=True, slots=True)
class Counts:
    """Outcomes within a window. Client faults and clients that left are neither."""

    successes: int
    errors: int

    @property
    def requests(self) -> int:
        """Both together."""
        return self.successes + self.errors

    @property
    def error_rate(self) -> float:
        """A fraction from 0 to 1, to four digits; 0 without requests."""
        return round(self.errors / self.requests, 4) if self.requests else 0.0


class PrefixHealth:
    """Outcomes of one prefix in buckets of ten seconds, and how long they took to begin; an hour of both is kept."""

    __slots__ = ("_buckets", "_judged_at", "_status", "_waits", "last_error_at", "last_success_at")

    def __init__(self) -> None:
        self._buckets: dict[int, list[int]] = {}
        self._status = Status.UNKNOWN
        self._judged_at = 0.0
        self._waits = Waits()
        self.last_success_at: float | None = None
        self.last_error_at: float | None = None

    def record(self, now: float, *, succeeded: bool, wait_s: float | None = None) -> None:
        """Count one outcome at a wall-clock instant, and how long its first content took where there was any."""
        index = int(now // BUCKET_S)
        bucket = self._buckets.get(index)
        if bucket is None:
            oldest = index - int(HOUR_S // BUCKET_S)
            for old in [key for key in self._buckets if key <= oldest]:
                del self._buckets[old]
            bucket = self._buckets[index] = [0, 0]
        if succeeded:
            bucket[0] += 1
            self.last_success_at = now
            if wait_s is not None:
                self._waits.record(now, wait_s)
        else:
            bucket[1] += 1
            self.last_error_at = now

    def counts(self, now: float, window_s: float) -> Counts:
        """Sum the outcomes of the last `window_s`; up to one bucket more is counted."""
        first = int((now - window_s) // BUCKET_S)
        recent = [bucket for index, bucket in self._buckets.items() if index >= first]
        return Counts(sum(bucket[0] for bucket in recent), sum(bucket[1] for bucket in recent))

    def waits(self, now: float, window_s: float) -> Quantiles | None:
        """Read how long the answers of the last `window_s` took to begin; `None` where there was none."""
        return self._waits.quantiles(now, window_s)

    def keep_judged(self, now: float, thresholds: Thresholds) -> None:
        """Judge from time to time also where nobody asks, so that a last known status is known."""
        if now - self._judged_at >= BUCKET_S:
            self.status(now, thresholds)

    def status(self, now: float, thresholds: Thresholds) -> Status:
        """Judge the last half hour; with too few requests the last judgement stays for a day."""
        counts = self.counts(now, HALF_HOUR_S)
        if counts.requests >= thresholds.minimum_requests:
            self._status, self._judged_at = _judge(counts.errors / counts.requests, thresholds), now
        elif now - self._judged_at > REMEMBERED_S:
            self._status = Status.UNKNOWN
        return self._status

    def snapshot(self) -> "HealthSnapshot":
        """Copy what is known, fit to be sent to another process."""
        return HealthSnapshot(
            {index: (bucket[0], bucket[1]) for index, bucket in self._buckets.items()},
            self._status,
            self._judged_at,
            self.last_success_at,
            self.last_error_at,
            self._waits.copy(),
        )

    @classmethod
    def joined(cls, snapshots: Iterable["HealthSnapshot"]) -> "PrefixHealth":
        """Make one of several processes': outcomes added up, and the newest of everything else."""
        one = cls()
        others = list(snapshots)
        one._waits = Waits.joined(other.waits for other in others)
        for other in others:
            for index, (successes, errors) in other.buckets.items():
                bucket = one._buckets.setdefault(index, [0, 0])
                bucket[0] += successes
                bucket[1] += errors
            if other.judged_at > one._judged_at:
                one._status, one._judged_at = other.status, other.judged_at
            one.last_success_at = _newest(one.last_success_at, other.last_success_at)
            one.last_error_at = _newest(one.last_error_at, other.last_error_at)
        return one


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """A `PrefixHealth` at one moment: successes and errors by bucket, waits, the last judgement and of each kind."""

    buckets: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    status: Status = Status.UNKNOWN
    judged_at: float = 0.0
    last_success_at: float | None = None
    last_error_at: float | None = None
    waits: Slices = field(default_factory=dict)

    def verdict_only(self) -> "HealthSnapshot":
        """Keep the judgement alone: it outlasts what it was made of."""
        return HealthSnapshot(status=self.status, judged_at=self.judged_at)


@dataclass(frozen=True, slots=True)
class PrefixDay:
    """How one prefix did on one UTC day, such as `2026-11-23`.

    `down_hours` are those whose share of errors had reached the threshold. Degraded ones are not counted: where few
    requests come, one error in an hour is one.
    """

    day: str
    prefix: str
    successes: int
    errors: int
    down_hours: int = 0

    @property
    def requests(self) -> int:
        """Both together."""
        return self.successes + self.errors

    def status(self, thresholds: Thresholds) -> Status:
        """Judge the day: as bad as its whole share of errors, and not up if it was down for an hour.

        A day without an error is up however quiet it was; one with errors and too few requests is not judged.
        """
        if not self.errors:
            return Status.UP if self.successes else Status.UNKNOWN
        if self.requests < thresholds.minimum_requests:
            return Status.UNKNOWN
        whole = _judge(self.errors / self.requests, thresholds)
        return Status.DEGRADED if whole is Status.UP and self.down_hours else whole


def _newest(one: float | None, other: float | None) -> float | None:
    return other if one is None or (other is not None and other > one) else one


def _judge(error_rate: float, thresholds: Thresholds) -> Status:
    if error_rate >= thresholds.down_from:
        return Status.DOWN
    return Status.DEGRADED if error_rate >= thresholds.degraded_from else Status.UP


def overall(statuses: list[Status]) -> Status:
    """Join the prefixes' statuses: degraded as soon as one is known not to be up, down only if all are down."""
    known = [status for status in statuses if status is not Status.UNKNOWN]
    if not known or all(status is Status.UP for status in known):
        return Status.UP
    return Status.DOWN if len(known) == len(statuses) and set(known) == {Status.DOWN} else Status.DEGRADED


def prefix_of(model_id: str) -> str:
    """Give the part of a model id before its first slash."""
    return model_id.partition("/")[0]
