"""Something that runs while a test looks at what it does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def running(work: Coroutine[object, object, object]) -> AsyncIterator[None]:
    """Run in a task that is cancelled, and has ended, at the end of the block; errors of it are raised there."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
