"""`python -m tools.bench.limits`: the CPU of an admission and its release, in memory and over Redis.

All four limits are set, as in the benchmark of the whole gateway. Over Redis a number of requests is in flight at once;
the more there are, the more of them share one write and one read.
"""

import argparse
import asyncio
import time
from statistics import median
from uuid import uuid4

import uvloop

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.limits import Limits, Refusal
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.redis import RedisLimiter, RedisSettings, RedisTarget, parse_target
from freetheai_gateway.services.ports import Limiter

_HUGE = 100_000_000
_LIMITS = Limits(_HUGE, 1_000_000_000, 100_000, _HUGE)
_IN_FLIGHT = (1, 8, 32, 64)


def main() -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser(prog="python -m tools.bench.limits", description=__doc__)
    reader.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    reader.add_argument("--requests", type=int, default=20_000)
    reader.add_argument("--rounds", type=int, default=5)
    given = reader.parse_args()
    uvloop.run(_measure(parse_target(given.redis), given.requests, given.rounds))


async def _measure(target: RedisTarget, requests: int, rounds: int) -> None:
    memory = MemoryLimiter(SystemClock())
    print(f"{'memory':24} {await _cost_us(memory, 1, requests, rounds):6.1f} us")
    redis = RedisLimiter(RedisSettings(target, prefix=f"bench-{uuid4().hex}:"))
    async with asyncio.TaskGroup() as tasks:
        upkeep = tasks.create_task(redis.run())
        await redis.tried.wait()
        for count in _IN_FLIGHT:
            print(f"{f'redis, {count} in flight':24} {await _cost_us(redis, count, requests, rounds):6.1f} us")
        upkeep.cancel()
    await redis.close()


async def _cost_us(limiter: Limiter, in_flight: int, requests: int, rounds: int) -> float:
    costs = []
    for _ in range(rounds + 1):
        began = time.process_time_ns()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(_ask(limiter, requests // in_flight))
        costs.append((time.process_time_ns() - began) / 1000 / requests)
    return median(costs[1:])


async def _ask(limiter: Limiter, count: int) -> None:
    for _ in range(count):
        lease = await limiter.admit("acc_bench", _LIMITS)
        assert not isinstance(lease, Refusal)
        lease.settle(delivered=True, tokens=236)


if __name__ == "__main__":
    main()
