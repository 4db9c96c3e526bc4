"""Waiting for a slot: order, bounds, deadlines, and clients that leave at the worst moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import sleep

import pytest

from freetheai_gateway.domain.limits import UNLIMITED, Limits, Refusal, Rule
from freetheai_gateway.services.ports import Lease, Limiter
from freetheai_gateway.testing.clock import FakeClock

ONE = Limits(concurrency=1)
LONG_S = 30.0
"""Longer than any test: these waits end by a slot or a cancellation."""

Wait = asyncio.Task[Lease | Refusal]
StartWait = Callable[..., Awaitable[Wait]]


@pytest.fixture
async def start_wait(limiter: Limiter) -> AsyncIterator[StartWait]:
    """Start an admission as a task of its own and let it run to where it waits."""
    started: list[Wait] = []

    async def start(limits: Limits = ONE, wait_s: float = LONG_S) -> Wait:
        task = asyncio.get_running_loop().create_task(_admit(limiter, limits, wait_s))
        started.append(task)
        await all_is_told(limiter)
        return task

    yield start
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)


async def _admit(limiter: Limiter, limits: Limits, wait_s: float) -> Lease | Refusal:
    return await limiter.admit("acc_1", limits, wait_s=wait_s)


async def all_is_told(limiter: Limiter) -> None:
    """Let every task that can run do so, those woken by the first included, and what they asked be answered."""
    for _ in range(3):
        for _ in range(3):
            await asyncio.sleep(0)
        await limiter.standings_of({"acc_nobody": ONE})


async def used(limiter: Limiter, limits: Limits) -> list[int]:
    """Tell what is used of each limit now."""
    return [standing.used for standing in (await limiter.standings_of({"acc_1": limits}))["acc_1"]]


async def admitted(limiter: Limiter, limits: Limits = ONE) -> Lease:
    outcome = await limiter.admit("acc_1", limits)
    assert not isinstance(outcome, Refusal)
    return outcome


def lease_of(task: Wait) -> Lease:
    outcome = task.result()
    assert not isinstance(outcome, Refusal)
    return outcome


async def test_waiters_when_slots_free_then_they_are_served_in_their_order(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """First come, first served, one per freed slot."""
    lease = await admitted(limiter)
    waits = [await start_wait() for _ in range(4)]
    for index, wait in enumerate(waits):
        assert not any(later.done() for later in waits[index:])
        lease.settle(delivered=True)
        await all_is_told(limiter)
        lease = lease_of(wait)
    lease.settle(delivered=True)
    await admitted(limiter)


async def test_fifth_waiter_when_four_wait_then_it_is_refused_at_once(limiter: Limiter, start_wait: StartWait) -> None:
    """At most four wait per account; the refusal is the ordinary one."""
    await admitted(limiter)
    waits = [await start_wait() for _ in range(4)]
    assert await limiter.admit("acc_1", ONE, wait_s=LONG_S) == Refusal(Rule.CONCURRENCY, 1, 1, 1.0)
    assert not any(wait.done() for wait in waits)


async def test_waiter_when_another_account_waits_too_then_the_bound_is_per_account(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """A queue of one account is no matter of another's."""
    await admitted(limiter)
    for _ in range(4):
        await start_wait()
    assert not isinstance(await limiter.admit("acc_2", ONE, wait_s=LONG_S), Refusal)


async def test_wait_when_its_time_is_over_then_refused_and_gone(limiter: Limiter) -> None:
    """The deadline ends in the concurrency rule, and the next freed slot goes to nobody."""
    lease = await admitted(limiter)
    assert await limiter.admit("acc_1", ONE, wait_s=0.01) == Refusal(Rule.CONCURRENCY, 1, 1, 1.0)
    lease.settle(delivered=True)
    await admitted(limiter)


async def test_waiting_when_it_lasts_then_it_consumes_nothing(limiter: Limiter, start_wait: StartWait) -> None:
    """Neither the window nor the day nor the slots know of those who wait."""
    limits = Limits(requests_per_minute=10, concurrency=1, daily_requests=10)
    await admitted(limiter, limits)
    for _ in range(4):
        await start_wait(limits)
    assert await used(limiter, limits) == [1, 1, 1]


async def test_waiter_when_another_rule_stands_against_it_too_then_it_is_refused_at_once(limiter: Limiter) -> None:
    """Only concurrency is worth waiting for."""
    limits = Limits(requests_per_minute=1, concurrency=1)
    await admitted(limiter, limits)
    refusal = await limiter.admit("acc_1", limits, wait_s=LONG_S)
    assert isinstance(refusal, Refusal)
    assert refusal.rule is Rule.REQUESTS_PER_MINUTE


async def test_waiter_when_its_turn_comes_then_all_rules_decide_again(limiter: Limiter, start_wait: StartWait) -> None:
    """The reply that frees the slot also spends the tokens: every waiter is told so, none is left behind."""
    limits = Limits(tokens_per_minute=100, concurrency=1)
    lease = await admitted(limiter, limits)
    waits = [await start_wait(limits) for _ in range(3)]
    lease.settle(delivered=True, tokens=100)
    await all_is_told(limiter)
    for wait in waits:
        refusal = wait.result()
        assert isinstance(refusal, Refusal)
        assert refusal.rule is Rule.TOKENS_PER_MINUTE


