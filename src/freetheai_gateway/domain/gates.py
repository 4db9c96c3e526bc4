"""A gate that is shut for a while and then lets one request at a time try, until one of them succeeds. Sans-IO."""


class Gate:
    """Stands before a key or an upstream. Times are monotonic seconds.

    clear   everything passes
    shut    nothing passes, until `shut_until`
    trying  after that one request passes at a time; its success clears the gate, its failure shuts it again
    """

    __slots__ = ("_trying", "clear", "reason", "shut_until")

    def __init__(self) -> None:
        self.clear = True
        self.shut_until = 0.0
        self.reason = ""
        """Why it was shut, in a word; empty while clear."""
        self._trying = False

    def wait_s(self, now: float) -> float:
        """Tell the seconds until a request may pass: 0 = now. A try that runs is given a second."""
        if self.clear:
            return 0.0
        if now < self.shut_until:
            return self.shut_until - now
        return 1.0 if self._trying else 0.0

    def enter(self) -> bool:
        """Let a request pass for which `wait_s` was 0; returns whether it is the one that tries."""
        if self.clear:
            return False
        self._trying = True
        return True

    def leave(self) -> None:
        """Note that the try ended without saying anything about what stands behind the gate."""
        self._trying = False

    def shut(self, now: float, for_s: float, reason: str) -> None:
        """Let nothing pass for a while; a gate that is shut for longer already stays so."""
        self._trying = False
        self.shut_until = now + for_s if self.clear else max(self.shut_until, now + for_s)
        self.clear = False
        self.reason = reason

    def make_due(self, now: float) -> None:
        """Let the next request try, if the gate is shut."""
        self.shut_until = min(self.shut_until, now)

    def open(self) -> None:
        """Let everything pass."""
        self.clear = True
        self.reason = ""
        self._trying = False
