"""The lazily moved deadline, on a loop whose time the test sets."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from freetheai_gateway.web.edge.deadline import Deadline


class Timers:
    """The part of a loop that a deadline uses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.armed: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.armed.append(asyncio.TimerHandle(when, callback, (), cast("asyncio.AbstractEventLoop", self)))
        return self.armed[-1]

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.armed.remove(handle)

    def advance(self, to: float) -> None:
        """Let time pass and run what is due."""
        self.now = to
        for handle in [handle for handle in self.armed if handle.when() <= to]:
            self.armed.remove(handle)
            handle._run()


@pytest.fixture
def timers() -> Timers:
    """Make a loop at time 0."""
    return Timers()


@pytest.fixture
def passed() -> list[str]:
    """Keep what was called."""
    return []


@pytest.fixture
def deadline(timers: Timers, passed: list[str]) -> Deadline:
    """Make a deadline that notes its passing."""
    return Deadline(cast("asyncio.AbstractEventLoop", timers), lambda: passed.append("passed"))


def test_deadline_when_its_time_comes_then_it_calls_once(deadline: Deadline, timers: Timers, passed: list[str]) -> None:
    """Not a moment earlier."""
    deadline.set(10)
    timers.advance(9.9)
    assert passed == []
    timers.advance(10)
    timers.advance(100)
    assert passed == ["passed"]


def test_deadline_when_moved_back_then_the_timer_stays_and_is_armed_for_the_rest(
    deadline: Deadline, timers: Timers, passed: list[str]
) -> None:
    """A thousand moves cost one timer."""
    deadline.set(10)
    first = timers.armed[0]
    for _ in range(1_000):
        timers.now += 0.001
        deadline.set(10)
    assert timers.armed == [first]
    timers.advance(10)
    assert passed == []
    timers.advance(11)
    assert passed == ["passed"]


def test_deadline_when_moved_forward_then_it_passes_earlier(
    deadline: Deadline, timers: Timers, passed: list[str]
) -> None:
    """A short deadline after a long one is kept."""
    deadline.set(60)
    deadline.set(1)
    timers.advance(1)
    assert passed == ["passed"]
    assert timers.armed == []


def test_deadline_when_cleared_then_nothing_is_called_until_it_is_set_again(
    deadline: Deadline, timers: Timers, passed: list[str]
) -> None:
    """The timer that is left runs out unheard."""
    deadline.set(10)
    deadline.clear()
    timers.advance(10)
    assert passed == []
    assert timers.armed == []
    deadline.set(5)
    timers.advance(15)
    assert passed == ["passed"]


def test_deadline_when_stopped_then_no_timer_is_left(deadline: Deadline, timers: Timers, passed: list[str]) -> None:
    """A closed connection must not be kept alive by the loop."""
    deadline.set(10)
    deadline.stop()
    deadline.stop()
    assert timers.armed == []
    timers.advance(10)
    assert passed == []
