"""The memory limiter beyond its port: introspection, restoring a day, bounded memory, many tasks at once."""

import asyncio
import random

import pytest

from freetheai_gateway.clock import utc_day
from freetheai_gateway.domain.limits import UNLIMITED, Delivered, Limits, Refusal, Rule
from freetheai_gateway.limits.memory import MemoryLease, MemoryLimiter
from freetheai_gateway.testing.clock import FakeClock

NOON_S = 1_795_392_000.0 + 43_200.0


@pytest.fixture
def clock() -> FakeClock:
    """Noon of a UTC day."""
    return FakeClock(wall=NOON_S)


async def admitted(limiter: MemoryLimiter, account_id: str, limits: Limits, wait_s: float = 0.0) -> MemoryLease:
    outcome = await limiter.admit(account_id, limits, wait_s=wait_s)
    assert not isinstance(outcome, Refusal)
    return outcome


async def test_restored_day_when_the_process_restarts_then_the_cap_goes_on(clock: FakeClock) -> None:
    """Two of three answers were delivered before the restart."""
    limiter, limits = MemoryLimiter(clock), Limits(daily_requests=3)
    await limiter.restore_day(Delivered(utc_day(clock.wall()), {"acc_1": 2}))
    (await admitted(limiter, "acc_1", limits)).settle(delivered=True)
    refusal = await limiter.admit("acc_1", limits)
    assert isinstance(refusal, Refusal)
    assert (refusal.rule, refusal.used) == (Rule.DAILY_REQUESTS, 3)
    await admitted(limiter, "acc_2", limits)


async def test_restored_day_when_it_is_not_today_then_it_is_ignored(clock: FakeClock) -> None:
    """Yesterday's answers cost neither quota nor memory."""
    limiter = MemoryLimiter(clock)
    await limiter.restore_day(Delivered(utc_day(clock.wall() - 86_400.0), {"acc_1": 2}))
    assert limiter.accounts == 0
    await admitted(limiter, "acc_1", Limits(daily_requests=1))


async def test_standing_when_asked_at_any_time_then_it_counts_from_now(clock: FakeClock) -> None:
    """The account's standing, and the lease's, move with the clock; an unknown account has everything left."""
    limiter, limits = MemoryLimiter(clock), Limits(requests_per_minute=3)
    lease = await admitted(limiter, "acc_1", limits)
    clock.advance(25)
    assert lease.standings == limiter.standing("acc_1", limits)
    assert [(standing.used, standing.reset_s) for standing in lease.standings] == [(1, 35.0)]
    assert [standing.used for standing in limiter.standing("acc_2", limits)] == [0]
    assert limiter.accounts == 1


async def test_running_when_leases_are_open_then_it_counts_them_over_all_accounts(clock: FakeClock) -> None:
    """Accounts without limits are counted as well."""
    limiter = MemoryLimiter(clock)
    leases = [
        await admitted(limiter, account_id, limits)
        for account_id, limits in (("acc_1", UNLIMITED), ("acc_2", Limits(concurrency=1)), ("acc_1", UNLIMITED))
    ]
    assert limiter.running == 3
    for lease in leases:
        lease.settle(delivered=True)
        lease.settle(delivered=True)
    assert limiter.running == 0


async def test_memory_when_a_hundred_thousand_accounts_come_and_go_then_idle_ones_are_dropped(
    clock: FakeClock,
) -> None:
    """At a thousand new accounts a minute, no more than about two minutes' worth is ever kept."""
    limiter, limits = MemoryLimiter(clock), Limits(requests_per_minute=10, concurrency=1)
    most = 0
    for index in range(100_000):
        clock.advance(0.0625)
        (await admitted(limiter, f"acc_{index}", limits)).settle(delivered=True)
        most = max(most, limiter.accounts)
    assert most <= 2 * 960 + 2
    clock.advance(120)
    for _ in range(most):
        (await admitted(limiter, "acc_last", UNLIMITED)).settle(delivered=True)
    assert limiter.accounts == 1


async def test_memory_when_accounts_are_in_use_then_the_sweep_spares_them(clock: FakeClock) -> None:
    """A running request, a request that waits and a day's answer keep an account."""
    limiter = MemoryLimiter(clock)
    running = await admitted(limiter, "acc_running", Limits(concurrency=1))
    (await admitted(limiter, "acc_day", Limits(daily_requests=1))).settle(delivered=True)
    clock.advance(600)
    for _ in range(10):
        (await admitted(limiter, "acc_other", UNLIMITED)).settle(delivered=True)
    assert isinstance(await limiter.admit("acc_running", Limits(concurrency=1)), Refusal)
    assert isinstance(await limiter.admit("acc_day", Limits(daily_requests=1)), Refusal)
    running.settle(delivered=True)


