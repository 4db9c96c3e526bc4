"""What a request may know of the connection it came over."""

from collections.abc import Callable

SCOPE_EXTENSION = "freetheai.connection"
"""`scope["extensions"][SCOPE_EXTENSION]` is the request's `EdgeConnection`."""


class EdgeConnection:
    """Tells one request that its client has left, without a task that watches."""

    __slots__ = ("_callback", "disconnected", "whole_body")

    def __init__(self) -> None:
        self._callback: Callable[[], None] | None = None
        self.whole_body: bytes | None = None
        """The body, where all of it had arrived before anyone asked: whoever takes it leaves `None`."""
        self.disconnected = False
        """Whether the client left before its response was complete."""

    def on_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called once if the client leaves before its response is complete, never after.

        Called from the event loop, so it must be quick; at once where the client has left already.
        A later callback replaces an earlier one, `None` removes it.
        """
        self._callback = callback
        if self.disconnected:
            self.lose()

    def lose(self) -> None:
        """Say that the client has left; the edge's half of the contract."""
        self.disconnected = True
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()
