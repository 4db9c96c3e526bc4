"""The guard over refusals: they consume no limit, so a key that is refused all the time needs one of its own."""

from collections import OrderedDict


class _Window:
    __slots__ = ("count", "ends_at_s")

    def __init__(self, ends_at_s: float) -> None:
        self.ends_at_s = ends_at_s
        self.count = 0


class RefusalGuard:
    """Implements `services.ports.RefusalCounter`: blocks a key with too many refusals until its window ends.

    The window is fixed and starts with the first refusal. What is answered while blocked is not counted, so a
    block always ends. Of more than `max_keys` keys the one that was refused longest ago is forgotten. Times are
    monotonic seconds.
    """

    def __init__(self, *, limit: int = 300, window_s: float = 60.0, max_keys: int = 10_000) -> None:
        self._limit = limit
        self._window_s = window_s
        self._max_keys = max_keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    @property
    def keys(self) -> int:
        """How many keys are kept in memory."""
        return len(self._windows)

    def blocked(self, key_id: str, now: float) -> float | None:
        """Tell how many seconds the key has to wait, or `None` where it is not blocked."""
        window = self._windows.get(key_id)
        if window is None or window.count < self._limit or window.ends_at_s <= now:
            return None
        return window.ends_at_s - now

    def count(self, key_id: str, now: float) -> None:
        """Count one refusal."""
        windows = self._windows
        window = windows.get(key_id)
        if window is None or window.ends_at_s <= now:
            windows[key_id] = window = _Window(now + self._window_s)
        window.count += 1
        windows.move_to_end(key_id)
        if len(windows) > self._max_keys:
            windows.popitem(last=False)
