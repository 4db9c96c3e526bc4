"""Many requests, so many at once, and what came of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from freetheai_gateway.testing.drill.play import Got, Player
from tools.proof.ground import MODEL


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load."""

    got: Sequence[Got]

    @property
    def answers(self) -> Counter[str]:
        """How often each answer came."""
        return Counter(one.answer for one in self.got)

    def percentile_ms(self, percent: int) -> float:
        """Tell the latency that so many percent stayed below."""
        return quantiles([one.seconds * 1000 for one in self.got], n=100)[percent - 1]


async def load(
    player: Player,
    requests: int,
    at_once: int,
    *,
    model: str = MODEL,
    streamed: Callable[[int], bool] = lambda number: number % 2 == 0,
) -> Outcome:
    """Send requests with distinct prompts, by default every second one as a stream."""
    numbers = iter(range(requests))
    got: list[Got] = []

    async def work() -> None:
        for number in numbers:
            one = await player.ask(model, f"prompt {number}", streamed=streamed(number))
            got.append(one)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())
    return Outcome(got)
