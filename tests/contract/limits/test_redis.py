"""What only a limiter over Redis has to show: several nodes, a node that dies, Redis that goes away and comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from freetheai_gateway.clock import SystemClock, utc_day
from freetheai_gateway.domain.limits import Delivered, Limits, Refusal, Rule, Standing
from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisLimiter, RedisSettings
from freetheai_gateway.limits.shared import OnFailure, SharedLimiter
from freetheai_gateway.services.ports import Lease
from freetheai_gateway.testing.clock import FakeClock
from tests.redis_server import TARGET, OwnServer, own_server, redis_limiter, until

ONE = Limits(concurrency=1)
LONG_S = 30.0


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[RedisLimiter, RedisLimiter]]:
    """Run two nodes on one Redis."""
    settings = RedisSettings(TARGET, prefix=f"test-{uuid4().hex}:", lease_s=0.6)
    async with redis_limiter(settings=settings) as first, redis_limiter(settings=settings) as second:
        yield first, second


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnServer]:
    with own_server(tmp_path) as started:
        yield started


async def admitted(limiter: RedisLimiter | SharedLimiter, limits: Limits, account: str = "acc_1") -> Lease:
    outcome = await limiter.admit(account, limits)
    assert not isinstance(outcome, Refusal)
    return outcome


async def standings(limiter: RedisLimiter | SharedLimiter, limits: Limits) -> Sequence[Standing]:
    return (await limiter.standings_of({"acc_1": limits}))["acc_1"]


async def test_two_nodes_when_many_ask_at_once_then_exactly_the_limit_is_admitted(
    nodes: tuple[RedisLimiter, RedisLimiter],
) -> None:
    """A hundred requests over both nodes, a limit of 30 a minute and 7 at once."""
    outcomes = await asyncio.gather(*(nodes[n % 2].admit("acc_1", Limits(concurrency=7)) for n in range(100)))
    assert sum(not isinstance(outcome, Refusal) for outcome in outcomes) == 7
    outcomes = await asyncio.gather(*(nodes[n % 2].admit("acc_2", Limits(requests_per_minute=30)) for n in range(100)))
    assert sum(not isinstance(outcome, Refusal) for outcome in outcomes) == 30


async def test_waiters_when_they_wait_on_two_nodes_then_they_are_served_in_their_order(
    nodes: tuple[RedisLimiter, RedisLimiter],
) -> None:
    """First come, first served, wherever one came; a newcomer does not pass them."""
    holder = await admitted(nodes[0], ONE)
    served: list[int] = []

    async def wait(number: int) -> None:
        lease = await nodes[number % 2].admit("acc_1", ONE, wait_s=LONG_S)
        assert not isinstance(lease, Refusal)
        served.append(number)
        lease.settle(delivered=True)

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(wait(number))
            await asyncio.sleep(0.02)
        assert await nodes[1].admit("acc_1", ONE, wait_s=LONG_S) == Refusal(Rule.CONCURRENCY, 1, 1, 1.0)
        holder.settle(delivered=True)
        assert isinstance(await nodes[1].admit("acc_1", ONE), Refusal)
    assert served == [0, 1, 2, 3]


async def test_waiter_when_its_client_leaves_then_it_leaves_nothing(nodes: tuple[RedisLimiter, RedisLimiter]) -> None:
    holder = await admitted(nodes[0], ONE)
    task = asyncio.get_running_loop().create_task(nodes[1].admit("acc_1", ONE, wait_s=LONG_S))
    await asyncio.sleep(0.03)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    holder.settle(delivered=True)
    (await admitted(nodes[0], ONE)).settle(delivered=True)


async def test_admission_when_cancelled_before_the_reply_then_slot_and_count_are_given_back(
    nodes: tuple[RedisLimiter, RedisLimiter],
) -> None:
    """The command is on its way when the client leaves."""
    limits = Limits(requests_per_minute=5, concurrency=1, daily_requests=5)
    for _ in range(4):
        task = asyncio.get_running_loop().create_task(nodes[0].admit("acc_1", limits))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(5):
        while any(standing.used for standing in await standings(nodes[1], limits)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_node_when_it_dies_then_its_slots_and_reservations_come_back(
    nodes: tuple[RedisLimiter, RedisLimiter],
) -> None:
    """A lease that nobody renews ends; the living node's does not."""
    limits = Limits(concurrency=2, daily_requests=2)
    kept = await admitted(nodes[1], limits)
    await admitted(nodes[0], limits)
    assert isinstance(await nodes[1].admit("acc_1", limits), Refusal)
    nodes[0]._open.clear()  # nobody renews them any more
    outcomes: list[object] = []
    async with asyncio.timeout(5):
        while not outcomes or isinstance(outcomes[-1], Refusal):
            outcomes.append(await nodes[1].admit("acc_1", limits))
            await asyncio.sleep(0.02)
    refusal = await nodes[1].admit("acc_1", limits)
    assert isinstance(refusal, Refusal)
    assert refusal.used == 2
    kept.settle(delivered=True)


