"""A clock that stands still until a test moves it."""


class FakeClock:
    """Implements `clock.Clock`; both clocks move together."""

    def __init__(self, wall: float = 1_795_397_400.0) -> None:
        self._wall = wall
        self._monotonic = 1_000.0

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._monotonic += seconds
