"""How long people waited for the first content of an answer over the last hour, as counts in bins and not as samples.

A wait lasts from the request's head to the first content that is passed on: the first token of a stream; of a whole
reply or a picture, the reply itself. Bins grow by a fifth, so that a quantile read from them is within 10 % of the true
one, in 2 kB however many requests came.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SLICE_S = 300.0
"""Counts are kept for so long a stretch each; a window holds up to one stretch more than it says."""
_KEPT_SLICES = 12
GROWTH = 1.2
BOUNDS_S = tuple(0.005 * GROWTH**step for step in range(62))
"""Upper bounds of the bins, from 5 ms to 340 s; what took longer is in an open last one."""

Slices = Mapping[int, Mapping[int, int]]
"""Number of the stretch since 1970 -> number of the bin -> count."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The wait that half, and that 19 of 20 requests did not exceed, in seconds."""

    p50_s: float
    p95_s: float


class Waits:
    """Waits of one prefix; at most an hour and one stretch of them is kept."""

    __slots__ = ("_slices",)

    def __init__(self) -> None:
        self._slices: dict[int, dict[int, int]] = {}

    def record(self, now: float, wait_s: float) -> None:
        """Count one wait that ended at a wall-clock instant."""
        index = int(now // SLICE_S)
        counts = self._slices.get(index)
        if counts is None:
            for old in [key for key in self._slices if key < index - _KEPT_SLICES]:
                del self._slices[old]
            counts = self._slices[index] = {}
        number = bisect_left(BOUNDS_S, wait_s)
        counts[number] = counts.get(number, 0) + 1

    def quantiles(self, now: float, window_s: float) -> Quantiles | None:
        """Read the last `window_s`; `None` where nobody waited."""
        first = int((now - window_s) // SLICE_S)
        bins = [0] * (len(BOUNDS_S) + 1)
        for index, counts in self._slices.items():
            if index >= first:
                for number, count in counts.items():
                    bins[number] += count
        total = sum(bins)
        return Quantiles(_quantile(bins, 0.5 * total), _quantile(bins, 0.95 * total)) if total else None

    def copy(self) -> Slices:
        """Copy the counts, fit to be sent to another process."""
        return {index: dict(counts) for index, counts in self._slices.items()}

    @classmethod
    def joined(cls, processes: Iterable[Slices]) -> "Waits":
        """Make one of several processes'."""
        one = cls()
        for slices in processes:
            for index, counts in slices.items():
                known = one._slices.setdefault(index, {})
                for number, count in counts.items():
                    known[number] = known.get(number, 0) + count
        return one


def _quantile(bins: list[int], rank: float) -> float:
    """Find the bin in which the rank falls, and go as far into it as the rank does."""
    below = 0
    for number, count in enumerate(bins):
        if count and below + count >= rank:
            upper = BOUNDS_S[min(number, len(BOUNDS_S) - 1)]
            lower = upper / GROWTH if number else 0.0
            return lower + (upper - lower) * (rank - below) / count
        below += count
    return BOUNDS_S[-1]
