"""How much is taken on at once: what is over it is refused early, while it costs next to nothing.

A server that takes on all that comes slows down for everybody and then ends for lack of memory. So the number of
completions that run is capped, and the bytes of their bodies; the caps are the process's, not an account's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.web.request import Request

RETRY_AFTER_S = 2.0


class Crowd:
    """Counts the requests that run and the bytes that they hold."""

    __slots__ = ("_max_bytes", "_max_requests", "held_bytes", "running")

    def __init__(self, max_requests: int = 5_000, max_bytes: int = 1 << 30) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.running = 0
        self.held_bytes = 0

    @contextmanager
    def place(self, request: Request) -> Iterator[None]:
        """Hold a place while a request runs, with the size that its head declares.

        Raises `ProviderUnavailable` where there is none; nothing of the body was read then.
        """
        size = declared_bytes(request)
        if self.running >= self._max_requests or self.held_bytes + size > self._max_bytes:
            raise ProviderUnavailable(
                "This server has as much to do as it can take; try again in a moment.",
                code="overloaded",
                retry_after_s=RETRY_AFTER_S,
            )
        self.running += 1
        self.held_bytes += size
        try:
            yield
        finally:
            self.running -= 1
            self.held_bytes -= size


def declared_bytes(request: Request) -> int:
    """Read the size that a head declares; 0 for a body in chunks, whose size is not known."""
    declared = request.header(b"content-length")
    return int(declared[-12:]) if declared.isdigit() else 0
