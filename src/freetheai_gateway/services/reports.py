"""What any worker answers for the whole node: it asks the others, and says so where one did not answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from freetheai_gateway.domain.health import HealthSnapshot
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.metrics import Family, Gauges, Kind, Metrics, Row, join_families
from freetheai_gateway.services.observe import Observer

METRICS, HEALTH = "metrics", "health"
REFRESH_S = 2.0
"""How often the others are asked how the prefixes do, where nobody waits for the answer."""

_decode_families: Decoder[list[Family]] = Decoder(list[Family])
_decode_health: Decoder[dict[str, HealthSnapshot]] = Decoder(dict[str, HealthSnapshot])


class Siblings(Protocol):
    """The other workers of the node."""

    @property
    def lost(self) -> int:
        """How many workers of the node ended when they should not have."""
        ...

    async def ask(self, kind: str) -> Sequence[bytes | None]:
        """Ask every other worker for a report; `None` stands for one that did not answer in time."""
        ...

    async def serve(self, answer: Callable[[str], bytes]) -> None:
        """Answer the others until cancelled."""
        ...


class NoSiblings:
    """Implements `Siblings` for a process that is the whole node."""

    lost = 0

    async def ask(self, _kind: str) -> Sequence[bytes | None]:
        """Ask nobody."""
        return ()

    async def serve(self, _answer: Callable[[str], bytes]) -> None:
        """Wait: nobody asks."""
        await asyncio.Event().wait()


class NodeReports:
    """Joins what this process knows with what the others do.

    Counters of a worker that was killed are lost with it. A sum that falls by a part would be read as a restart of the
    whole, and its rest counted twice; so all workers of the node begin at zero when one was lost.
    """

    def __init__(self, metrics: Metrics, gauges: Gauges, observer: Observer, siblings: Siblings) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._observer = observer
        self._siblings = siblings
        self._lost = siblings.lost
        self.lacks = 0
        """How many workers the last answer about health lacks."""

    def answer(self, kind: str) -> bytes:
        """Give this process's own part. Raises `KeyError` for an unknown kind."""
        return {METRICS: lambda: encode(self._own_families()), HEALTH: lambda: encode(self._observer.snapshot())}[
            kind
        ]()

    async def families(self) -> list[Family]:
        """Give the node's metrics, and how many workers they are of."""
        answers = await self._siblings.ask(METRICS)
        given = [_decode_families(answer) for answer in answers if answer is not None]
        joined = join_families([self._own_families(), *given])
        return [
            *joined,
            _gauge("freetheai_workers", "Workers that serve.", 1 + len(answers)),
            _gauge("freetheai_workers_reporting", "Workers whose numbers are in this answer.", 1 + len(given)),
        ]

    async def refresh_health(self) -> None:
        """Bring what the observer tells of the prefixes up to date."""
        answers = await self._siblings.ask(HEALTH)
        self._observer.join([_decode_health(answer) for answer in answers if answer is not None])
        self.lacks = sum(answer is None for answer in answers)

    async def run(self) -> None:
        """Answer the others, and ask them from time to time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._siblings.serve(self.answer))
            while True:
                await self.refresh_health()
                self._begin_again_after_a_loss()
                await asyncio.sleep(REFRESH_S)

    def _own_families(self) -> list[Family]:
        self._begin_again_after_a_loss()
        return self._metrics.families(self._gauges)

    def _begin_again_after_a_loss(self) -> None:
        if self._siblings.lost != self._lost:
            self._lost = self._siblings.lost
            self._metrics.clear()


def _gauge(name: str, text: str, value: int) -> Family:
    return Family(name, Kind.GAUGE, text, (), [Row((), [value])])
