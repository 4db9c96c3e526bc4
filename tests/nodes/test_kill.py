"""`kill -9` under load: of one of three nodes, of the only node, and of one of two workers.

The client's own log is the judge: what it has seen finish has exactly one record. Run by `make nodes`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN, REGULAR, Plan, render
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import chat, chat_body, connected, raw_request, read_until
from tests.nodes.proof import Clients
from tests.nodes.records import Records, of_postgres, of_sqlite
from tests.redis_server import OwnServer

CLIENTS = 12
BEFORE, AFTER = 500, 500
"""Answers that are seen before and after the kill."""
CONCURRENCY = 64
"""More than the clients and what a killed node still holds."""
DAILY = 1_000_000
SLOTS_FREED_WITHIN_S = 30.0
ASK_EVERY_S = 0.5
"""A key that collects refusals faster than five a second is not looked at any more."""


def config(
    upstream: ScriptedUpstream, folder: Path, *, redis: OwnServer | None, postgres: str = "", workers: int = 1
) -> str:
    """Write a configuration whose limits are counted and never reached, but for concurrency."""
    plan = Plan(upstream.base_url, server={"workers": workers}, access={"daily_requests": DAILY})
    text = render(plan).replace("requests_per_minute = 5000", "requests_per_minute = 10_000_000")
    text = text.replace("concurrency = 3", f"concurrency = {CONCURRENCY}")
    if redis is not None:
        backend = f'backend = "redis://{redis.target.host}:{redis.target.port}/0"'
        text = text.replace("[limits]\n", f"[limits]\n{backend}\n", 1)
    database = f'[database]\nurl = "{postgres}"\n' if postgres else ""
    return f'{text}\n{database}[journal]\ndirectory = "{folder / "journal"}"\n'


@contextmanager
def started(tmp_path: Path, texts: list[str]) -> Iterator[list[Gateway]]:
    """Run so many gateways; those that live at the end are stopped in order."""
    gateways = []
    with ExitStack() as stack:
        for number, text in enumerate(texts):
            folder = tmp_path / f"node-{number}"
            folder.mkdir()
            gateway = Gateway(folder, text)
            stack.callback(gateway.kill)
            gateway.start()
            gateways.append(gateway)
        yield gateways
        for gateway in gateways:
            if gateway.running:
                gateway.stop()


def used_today(gateway: Gateway, key: Key) -> int:
    """Ask once, and read how many answers the account had today with this one."""
    reply = chat(gateway, key, PLAIN)
    assert reply.status == 200
    return DAILY - int(reply.headers["x-dailylimit-remaining"])


def judge(what: str, clients: Clients, read: Callable[[], Records]) -> Records:
    """Wait for the record of everything that the clients saw finish, and find nothing counted twice."""
    assert set(clients.statuses) == {200}
    began = time.monotonic()
    eventually(lambda: set(clients.finished) <= set(read().ids), "all that finished is recorded", within_s=30)
    records = read()
    missing = len(set(clients.finished) - set(records.ids))
    twice = len(records.ids) - len(set(records.ids))
    print(
        f"\n{what}: {len(clients.finished)} answers seen to finish, {clients.cut} requests cut off; "
        f"{len(records.ids)} records, {missing} missing, {twice} twice, the sums count {records.summed} "
        f"({time.monotonic() - began:.1f} s until all were there)"
    )
    assert len(clients.finished) == len(set(clients.finished))
    assert twice == 0
    assert records.summed == len(records.ids)
    assert len(records.ids) - len(clients.finished) <= clients.cut
    return records


async def test_kill_when_one_of_three_nodes_dies_then_the_others_write_its_records(
    upstream: ScriptedUpstream, redis: OwnServer, empty_postgres_url: str, tmp_path: Path
) -> None:
    """They share a journal directory: who is alive takes over what the dead one left."""
    text = config(upstream, tmp_path, redis=redis, postgres=empty_postgres_url)
    with started(tmp_path, [text] * 3) as nodes:
        key = nodes[0].create_key("load", tier=REGULAR)
        clients = Clients(nodes, key, CLIENTS)
        async with clients.asking():
            await clients.saw(BEFORE)
            nodes[0].kill()
            await clients.saw(AFTER)
        judge("one of three nodes", clients, lambda: of_postgres(empty_postgres_url))
        before = used_today(nodes[1], key)
        nodes[0].start()
        assert used_today(nodes[0], key) == before + 1
        assert used_today(nodes[2], key) == before + 2
        print(f"the day's count before the restart {before}, after it {before} and the two that asked")


def test_kill_when_a_node_holds_all_slots_then_they_are_free_within_half_a_minute(
    upstream: ScriptedUpstream, redis: OwnServer, empty_postgres_url: str, tmp_path: Path
) -> None:
    """Leases expire when nobody renews them."""
    upstream.play("scripted", "silence-mid-stream")
    text = config(upstream, tmp_path, redis=redis, postgres=empty_postgres_url)
    with started(tmp_path, [text] * 2) as nodes, ExitStack() as streams:
        key = nodes[0].create_key("slots", tier=REGULAR)
        for _ in range(CONCURRENCY):
            stream = streams.enter_context(connected(nodes[0]))
            stream.sendall(raw_request(key, chat_body(MODEL, stream=True)))
            read_until(stream, b"Hello")
        assert chat(nodes[1], key, PLAIN).error()["code"] == "concurrency"
        nodes[0].kill()
        began = time.monotonic()
        while chat(nodes[1], key, PLAIN).status != 200:
            assert time.monotonic() - began < SLOTS_FREED_WITHIN_S
            time.sleep(ASK_EVERY_S)
        print(f"\nslots of the killed node were free after {time.monotonic() - began:.1f} s")


async def test_kill_when_the_only_node_dies_then_it_goes_on_where_it_was(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """SQLite, counts in memory: the day is counted from the ledger again."""
    with started(tmp_path, [config(upstream, tmp_path, redis=None)]) as (node,):
        key = node.create_key("load", tier=REGULAR)
        clients = Clients([node], key, CLIENTS)
        async with clients.asking():
            await clients.saw(BEFORE)
            node.kill()
            node.start()
            await clients.saw(AFTER)
        records = judge("the only node", clients, lambda: of_sqlite(node.folder))
        used = used_today(node, key)
        print(f"the day's count {used - 1} and the one that asked")
        assert used == len(records.ids) + 1


async def test_kill_when_one_of_two_workers_dies_then_its_records_are_written_and_another_takes_its_place(
    upstream: ScriptedUpstream, redis: OwnServer, tmp_path: Path
) -> None:
    """Who asks next on a fresh connection is served by the one that lives."""
    with started(tmp_path, [config(upstream, tmp_path, redis=redis, workers=2)]) as (node,):
        key = node.create_key("load", tier=REGULAR)
        workers = children(node)
        clients = Clients([node], key, CLIENTS)
        async with clients.asking():
            await clients.saw(BEFORE)
            os.kill(workers[0], signal.SIGKILL)
            await clients.saw(AFTER)
        judge("one of two workers", clients, lambda: of_sqlite(node.folder))
        eventually(lambda: len(children(node)) == len(workers), "another worker takes its place")
        assert workers[0] not in children(node)


def children(node: Gateway) -> list[int]:
    """List the processes that the parent has started."""
    pid = node.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