@pytest.mark.parametrize("on_failure", ["local", "allow", "deny"])
async def test_redis_when_it_goes_away_then_the_operators_choice_holds_and_it_heals(
    server: OwnServer, on_failure: OnFailure
) -> None:
    """Stopped and started again under one limiter; what ended meanwhile frees its slot, and no restart is needed."""
    settings = RedisSettings(server.target, prefix="own", deadline_s=0.2, retry_max_s=0.05)
    async with redis_limiter(settings=settings) as redis:
        shared = SharedLimiter(redis, MemoryLimiter(FakeClock()), on_failure)
        before = await admitted(shared, ONE)
        assert isinstance(await shared.admit("acc_1", ONE), Refusal)
        assert [standing.used for standing in await standings(shared, ONE)] == [1]
        server.stop()
        await until(lambda: not shared.up)
        assert [standing.used for standing in await standings(shared, ONE)] == [0]
        before.settle(delivered=True)
        if on_failure == "deny":
            with pytest.raises(ProviderUnavailable, match="Limits can't be counted"):
                await shared.admit("acc_1", ONE)
        else:
            await admitted(shared, ONE)
            second = await shared.admit("acc_1", ONE)
            assert isinstance(second, Refusal) is (on_failure == "local")
        server.start()
        await until(lambda: shared.up)
        await admitted(shared, ONE)
        assert isinstance(await shared.admit("acc_1", ONE), Refusal)


async def test_redis_when_it_hangs_then_nobody_waits_for_longer_than_the_deadline(server: OwnServer) -> None:
    """A server that is stopped and holds its connections open."""
    settings = RedisSettings(server.target, prefix="own", deadline_s=0.1, retry_max_s=0.05)
    async with redis_limiter(settings=settings) as redis:
        shared = SharedLimiter(redis, MemoryLimiter(FakeClock()), "local")
        with server.held():
            async with asyncio.timeout(5):
                await admitted(shared, ONE)
            await until(lambda: not shared.up)
        await until(lambda: shared.up)


async def test_days_when_restored_from_the_ledger_then_never_lowered(nodes: tuple[RedisLimiter, RedisLimiter]) -> None:
    """As after a Redis that lost its memory."""
    limits = Limits(daily_requests=5)
    day = utc_day(SystemClock().wall())
    await nodes[0].restore_day(Delivered(day, {"acc_1": 3}))
    await nodes[0].restore_day(Delivered(day, {"acc_1": 1}))
    await nodes[0].restore_day(Delivered("1999-01-01", {"acc_1": 5}))
    (standing,) = await standings(nodes[1], limits)
    assert standing.used == 3


def test_target_when_it_holds_a_password_then_it_is_not_shown() -> None:
    assert "hidden" not in repr(replace(TARGET, password="hidden"))
