"""Questions between the workers of one node, over real sockets in one process."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from freetheai_gateway.app.workers.board import Board
from freetheai_gateway.app.workers.mailboxes import Mailboxes, MailedSiblings, NodeState

LONG = b"x" * 3_000_000
"""More than any socket buffers."""


@pytest.fixture
def mailboxes() -> Iterator[Mailboxes]:
    boxes = Mailboxes([1, 2, 3])
    yield boxes
    boxes.close()


def siblings(
    mailboxes: Mailboxes, living: tuple[int, ...], lost: int = 0, answer_s: float = 10.0
) -> dict[int, MailedSiblings]:
    """Give every worker its view of a node."""
    board = Board(NodeState, NodeState(living, lost))
    return {slot: MailedSiblings(slot, mailboxes, board, answer_s=answer_s) for slot in (1, 2, 3)}


def answer(slot: int, kind: str) -> bytes:
    """Say who answers what, at length."""
    return b"%d:%s:" % (slot, kind.encode()) + LONG


async def test_ask_when_others_serve_then_each_answers_once_and_nobody_asks_itself(mailboxes: Mailboxes) -> None:
    """Long answers come whole."""
    workers = siblings(mailboxes, (1, 2, 3), lost=4)
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(workers[slot].serve(partial(answer, slot))) for slot in (1, 2, 3)]
        assert await workers[1].ask("metrics") == [b"2:metrics:" + LONG, b"3:metrics:" + LONG]
        assert await asyncio.gather(*(workers[2].ask("health") for _ in range(3))) == 3 * [
            [b"1:health:" + LONG, b"3:health:" + LONG]
        ]
        assert workers[1].lost == 4
        for task in serving:
            task.cancel()


async def test_ask_when_a_worker_does_not_serve_then_it_is_not_asked(mailboxes: Mailboxes) -> None:
    """The parent has said that it is gone."""
    assert await siblings(mailboxes, (1,))[1].ask("metrics") == []


async def test_ask_when_a_worker_is_silent_then_the_answer_lacks_it(mailboxes: Mailboxes) -> None:
    """After a deadline, and the others' answers are there."""
    workers = siblings(mailboxes, (1, 2, 3), answer_s=0.2)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(workers[3].serve(str.encode))
        assert await workers[1].ask("metrics") == [None, b"metrics"]
        serving.cancel()
