"""How many bytes of results one process holds, and who works on them: one at a time, in pieces.

Results have megabytes, and a hundred may come at once. What is over the cap is not read from its provider yet: the
provider's connection waits, as every slow reader lets it. So that somebody always ends, one request at a time may go
over the cap: the oldest of those that wait. The most that is held is therefore the cap and one result.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from typing import Self

DEFAULT_MOST_BYTES = 128 * 1024 * 1024


class HeldPictures:
    """Counts what all requests hold, and lends them the one place where base64 and JSON of megabytes are worked on."""

    def __init__(self, most_bytes: int = DEFAULT_MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._numbers = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        """Those who wait for room, the oldest request first; futures that are done are nobody's any more."""
        self._over_cap: Holding | None = None
        """Who may go over the cap."""
        self._place = asyncio.Lock()
        self.held_bytes = 0

    def open(self) -> "Holding":
        """Begin to hold for one request; to be closed."""
        return Holding(self, next(self._numbers))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Work on megabytes: one request at a time. Nothing that waits for somebody else belongs in here."""
        async with self._place:
            yield

    async def turn(self) -> None:
        """Wait until it is one's turn to go a step on: of all requests together one goes in each turn of the loop."""
        async with self._place:
            await asyncio.sleep(0)

    async def take(self, holding: "Holding", size: int) -> None:
        """See `Holding.take`."""
        while not self._has_room(holding, size):
            turn = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (holding.number, next(self._numbers), turn))
            await turn
        self.adjust(holding, size)

    def adjust(self, holding: "Holding", difference: int) -> None:
        """See `Holding.adjust`."""
        self.held_bytes += difference
        holding.size += difference
        self._wake()

    def give_back(self, holding: "Holding", size: int) -> None:
        """See `Holding.give_back`."""
        if self._over_cap is holding:
            self._over_cap = None
        self.adjust(holding, -size)

    def _has_room(self, holding: "Holding", size: int) -> bool:
        if self.held_bytes + size <= self._most_bytes:
            return True
        if self._over_cap is None and holding.number <= self._oldest_waiting():
            self._over_cap = holding
        return self._over_cap is holding

    def _oldest_waiting(self) -> float:
        while self._waiting and self._waiting[0][2].done():
            heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else float("inf")

    def _wake(self) -> None:
        """Let the oldest that waits look again, where there may be room for it."""
        self._oldest_waiting()
        if self._waiting and (self._over_cap is None or self.held_bytes < self._most_bytes):
            heappop(self._waiting)[2].set_result(None)


class Holding:
    """What one request holds of results; a context manager that gives all of it back."""

    __slots__ = ("_of", "number", "size")

    def __init__(self, of: HeldPictures, number: int) -> None:
        self._of = of
        self.number = number
        """Younger requests have greater ones."""
        self.size = 0

    async def take(self, size: int) -> None:
        """Hold so many bytes more, once there is room for them."""
        await self._of.take(self, size)

    def adjust(self, difference: int) -> None:
        """Hold more or less than was taken: what came was another size."""
        self._of.adjust(self, difference)

    def give_back(self, size: int) -> None:
        """Hold so many bytes less; who went over the cap loses the right to."""
        self._of.give_back(self, min(size, self.size))

    def place(self) -> AbstractAsyncContextManager[None]:
        """Work on megabytes (see `HeldPictures.place`)."""
        return self._of.place()

    async def turn(self) -> None:
        """Wait for one's turn (see `HeldPictures.turn`)."""
        await self._of.turn()

    def __enter__(self) -> Self:
        """Hold until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back."""
        self.give_back(self.size)
