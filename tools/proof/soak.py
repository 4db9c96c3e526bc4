"""Minutes of random faults, reloads and clients that leave: nothing is held at the end, and memory stays flat.

A process that has just begun fills its pools and caches: the slope is that of the second half.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from statistics import linear_regression

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.drill.play import Got
from freetheai_gateway.testing.faults import AFTER_CONTENT, BEFORE_CONTENT, FaultyUpstream
from tools.proof.ground import MODEL, SLOW_MODEL, Ground, Plan, ground, served

Goes = Callable[[], bool]
Asking = Coroutine[object, object, Got]

CLIENTS = 24
RELOAD_EVERY_S = 10.0
SAMPLE_EVERY_S = 5.0
STEEPEST_KB_PER_MINUTE = 512.0
FAULTS = BEFORE_CONTENT + AFTER_CONTENT
UNFIT = ("wrong", "cut")
SLOW = "plain?chunks=20&delay_s=0.05"
SLOW_TEXT = "".join(f"tok{number} " for number in range(20))


async def prove(seconds: float) -> bool:
    """Soak; returns whether what is promised holds."""
    clock, chance = SystemClock(), Random(7)  # noqa: S311 - a proof's chance
    async with FaultyUpstream(0.2, FAULTS, seed=1) as one, FaultyUpstream(0.4, FAULTS, seed=2) as other:
        plan = Plan(served(one=one, other=other), slow=SLOW)
        async with ground(plan) as stands:
            answers: dict[str, int] = {}
            until = clock.monotonic() + seconds
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CLIENTS):
                    tasks.create_task(_client(stands, answers, chance, lambda: clock.monotonic() < until))
                tasks.create_task(_reload(stands, plan, chance, lambda: clock.monotonic() < until))
                samples = await _watch(stands, seconds, clock)
            held = await _held(stands)
        left = one.in_flight + other.in_flight
    slope = _slope_kb_per_minute(samples[len(samples) // 2 :])
    print(f"requests    {sum(answers.values())} in {seconds:.0f} s: {dict(sorted(answers.items()))}")
    failed, cancelled = one.failed + other.failed, one.cancelled + other.cancelled
    print(f"upstreams   {failed} failures played, {cancelled} calls cancelled, {left} left")
    print(f"held        {held} at the end")
    first_mb, half_mb, last_mb = (samples[at][1] / 1024 for at in (0, len(samples) // 2, -1))
    print(f"memory      {first_mb:.1f} MB at first, {half_mb:.1f} MB at half-time, {last_mb:.1f} MB at last")
    print(f"slope       {slope:+.0f} kB a minute in the second half (at most {STEEPEST_KB_PER_MINUTE:.0f})")
    unfit = {answer: answers[answer] for answer in UNFIT if answer in answers}
    print(f"unfit       {unfit or 'none'}: answers that are neither whole nor an error of the contract")
    print("log         no unhandled exception")  # else leaving the ground has raised
    return not any(held.values()) and not left and not unfit and slope < STEEPEST_KB_PER_MINUTE


def _slope_kb_per_minute(samples: Sequence[tuple[float, int]]) -> float:
    """Fit a line."""
    if len(samples) < 2:
        return 0.0
    return linear_regression([at for at, _ in samples], [kb for _, kb in samples]).slope * 60


async def _client(stands: Ground, answers: dict[str, int], chance: Random, goes_on: Goes) -> None:
    number = 0
    while goes_on():
        number += 1
        model, text = (SLOW_MODEL, SLOW_TEXT) if chance.random() < 0.3 else (MODEL, DEFAULT_TEXT)
        prompt = f"{id(asyncio.current_task())} {number}"
        asking = stands.player.ask(model, prompt, streamed=chance.random() < 0.6, text=text)
        if chance.random() < 0.1:
            answer = await _leave(asking, chance.uniform(0.0, 0.5))
        else:
            answer = (await asking).answer
        answers[answer] = answers.get(answer, 0) + 1
        await asyncio.sleep(chance.uniform(0.0, 0.05))


async def _leave(asking: Asking, after_s: float) -> str:
    try:
        async with asyncio.timeout(after_s):
            return (await asking).answer
    except TimeoutError:
        return "left"


async def _reload(stands: Ground, plan: Plan, chance: Random, goes_on: Goes) -> None:
    while goes_on():
        await asyncio.sleep(RELOAD_EVERY_S)
        pools = {"breaker_failures": chance.randint(3, 8), "breaker_open_s": chance.uniform(0.5, 3.0)}
        stands.gateway.reconfigure(Plan(plan.providers, plan.timeouts, plan.slow, pools).render())


async def _watch(stands: Ground, seconds: float, clock: SystemClock) -> list[tuple[float, int]]:
    began = clock.monotonic()
    samples = []
    while (at := clock.monotonic() - began) < seconds:
        samples.append((at, stands.resident_kb()))
        await asyncio.sleep(SAMPLE_EVERY_S)
    return samples


async def _held(stands: Ground) -> dict[str, float]:
    names = ("freetheai_open_streams", "freetheai_upstream_in_flight", "freetheai_journal_pending_records")
    held = {}
    for _ in range(50):
        held = {name: await stands.gauge(name) for name in names}
        if not any(held.values()):
            break
        await asyncio.sleep(0.2)
    return held
