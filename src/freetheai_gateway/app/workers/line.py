"""A process's end of the pipes to its parent."""

import asyncio
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection

from freetheai_gateway.app.workers.messages import Order, Report


class Line:
    """Hears orders in the event loop, and tells the parent what happens."""

    def __init__(self, connection: "Connection[Report, Order]") -> None:
        self._connection = connection

    def tell(self, report: Report) -> None:
        """Tell the parent; one that is gone is noticed where orders are awaited."""
        try:
            self._connection.send(report)
        except OSError:
            return

    async def orders(self) -> AsyncIterator[Order]:
        """Give one order after the other; ends when the parent is gone."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._connection.fileno(), readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                while self._connection.poll():
                    yield self._connection.recv()
        except (EOFError, OSError):
            return
        finally:
            loop.remove_reader(self._connection.fileno())
