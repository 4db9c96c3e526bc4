"""How much is taken on at once: what is over it is refused early, while it costs next to nothing.

A server that takes on all that comes slows down for everybody and then ends for lack of memory. So the number of
requests with a body that run is capped, and the bytes of their bodies; the caps are the process's, not an account's.
"""

from types import TracebackType
from typing import Final, Self

from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.web.request import Request, declared_bytes, receive_body

RETRY_AFTER_S: Final = 2.0


class Crowd:
    """Counts the requests that run and the bytes that they hold."""

    __slots__ = ("_max_bytes", "_max_requests", "held_bytes", "running")

    def __init__(self, max_requests: int = 5_000, max_bytes: int = 1 << 30) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.running = 0
        self.held_bytes = 0

    def place(self, request: Request, max_body_bytes: int) -> "CrowdPlace":
        """Take a place for a request, with the size that its head declares; to be held in a `with` statement.

        Raises `ProviderUnavailable` where there is none, and `RequestTooLarge` where the declared size is over the
        cap of one body; nothing of the body was read then.
        """
        size = declared_bytes(request, max_body_bytes)
        if self.running >= self._max_requests:
            raise _overloaded()
        self.hold(size)
        self.running += 1
        return CrowdPlace(self, request, max_body_bytes, size)

    def hold(self, size: int) -> None:
        """Count bytes that are held from now on. Raises `ProviderUnavailable` where they are too many."""
        if self.held_bytes + size > self._max_bytes:
            raise _overloaded()
        self.held_bytes += size


class CrowdPlace:
    """One request's place; a body whose length was not declared is counted as it arrives."""

    __slots__ = ("_crowd", "_max_body_bytes", "_request", "_size")

    def __init__(self, crowd: Crowd, request: Request, max_body_bytes: int, size: int) -> None:
        self._crowd = crowd
        self._request = request
        self._max_body_bytes = max_body_bytes
        self._size = size

    async def read_body(self) -> bytes:
        """Read the whole body.

        Raises `RequestTooLarge` and `ProviderUnavailable` as soon as it is known to be too much, for one request and
        for all of them together, before reading on.
        """
        return await receive_body(self._request, self._max_body_bytes, self._grow_to)

    def _grow_to(self, size: int) -> None:
        if size > self._size:
            self._crowd.hold(size - self._size)
            self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _raised: BaseException | None, _trail: TracebackType | None
    ) -> None:
        crowd = self._crowd
        crowd.running -= 1
        crowd.held_bytes -= self._size


def _overloaded() -> ProviderUnavailable:
    return ProviderUnavailable(
        "This server has as much to do as it can take; try again in a moment.",
        code="overloaded",
        retry_after_s=RETRY_AFTER_S,
    )
