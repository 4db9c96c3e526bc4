"""The client's side of the proof: it asks without pause, and writes down what it has seen finish."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from tests.e2e.configuration import PLAIN
from tests.e2e.gateway import Gateway, Key
from tests.e2e.wire import CHAT, chat_body

REQUEST_ID = "x-request-id"


class Clients:
    """Clients that ask one node after the other and go on elsewhere when one is gone."""

    def __init__(self, nodes: Sequence[Gateway], key: Key, count: int) -> None:
        self._nodes = nodes
        self._key = key
        self._count = count
        self.finished: list[str] = []
        """Ids of the answers that came whole, with status 200."""
        self.statuses: Counter[int] = Counter()
        self.cut = 0
        """Requests that had no answer, or half of one."""
        self._news = asyncio.Event()

    async def saw(self, more: int) -> None:
        """Wait until so many more answers have come."""
        wanted = len(self.finished) + more
        while len(self.finished) < wanted:
            self._news.clear()
            await self._news.wait()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask meanwhile; at the end what runs is finished."""
        stopped = asyncio.Event()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(self._count):
                tasks.create_task(self._ask(session, number, stopped))
            try:
                yield
            finally:
                stopped.set()

    async def _ask(self, session: aiohttp.ClientSession, number: int, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            number += 1
            url = self._nodes[number % len(self._nodes)].url + CHAT
            body = chat_body(PLAIN, stream=number % 3 == 0)
            try:
                async with session.post(url, data=body, headers=self._key.bearer) as response:
                    await response.read()
            except aiohttp.ClientError:
                self.cut += 1
                await asyncio.sleep(0.01)
                continue
            self.statuses[response.status] += 1
            if response.status == 200:
                self.finished.append(response.headers[REQUEST_ID])
                self._news.set()