async def test_place_in_line_when_a_waiter_left_in_the_same_turn_then_it_is_free_at_once(clock: FakeClock) -> None:
    """The fifth may wait as soon as one of four was cancelled, before its task has run."""
    limiter, limits, loop = MemoryLimiter(clock), Limits(concurrency=1), asyncio.get_running_loop()
    await admitted(limiter, "acc_1", limits)
    waits = [loop.create_task(limiter.admit("acc_1", limits, wait_s=30.0)) for _ in range(4)]
    await asyncio.sleep(0)
    loop.call_soon(waits[2].cancel)  # right before the fifth's first step
    fifth = loop.create_task(limiter.admit("acc_1", limits, wait_s=30.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not fifth.done()
    for wait in (*waits, fifth):
        wait.cancel()
    await asyncio.gather(*waits, fifth, return_exceptions=True)


async def test_memory_when_a_request_waits_and_none_runs_then_the_sweep_spares_the_account(clock: FakeClock) -> None:
    """A tier without any slot leaves a waiter alone in its account; a raised limit must still find it."""
    limiter = MemoryLimiter(clock)
    loop = asyncio.get_running_loop()
    wait = loop.create_task(limiter.admit("acc_1", Limits(concurrency=0), wait_s=30.0))
    await asyncio.sleep(0)
    for _ in range(10):
        (await admitted(limiter, "acc_other", UNLIMITED)).settle(delivered=True)
    assert isinstance(await limiter.admit("acc_1", Limits(concurrency=1)), Refusal)
    assert not isinstance(await wait, Refusal)


async def test_waiting_when_the_task_of_the_waiter_is_closed_with_its_loop_then_nothing_is_left(
    clock: FakeClock,
) -> None:
    """A coroutine that is closed and not cancelled leaves the line as well."""
    limiter, limits = MemoryLimiter(clock), Limits(concurrency=1)
    lease = await admitted(limiter, "acc_1", limits)
    wait = limiter.admit("acc_1", limits, wait_s=30.0)
    wait.send(None)
    wait.close()
    lease.settle(delivered=True)
    assert limiter.running == 0
    await admitted(limiter, "acc_1", limits)


@pytest.mark.parametrize("seed", range(4))
async def test_a_thousand_requests_when_tasks_race_and_some_leave_then_all_counters_end_at_zero(
    clock: FakeClock, seed: int
) -> None:
    """Admitted, refused, waiting, cancelled and settled in any order: limits hold throughout, nothing remains."""
    draw = random.Random(seed)  # noqa: S311 (a reproducible order of events)
    limiter = MemoryLimiter(clock)
    limits = Limits(requests_per_minute=400, tokens_per_minute=10_000, concurrency=2, daily_requests=150)
    running: dict[str, int] = {}

    async def request(account_id: str) -> None:
        outcome = await limiter.admit(account_id, limits, wait_s=draw.choice((0.0, 0.002, 30.0)))
        if isinstance(outcome, Refusal):
            return
        running[account_id] = running.get(account_id, 0) + 1
        assert running[account_id] <= 2
        try:
            for _ in range(draw.randrange(5)):
                await asyncio.sleep(0)
        finally:
            running[account_id] -= 1
            outcome.settle(delivered=draw.random() < 0.5, tokens=draw.randrange(100))

    tasks: list[asyncio.Task[None]] = []
    for _ in range(1_000):
        tasks.append(asyncio.get_running_loop().create_task(request(f"acc_{draw.randrange(5)}")))
        clock.advance(draw.random() / 4)
        if draw.random() < 0.3:
            draw.choice(tasks).cancel()
        if draw.random() < 0.5:
            await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert limiter.running == 0
    for account in limiter._accounts.values():
        assert not account.waiting
        assert (account.counters.running, account.counters.reserved) == (0, 0)
        assert account.counters.delivered <= 150
    clock.advance(86_400)
    for _ in range(10):
        (await admitted(limiter, "acc_last", UNLIMITED)).settle(delivered=True)
    assert limiter.accounts == 1
