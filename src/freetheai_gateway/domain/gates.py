"""A gate that is shut for a while and then lets one request at a time try, until one of them succeeds. Sans-IO."""

from freetheai_gateway.domain.news import Change, GateName, News


class Gate:
    """Stands before a key or an upstream. Times are monotonic seconds.

    clear   everything passes
    shut    nothing passes, until `shut_until`
    trying  after that one request passes at a time; its success clears the gate, its failure shuts it again

    What happens here is told to `news` under `name`; what is heard from elsewhere is not told again.
    """

    __slots__ = ("_news", "_trying", "clear", "name", "reason", "shut_until")

    def __init__(self, name: GateName | None = None, news: News | None = None) -> None:
        self.name = name
        self._news = news
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
        if self._trying:
            self._trying = False
            self._tell(Change.LEFT)

    def shut(self, now: float, for_s: float, reason: str) -> None:
        """Let nothing pass for a while; a gate that is shut for longer already stays so."""
        self.hear_shut(now, for_s, reason)
        self._tell(Change.SHUT)

    def make_due(self, now: float) -> None:
        """Let the next request try, if the gate is shut."""
        if not self.clear and self.shut_until > now:
            self.shut_until = now
            self._tell(Change.SHUT)

    def open(self) -> None:
        """Let everything pass."""
        was_clear = self.clear
        self.hear_open()
        if not was_clear:
            self._tell(Change.OPENED)

    def hear_shut(self, now: float, for_s: float, reason: str) -> None:
        """Take over that another process has shut it."""
        self._trying = False
        self.shut_until = now + for_s if self.clear else max(self.shut_until, now + for_s)
        self.clear = False
        self.reason = reason

    def hear_open(self) -> None:
        """Take over that another process has opened it."""
        self.clear = True
        self.reason = ""
        self._trying = False

    def _tell(self, change: Change) -> None:
        if self._news is not None and self.name is not None:
            self._news.tell(self.name, self, change)
