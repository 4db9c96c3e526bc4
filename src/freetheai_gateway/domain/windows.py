"""A sliding window over amounts: exact per event, or in buckets where there are too many. Sans-IO.

Both kinds are one log of (time, amount) pairs; they differ in the time that an event is given. An exact event keeps
its own. A bucketed one is given the end of its bucket, a 120th of the window, and shares one entry with the others
there. It so leaves up to one bucket late and never early: the true count of any window never exceeds the limit,
and under steady pressure at least 120/121 of the limit is admitted. As the log is the same, a window may
change from one kind to the other at any time and forgets nothing.
"""

from bisect import bisect_left

BUCKETS = 120
"""Buckets per window; one more is kept, because the oldest counts whole until all of it has left."""


class SlidingWindow:
    """What was counted in the last `length_s` seconds; an event at `t` is out from `t + length_s` on.

    Times are monotonic seconds that never go back. The length comes with each call, as it is configuration; a
    window keeps at most one entry per exact event and 121 for all others.
    """

    __slots__ = ("_amounts", "_times", "_total", "empty_at_s")

    def __init__(self) -> None:
        self._times: list[float] = []
        self._amounts: list[int] = []
        self._total = 0
        self.empty_at_s = 0.0
        """When everything will have left, with the length at the latest `add`."""

    def used(self, now_s: float, length_s: float) -> int:
        """Sum what is still in the window."""
        times = self._times
        if times and times[0] + length_s <= now_s:
            self._forget(now_s, length_s)
        return self._total

    def wait_s(self, limit: int, now_s: float, length_s: float) -> float:
        """Tell the seconds until less than `limit` is used; a whole window where that never happens (limit 0)."""
        excess = self.used(now_s, length_s) - limit
        if excess < 0:
            return 0.0
        for at_s, amount in zip(self._times, self._amounts, strict=True):
            excess -= amount
            if excess < 0:
                return at_s + length_s - now_s
        return length_s

    def standing(self, now_s: float, length_s: float) -> tuple[int, float]:
        """Tell what is used, and the seconds until the window is empty and the whole limit is back."""
        times = self._times
        if times and times[0] + length_s <= now_s:
            self._forget(now_s, length_s)
        used = self._total
        return used, times[-1] + length_s - now_s if used else 0.0

    def add(self, amount: int, now_s: float, length_s: float, *, exact: bool) -> float:
        """Count an event now; returns the time it was given, by which `take_back` finds it."""
        if exact:
            at_s = now_s
        else:
            width_s = length_s / BUCKETS
            at_s = (now_s // width_s + 1.0) * width_s
        times = self._times
        # The last entry is later than an exact event in the bucket of a change: joining it errs on the safe side.
        if times and times[-1] >= at_s:
            at_s = times[-1]
            self._amounts[-1] += amount
        else:
            times.append(at_s)
            self._amounts.append(amount)
        self._total += amount
        self.empty_at_s = at_s + length_s
        return at_s

    def take_back(self, amount: int, at_s: float) -> None:
        """Undo an `add` by the time that it returned; nothing happens where that has left the window."""
        index = bisect_left(self._times, at_s)
        if index == len(self._times) or self._times[index] != at_s:
            return
        self._total -= amount
        self._amounts[index] -= amount
        if not self._amounts[index]:
            del self._times[index], self._amounts[index]

    def _forget(self, now_s: float, length_s: float) -> None:
        gone = 0
        for at_s in self._times:
            if at_s + length_s > now_s:
                break
            gone += 1
        self._total -= sum(self._amounts[:gone])
        del self._times[:gone], self._amounts[:gone]
