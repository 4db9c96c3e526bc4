"""Work that goes on after an interaction was answered: counted, bounded in time, ended in order at shutdown."""

import asyncio
from collections.abc import Callable, Coroutine

from freetheai_gateway.log import Log

MOST_AT_ONCE = 500
LONGEST_S = 870.0
"""An interaction's token is good for 15 minutes; every job ends, and says so, half a minute before."""
LAST_WORDS_S = 2.0
"""How long work that is cancelled may take to tell its member."""

Work = Callable[[], Coroutine[object, object, None]]


class Jobs:
    """Owns the tasks. Work that is cancelled tidies up after itself."""

    def __init__(self, log: Log, *, most_at_once: int = MOST_AT_ONCE, longest_s: float = LONGEST_S) -> None:
        self._log = log
        self._most_at_once = most_at_once
        self._longest_s = longest_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    @property
    def has_room(self) -> bool:
        """Whether one more may be started."""
        return not self._is_closing and len(self._tasks) < self._most_at_once

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._tasks)

    def start(self, work: Work) -> None:
        """Start work at once."""
        task = asyncio.get_running_loop().create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self, *, drain_s: float = 5.0) -> None:
        """Take no more, let what runs finish for a while, then cancel it and wait for its tidying up."""
        self._is_closing = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=drain_s)
            for task in late:
                task.cancel()
            await self.idle()

    async def _run(self, work: Work) -> None:
        try:
            async with asyncio.timeout(self._longest_s):
                await work()
        except TimeoutError:
            self._log.warning("discord_job_timed_out")
        except Exception as error:  # noqa: BLE001 - a job must not take the gateway down; named without its text
            self._log.error("discord_job_failed", error=type(error).__name__)
