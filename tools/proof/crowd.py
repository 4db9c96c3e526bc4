"""Two thousand slow streams at once, and two hundred clients that never finish their head: what others notice."""

import asyncio
from collections.abc import Sequence

from freetheai_gateway.testing.drill.play import Got
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tools.proof.ground import MODEL, PATIENT, SLOW_MODEL, Ground, Plan, ground, served
from tools.proof.load import Outcome, load

STREAMS = 2_000
EVENTS = 60
SLOWLORIS = 200
OPENED_AT_ONCE = 25
OTHERS = 500
SLOW = f"plain?chunks={EVENTS}&delay_s=2"


async def prove() -> bool:
    """Measure both; returns whether what is promised holds."""
    async with ScriptedUpstream() as upstream, ground(Plan(served(upstream=upstream), PATIENT, SLOW)) as stands:
        alone = await _others(stands)
        streams_hold = await _streams(stands, upstream, alone)
        slowloris_holds = await _slowloris(stands, alone)
    return streams_hold and slowloris_holds


async def _streams(stands: Ground, upstream: ScriptedUpstream, alone: Outcome) -> bool:
    before_kb = stands.resident_kb()
    async with asyncio.TaskGroup() as tasks:
        streams = []
        for number in range(STREAMS):
            streams.append(tasks.create_task(stands.player.ask(SLOW_MODEL, f"stream {number}", streamed=True)))
            if number % OPENED_AT_ONCE == 0:
                await asyncio.sleep(0.1)
        await upstream.until(lambda: upstream.in_flight >= STREAMS, within_s=110)
        await asyncio.sleep(3.0)
        begun_kb = stands.resident_kb()
        beside = await _others(stands)
        await asyncio.sleep(10.0)
        later_kb = stands.resident_kb()
    got: Sequence[Got] = [stream.result() for stream in streams]
    broken = sum(one.answer not in {"whole", "wrong"} for one in got)  # their text is another one
    begun, later = (begun_kb - before_kb) / STREAMS, (later_kb - before_kb) / STREAMS
    print(f"streams     {STREAMS} open, {begun:.1f} kB each; 10 s later {later:.1f} kB; {broken} broken")
    print(f"            others: p99 {alone.percentile_ms(99):.1f} ms alone, {beside.percentile_ms(99):.1f} ms beside")
    return not broken and later < 1.1 * begun + 2.0 and set(beside.answers) == {"whole"}


async def _slowloris(stands: Ground, alone: Outcome) -> bool:
    async with asyncio.TaskGroup() as tasks:
        drips = [tasks.create_task(_drip(stands.gateway.port)) for _ in range(SLOWLORIS)]
        await asyncio.sleep(2.0)
        beside = await _others(stands)
        for drip in drips:
            await drip
    cut = sum(drip.result() for drip in drips)
    print(f"slowloris   {SLOWLORIS} heads that never end, {cut} cut off; others: p99 {beside.percentile_ms(99):.1f} ms")
    unhurt = beside.percentile_ms(99) < 5 * alone.percentile_ms(99)
    return cut == SLOWLORIS and set(beside.answers) == {"whole"} and unhurt


async def _drip(port: int) -> bool:
    """Send a byte of a head every half second; returns whether the gateway put an end to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30.0):
            writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: ")
            end = asyncio.ensure_future(reader.read())
            while not end.done():
                writer.write(b"a")
                await asyncio.wait({end}, timeout=0.5)
            return True
    except TimeoutError:
        return False
    finally:
        writer.close()


async def _others(stands: Ground) -> Outcome:
    return await load(stands.player, OTHERS, 4, model=MODEL, streamed=lambda _: False)
