"""`make hammer`: 64 clients against one account on three gateways, one of which is killed halfway."""

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tools.hammer import judge
from tools.hammer.clients import Log, ask, hammer
from tools.hammer.stage import Node, Plan, Upstream, build_nodes, create_account, start_redis

_CLIENTS = 64
_GIVE_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    seconds: float
    memory: bool
    redis: str
    database: str


def main() -> None:
    """Run and print."""
    reader = argparse.ArgumentParser(prog="python -m tools.hammer.run", description=__doc__)
    reader.add_argument("--seconds", type=float, default=60.0)
    reader.add_argument("--memory", action="store_true", help="one gateway that counts in memory")
    reader.add_argument("--redis", default="", help="URL of an empty Redis; default: one of our own")
    reader.add_argument("--database", default="", help="URL of an empty database; default: SQLite")
    given = reader.parse_args()
    asked = Asked(given.seconds, given.memory, given.redis, given.database)
    with tempfile.TemporaryDirectory(prefix="hammer-") as directory:
        asyncio.run(_run(asked, Path(directory)))


async def _run(asked: Asked, directory: Path) -> None:
    database = asked.database or f"sqlite:///{directory}/hammer.db"
    plan = Plan(nodes=1 if asked.memory else 3, directory=directory, database=database)
    async with AsyncExitStack() as running:
        upstream = Upstream()
        port = await upstream.listen(running)
        backend = "memory" if asked.memory else asked.redis or await asyncio.to_thread(start_redis, plan, running)
        account_id, keys = await create_account(database, 1, plan.keys)
        _, (alone,) = await create_account(database, 2, 1)
        nodes = await build_nodes(plan, backend, port, running)
        print(
            f"{plan.nodes} gateway(s), {_CLIENTS} clients, {asked.seconds:g} s, limits in {backend.partition(':')[0]}"
        )
        freed_s: float | None = None
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(hammer([node.port for node in nodes], keys, _CLIENTS, asked.seconds))
            if not asked.memory:
                freed_s = await _kill_halfway(nodes, upstream, alone, asked.seconds / 2)
        log = load.result()
        await _restart(nodes[-1])
        after = await _one_more(nodes[0], keys[0], plan.window_s)
        for node in nodes:
            await asyncio.to_thread(node.stop)
        _report_limits(log, plan, asked.seconds, upstream, freed_s)
        missing, successes = await judge.count_records(database, account_id, log.answers)
    answers = len(log.answers)
    print(f"records: {answers} whole answers in the clients' log, {missing} of them without a record; the ledger")
    print(
        f"         counts {successes}: one more after the restart, {successes - answers - 1} that no client saw whole"
    )
    print(f"day:     after the restart {after.daily_used} are used of which one is the request that asked")


async def _kill_halfway(nodes: list[Node], upstream: Upstream, key: str, after_s: float) -> float:
    """Kill the last gateway while it holds another account's only slot; returns the seconds until that is free."""
    await asyncio.sleep(max(0.0, after_s - 1))
    log = Log()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:

        async def hold() -> None:
            try:
                await ask(session, nodes[-1].port, key, log, "hammer/slow")
            except (aiohttp.ClientError, OSError):
                log.lost += 1

        holding = tasks.create_task(hold())
        while not upstream.slow:  # noqa: ASYNC110 (the upstream tells nobody)
            await asyncio.sleep(0.01)
        nodes[-1].kill()
        killed_at = time.monotonic()
        await holding
        while not await ask(session, nodes[0].port, key, log):
            if time.monotonic() - killed_at > _GIVE_UP_S:
                raise TimeoutError("the slot of the killed gateway was never freed")
            await asyncio.sleep(0.25)
        return time.monotonic() - killed_at


async def _restart(killed: Node) -> None:
    """Start what was killed: it finds what its journal holds. A gateway that is alone is killed now."""
    killed.kill()
    await asyncio.to_thread(killed.start)


async def _one_more(node: Node, key: str, window_s: float) -> Log:
    """Ask until one more answer came; its headers say what the day has used."""
    log = Log()
    async with aiohttp.ClientSession() as session:
        while not await ask(session, node.port, key, log):  # noqa: ASYNC110 (only asking tells)
            await asyncio.sleep(window_s / 10)
    return log


def _report_limits(log: Log, plan: Plan, seconds: float, upstream: Upstream, freed_s: float | None) -> None:
    windows = judge.per_window(log.answers, plan.window_s, seconds)
    most = judge.most_surely_inside(log.answers, plan.window_s)
    share = sum(windows) / (plan.rate * len(windows)) if windows else 0.0
    refused = ", ".join(f"{count} x {what}" for what, count in log.refused.most_common())
    print(f"rate:    limit {plan.rate} per {plan.window_s:g} s; the most in any such window {most}")
    print(f"         one window after the other: {' '.join(map(str, windows))} = {share:.2%} of the limit")
    print(f"slots:   limit {plan.slots}; the most at once at the upstream {upstream.most}")
    print(f"refused: {refused or 'nobody'}; {log.lost} connections lost to the kill")
    if freed_s is not None:
        print(f"kill -9: the slot of the killed gateway was free after {freed_s:.1f} s")


if __name__ == "__main__":
    main()
