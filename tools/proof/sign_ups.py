"""Many people sign up at once, on one node or several: first answers in time, nobody lost, one key each.

Everything runs in this process, Discord too: its signing and its checks are part of what is timed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.bot.dispatch import FIRST_ANSWER_S
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.services.ports import Page
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from tests.contract.discord.desk import Node, Patience, filled, key_in, open_node, settings_for

PEOPLE = 200
DUE_S = 3.0
"""When Discord gives up waiting for a first answer."""


@dataclass
class Seen:
    """What one person saw: seconds until each first answer and until the key, and the key itself."""

    answers_s: list[float] = field(default_factory=list)
    key_s: float = 0.0
    key: str = ""


async def prove(people: int, database_url: str = "") -> bool:
    """Let everybody run /signup at the same moment; returns whether what is promised holds.

    Without a database one node has an SQLite file of its own; with one, three nodes share it.
    """
    nodes = 3 if database_url else 1
    clock = SystemClock()
    discord = FakeDiscord(clock)
    discord.commands = list(commands())
    async with _desks(discord, database_url, nodes) as desks:
        crowd = [Person(discord, desks[number % nodes].post, f"Member {number}") for number in range(people)]
        before = clock.monotonic()
        seen = await asyncio.gather(*(_sign_up(person, clock) for person in crowd))
        took_s = clock.monotonic() - before
        for desk in desks:
            await desk.desk.jobs.idle()
        in_force = await _keys_in_force(desks[0])
    answers = sorted(each for one in seen for each in one.answers_s)
    lost = sum(not one.key for one in seen)
    print(f"sign-ups    {people} at once on {nodes} node(s): {took_s:.2f} s, {took_s / people * 1000:.1f} ms each")
    print(f"answers     {len(answers)}; median {answers[len(answers) // 2]:.2f} s, slowest {answers[-1]:.2f} s")
    print(f"keys        slowest seen after {max(one.key_s for one in seen):.2f} s; {lost} lost; {in_force} in force")
    return not lost and in_force == people and answers[-1] < DUE_S


async def _sign_up(person: Person, clock: SystemClock) -> Seen:
    seen, begun = Seen(), clock.monotonic()
    modal = await person.slash("signup")
    seen.answers_s.append(clock.monotonic() - begun)
    if modal["type"] != 9:
        return seen
    sent = clock.monotonic()
    answer: Answer = await filled(person, modal)
    seen.answers_s.append(clock.monotonic() - sent)
    if answer["type"] != 5:
        return seen
    message = await person.sees()
    seen.key_s = clock.monotonic() - begun
    seen.key = key_in(message) if "fta_" in message["content"] else ""
    return seen


async def _keys_in_force(node: Node) -> int:
    owners: set[str] = set()
    count, page = 0, Page()
    while True:
        keys, cursor = await node.accounts.list_keys(page)
        owners |= {key.account_id for key in keys if key.revoked_at is None}
        count += sum(key.revoked_at is None for key in keys)
        if cursor is None:
            return count if count == len(owners) else -1
        page = Page(after=cursor)


@asynccontextmanager
async def _desks(discord: FakeDiscord, database_url: str, nodes: int) -> AsyncIterator[list[Node]]:
    settings = settings_for(discord, per_hour=1_000_000)
    with TemporaryDirectory() as folder:
        url = database_url or f"sqlite:///{Path(folder)}/desk.db"
        async with AsyncExitStack() as running:
            desks = []
            for _ in range(nodes):
                desks.append(await open_node(discord, url, settings, Patience(FIRST_ANSWER_S)))
                running.push_async_callback(desks[-1].close)
            yield desks
