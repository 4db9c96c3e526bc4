"""The bytes of results that a process holds: bounded, and somebody always gets on."""

import asyncio
from itertools import pairwise

from freetheai_gateway.services.held_pictures import HeldPictures, Holding

CAP = 100


async def settled() -> None:
    """Let everybody go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def read_in_parts(holding: Holding, parts: int, size: int) -> None:
    """Hold a result, part by part, and give it back."""
    with holding:
        for _ in range(parts):
            await holding.take(size)
            await asyncio.sleep(0)


async def test_take_when_the_cap_is_reached_then_it_waits_for_what_is_given_back() -> None:
    """Room that is given back lets the next on."""
    held = HeldPictures(CAP)
    old, first, second = held.open(), held.open(), held.open()
    await old.take(60)
    await first.take(40)
    over = asyncio.ensure_future(old.take(1))
    await over  # the oldest of those that wait, here the only one, goes over the cap
    waits = asyncio.ensure_future(second.take(30))
    await settled()
    assert not waits.done()
    first.give_back(40)
    await waits
    assert held.held_bytes == 91


async def test_results_when_they_are_together_far_over_the_cap_then_all_end_and_little_is_held() -> None:
    """Fifty of 40 bytes, all begun at once: the cap, and one result over it."""
    held = HeldPictures(CAP)
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, held.held_bytes)
            await asyncio.sleep(0)

    watcher = asyncio.ensure_future(watch())
    async with asyncio.timeout(5):
        await asyncio.gather(*(read_in_parts(held.open(), 8, 5) for _ in range(50)))
    watcher.cancel()
    assert held.held_bytes == 0
    assert CAP < peak <= CAP + 40


async def test_waiter_when_it_is_cancelled_then_the_next_gets_its_room() -> None:
    """A client that left stands in nobody's way."""
    held = HeldPictures(CAP)
    old, over, first, second = (held.open() for _ in range(4))
    await old.take(CAP)
    await over.take(10)
    waits = [asyncio.ensure_future(each.take(50)) for each in (first, second)]
    await settled()
    waits[0].cancel()
    old.give_back(CAP)
    await waits[1]
    assert (first.size, second.size) == (0, 50)


async def test_request_when_it_goes_over_the_cap_then_no_other_does_until_it_gives_back() -> None:
    """A stream, which gives back each event, does not keep the right while it waits for its provider."""
    held = HeldPictures(CAP)
    full, stream, other = held.open(), held.open(), held.open()
    await full.take(CAP)
    await stream.take(30)
    waits = asyncio.ensure_future(other.take(30))
    await settled()
    assert not waits.done()
    stream.give_back(30)
    await waits
    assert held.held_bytes == CAP + 30


async def test_turns_when_many_want_one_then_one_goes_in_each_turn_of_the_loop() -> None:
    """What the pieces of a hundred results take at once is what one piece takes."""
    held = HeldPictures()
    went: list[int] = []

    async def go(number: int) -> None:
        await held.turn()
        went.append(number)

    work = [asyncio.ensure_future(go(number)) for number in range(5)]
    seen = []
    while len(went) < len(work):
        await asyncio.sleep(0)
        seen.append(len(went))
    assert all(after - before <= 1 for before, after in pairwise(seen))
    assert went == [0, 1, 2, 3, 4]
