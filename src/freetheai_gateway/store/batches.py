"""Many askers, one transaction: what comes while a batch runs is the next batch.

A transaction costs the same for one order as for fifty: the wait for the one writer, the statements, the commit. Two
hundred members who press a button in the same second would queue for it two hundred times; here they queue four times.
An asker waits for one batch at most before the one that it is in.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from freetheai_gateway.services.ports import StoreFailed, StoreUnavailable

MOST_AT_ONCE = 64

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Batches(Generic[Asked, Given]):
    """Runs `run` on lists of what was asked; it gives one answer for each, in order, or raises for all.

    An asker who leaves before its batch begins is not in it; one who leaves later is, and what was done stays.
    """

    def __init__(
        self, run: Callable[[Sequence[Asked]], Awaitable[Sequence[Given]]], *, most_at_once: int = MOST_AT_ONCE
    ) -> None:
        self._run = run
        self._most_at_once = most_at_once
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Given:
        """Join the next batch. Raises what it raises."""
        loop = asyncio.get_running_loop()
        given: asyncio.Future[Given] = loop.create_future()
        self._waiting.append((asked, given))
        if self._runner is None:
            self._runner = loop.create_task(self._serve())
        return await given

    async def idle(self) -> None:
        """Wait until nothing is under way: what an asker left behind has happened then, or never will."""
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _serve(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._runner = None

    def _next(self) -> list[tuple[Asked, asyncio.Future[Given]]]:
        batch: list[tuple[Asked, asyncio.Future[Given]]] = []
        while self._waiting and len(batch) < self._most_at_once:
            asked, given = self._waiting.popleft()
            if not given.done():
                batch.append((asked, given))
        return batch

    async def _answer(self, batch: Sequence[tuple[Asked, asyncio.Future[Given]]]) -> None:
        try:
            answers = await self._run([asked for asked, _ in batch])
        except StoreUnavailable as error:
            _fail(batch, error)
        except StoreFailed as error:
            await self._answer_alone(batch, error)
        except asyncio.CancelledError:
            for _, given in (*batch, *self._waiting):
                given.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked raises it; the others must not wait for ever
            _fail(batch, error)
        else:
            for (_, given), answer in zip(batch, answers, strict=True):
                if not given.done():
                    given.set_result(answer)

    async def _answer_alone(self, batch: Sequence[tuple[Asked, asyncio.Future[Given]]], error: StoreFailed) -> None:
        """Let what the database refuses fail by itself, and nobody else with it."""
        if len(batch) == 1:
            _fail(batch, error)
            return
        for one in batch:
            await self._answer([one])


def _fail(batch: Sequence[tuple[object, asyncio.Future[Given]]], error: BaseException) -> None:
    for _, given in batch:
        if not given.done():
            given.set_exception(error)