async def test_new_arrival_when_a_slot_was_freed_for_a_waiter_then_it_does_not_overtake(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """Between the settlement and the waiter's next step the slot is the waiter's already."""
    lease = await admitted(limiter)
    wait = await start_wait()
    lease.settle(delivered=True)
    assert isinstance(await limiter.admit("acc_1", ONE), Refusal)
    await all_is_told(limiter)
    lease_of(wait)


async def test_new_arrival_when_it_may_wait_then_it_stands_behind_the_others(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """Arriving in the very turn of a settlement brings no advantage."""
    lease = await admitted(limiter)
    early = await start_wait()
    lease.settle(delivered=True)
    late = await start_wait()
    assert early.done()
    assert not late.done()
    lease_of(early).settle(delivered=True)
    await all_is_told(limiter)
    lease_of(late)


async def test_wait_when_cancelled_then_the_next_in_line_gets_the_slot(limiter: Limiter, start_wait: StartWait) -> None:
    """A client that left is skipped."""
    lease = await admitted(limiter)
    first, second = await start_wait(), await start_wait()
    first.cancel()
    await all_is_told(limiter)
    lease.settle(delivered=True)
    await all_is_told(limiter)
    assert first.cancelled()
    lease_of(second)


@pytest.mark.parametrize("settled_first", [True, False])
async def test_wait_when_granted_and_cancelled_in_one_turn_then_the_slot_passes_on(
    limiter: Limiter, start_wait: StartWait, settled_first: bool
) -> None:
    """Whichever comes first, the slot is the second waiter's in the end, and only once."""
    lease = await admitted(limiter)
    first, second, third = await start_wait(), await start_wait(), await start_wait()
    if settled_first:
        lease.settle(delivered=True)
        first.cancel()
    else:
        first.cancel()
        lease.settle(delivered=True)
    await all_is_told(limiter)
    assert first.cancelled()
    assert not third.done()
    lease_of(second).settle(delivered=True)
    await all_is_told(limiter)
    lease_of(third)


async def test_waits_when_all_are_granted_and_cancelled_in_one_turn_then_the_slot_is_free(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """A slot that is handed down a line of clients who all left ends up free."""
    lease = await admitted(limiter)
    waits = [await start_wait() for _ in range(4)]
    lease.settle(delivered=True)
    for wait in waits:
        wait.cancel()
    await all_is_told(limiter)
    await admitted(limiter)


@pytest.mark.parametrize("per_minute", [3, 700])
async def test_wait_when_granted_and_cancelled_in_one_turn_then_nothing_was_consumed(
    limiter: Limiter, start_wait: StartWait, per_minute: int
) -> None:
    """The window and the day forget the grant that nobody took, in both kinds of window."""
    limits = Limits(requests_per_minute=per_minute, concurrency=1, daily_requests=3)
    lease = await admitted(limiter, limits)
    wait = await start_wait(limits)
    lease.settle(delivered=True)
    wait.cancel()
    await all_is_told(limiter)
    assert await used(limiter, limits) == [1, 0, 1]


async def test_wait_when_granted_before_its_time_ends_in_one_turn_then_it_has_the_slot(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """A deadline right after the grant changes nothing."""
    lease = await admitted(limiter)
    loop = asyncio.get_running_loop()
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    loop.call_later(0.01, lambda: lease.settle(delivered=True))
    wait = await start_wait(wait_s=0.02)
    loop.call_soon(sleep, 0.03)  # so that both timers are due in the same turn, in their order
    assert not isinstance(await wait, Refusal)
    assert not failures
    assert isinstance(await limiter.admit("acc_1", ONE), Refusal)


async def test_wait_when_its_time_ends_before_the_slot_frees_in_one_turn_then_the_slot_is_free(
    limiter: Limiter, start_wait: StartWait
) -> None:
    """A settlement right after the deadline grants to nobody."""
    lease = await admitted(limiter)
    loop = asyncio.get_running_loop()
    wait = await start_wait(wait_s=0.01)
    settled = asyncio.Event()
    loop.call_later(0.02, lambda: lease.settle(delivered=True))
    loop.call_later(0.02, settled.set)
    loop.call_soon(sleep, 0.03)
    assert isinstance(await wait, Refusal)
    await settled.wait()
    await admitted(limiter)


@pytest.mark.parametrize("raised", [Limits(concurrency=2), UNLIMITED])
async def test_waiters_when_the_limit_is_raised_then_they_go_before_the_arrival_that_brings_it(
    limiter: Limiter, start_wait: StartWait, raised: Limits
) -> None:
    """Numbers come with each call: those who waited profit first."""
    await admitted(limiter)
    wait = await start_wait()
    arrival = await limiter.admit("acc_1", raised)
    await all_is_told(limiter)
    lease_of(wait)
    assert isinstance(arrival, Refusal) is (raised is not UNLIMITED)


async def test_waiters_when_the_window_runs_out_for_them_then_each_is_told_its_wait(
    limiter: Limiter, start_wait: StartWait, clock: FakeClock
) -> None:
    """Two waiters, one request left in the window: the first has it, the second learns when to come again."""
    limits = Limits(requests_per_minute=2, concurrency=1)
    lease = await admitted(limiter, limits)
    first, second = await start_wait(limits), await start_wait(limits)
    clock.advance(10)
    lease.settle(delivered=True)
    await all_is_told(limiter)
    assert not second.done()
    lease_of(first).settle(delivered=True)
    await all_is_told(limiter)
    assert second.result() == Refusal(Rule.REQUESTS_PER_MINUTE, 2, 2, 50.0)
