"""One transaction for many: who waits for whom, who fails with whom, and who is left out."""

import asyncio
from collections.abc import Sequence

import pytest

from freetheai_gateway.services.ports import StoreConflict, StoreUnavailable
from freetheai_gateway.store.batches import Batches


class Desk:
    """Doubles numbers, a batch at a time; a batch may be held, refuse a number, or have no database."""

    def __init__(self) -> None:
        self.ran: list[list[int]] = []
        self.runs = asyncio.Event()
        self.held = asyncio.Event()
        self.held.set()
        self.refuses: int | None = None
        self.is_away = False
        self.batches = Batches(self._run, most_at_once=3)

    async def _run(self, asked: Sequence[int]) -> Sequence[int]:
        self.ran.append(list(asked))
        self.runs.set()
        await self.held.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        if self.refuses in asked:
            raise StoreConflict("refused")
        return [2 * number for number in asked]

    async def ask(self, *numbers: int) -> list[int | BaseException]:
        """Ask for all at the same moment."""
        return await asyncio.gather(*(self.batches.ask(number) for number in numbers), return_exceptions=True)


async def test_ask_when_many_ask_in_one_turn_then_they_share_batches_of_the_most_and_each_has_its_own_answer() -> None:
    """Five askers, three at once: two runs."""
    desk = Desk()
    assert await desk.ask(1, 2, 3, 4, 5) == [2, 4, 6, 8, 10]
    assert desk.ran == [[1, 2, 3], [4, 5]]


async def test_ask_when_a_batch_is_under_way_then_in_the_next() -> None:
    """Nobody waits for more than the batch that runs."""
    desk = Desk()
    desk.held.clear()
    first = asyncio.ensure_future(desk.batches.ask(1))
    await desk.runs.wait()
    others = asyncio.ensure_future(desk.ask(2, 3))
    await asyncio.sleep(0)
    desk.held.set()
    assert (await first, await others) == (2, [4, 6])
    assert desk.ran == [[1], [2, 3]]


async def test_batch_when_one_is_refused_then_the_others_are_served_alone() -> None:
    """A value that can't be stored is nobody else's trouble."""
    desk = Desk()
    desk.refuses = 2
    answers = await desk.ask(1, 2, 3)
    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], StoreConflict)


async def test_batch_when_the_database_is_away_then_all_are_told_and_the_next_is_tried() -> None:
    """No asker waits for ever, and nobody tries thrice."""
    desk = Desk()
    desk.is_away = True
    assert [type(answer) for answer in await desk.ask(1, 2)] == [StoreUnavailable] * 2
    assert desk.ran == [[1, 2]]
    desk.is_away = False
    assert await desk.ask(3) == [6]


async def test_asker_when_gone_before_the_batch_begins_then_left_out() -> None:
    """What nobody waits for is not done."""
    desk = Desk()
    desk.held.clear()
    first = asyncio.ensure_future(desk.batches.ask(1))
    gone = asyncio.ensure_future(desk.batches.ask(2))
    await desk.runs.wait()
    late = asyncio.ensure_future(desk.batches.ask(3))
    await asyncio.sleep(0)
    late.cancel()
    gone.cancel()
    desk.held.set()
    assert await first == 2
    await desk.batches.idle()
    assert desk.ran == [[1, 2]]


async def test_idle_when_a_batch_is_under_way_then_waits_for_it() -> None:
    """The database is closed afterwards."""
    desk = Desk()
    desk.held.clear()
    asked = asyncio.ensure_future(desk.batches.ask(1))
    await desk.runs.wait()
    closing = asyncio.ensure_future(desk.batches.idle())
    await asyncio.sleep(0)
    assert not closing.done()
    desk.held.set()
    await closing
    assert await asked == 2


@pytest.mark.parametrize("fault", [RuntimeError("bug"), ValueError("bug")])
async def test_batch_when_the_code_is_at_fault_then_whoever_asked_raises_it(fault: Exception) -> None:
    """A fault ends nobody's waiting in silence."""

    async def run(_: Sequence[int]) -> Sequence[int]:
        raise fault

    with pytest.raises(type(fault)):
        await Batches(run).ask(1)
