"""An upstream that is gone for a minute and comes back: no member notices, and it is used again within seconds."""

import asyncio
from collections import Counter

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.testing.drill.play import Got
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tools.proof.ground import MODEL, Ground, Plan, ground, served

CLIENTS = 8
PAUSE_S = 0.02
WARM_S = 3.0


async def prove(down_s: float) -> bool:
    """Take one of two upstreams away and give it back; returns whether what is promised holds."""
    clock = SystemClock()
    async with ScriptedUpstream() as steady:
        flaky = ScriptedUpstream()
        await flaky.start()
        async with ground(Plan(served(steady=steady, flaky=flaky))) as stands:
            got: list[tuple[float, Got]] = []
            async with asyncio.TaskGroup() as tasks:
                clients = [tasks.create_task(_ask_on(stands, got, clock)) for _ in range(CLIENTS)]
                await asyncio.sleep(WARM_S)
                await flaky.stop()
                gone_at = clock.monotonic()
                await asyncio.sleep(down_s)
                tried = Counter(await stands.attempts("flaky"))
                tried.pop("ok", None)
                back = ScriptedUpstream(port=flaky.port)
                await back.start()
                back_at = clock.monotonic()
                async with asyncio.timeout(30):
                    await back.until(lambda: bool(back.exchanges), within_s=30)
                returned_s = clock.monotonic() - back_at
                await asyncio.sleep(WARM_S)
                for client in clients:
                    client.cancel()
            await back.stop()
    late = [one for at, one in got if one.answer != "whole" and at - gone_at > 1.0]
    early = [one for at, one in got if one.answer != "whole" and at - gone_at <= 1.0]
    print(f"requests    {len(got)} by {CLIENTS} clients, {down_s:.0f} s without the upstream")
    print(f"failed      {len(early)} in the first second, {len(late)} later")
    print(f"tries       {sum(tried.values()):.0f} calls to it while it was gone: {dict(tried)}")
    print(f"back        used again after {returned_s:.1f} s; {len(back.exchanges)} calls {WARM_S:.0f} s later")
    return not late and returned_s < 10.0 and sum(tried.values()) < 20 + down_s


async def _ask_on(stands: Ground, got: list[tuple[float, Got]], clock: SystemClock) -> None:
    number = 0
    while True:
        number += 1
        one = await stands.player.ask(MODEL, f"{id(got)} {number}", streamed=bool(number % 2))
        got.append((clock.monotonic(), one))
        await asyncio.sleep(PAUSE_S)
