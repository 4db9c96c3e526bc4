"""Several workers behind one port: they are one gateway to clients and operators, and outlive each other."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN, Plan, render
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.test_shutdown import recorded_ids
from tests.e2e.wire import CHAT, call, chat, chat_body, connected, raw_request, read_until
from tests.redis_server import OwnServer, own_server

WORKERS = 2
CONNECTIONS = 64
CHATS = 12


class Node(Gateway):
    """A gateway of several processes."""

    def children(self) -> list[int]:
        """List the processes that the parent has started and that live."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def restarted(self, killed: int) -> bool:
        """Whether another process has taken the place of one that was killed, and serves."""
        children = self.children()
        return killed not in children and len(children) == WORKERS and all(_listens(child) for child in children)


def _listens(pid: int) -> bool:
    """Whether a process has a socket that listens: the states are in /proc/net/tcp, 0A is LISTEN."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    return any(target in listening for target in _open_files(pid))


def _open_files(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def config(upstream: ScriptedUpstream, redis: OwnServer) -> str:
    """Write a configuration of two workers."""
    plan = Plan(upstream.base_url, server={"workers": WORKERS})
    backend = f'backend = "redis://{redis.target.host}:{redis.target.port}/0"'
    return render(plan).replace("[limits]\n", f"[limits]\n{backend}\n", 1)


@pytest.fixture(scope="module")
def node(upstream_server: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run one node, and a Redis for it, for the whole module."""
    with own_server(tmp_path_factory.mktemp("redis")) as redis:
        node = Node(tmp_path_factory.mktemp("node"), config(upstream_server, redis))
        try:
            node.start()
            yield node
            if node.running:
                node.stop()
            node.check_output()
            node.check_files()
        finally:
            node.kill()


@pytest.fixture(scope="module")
def operator(node: Node) -> Key:
    return node.create_key("operator")


def on_each_worker(node: Node, key: Key) -> set[tuple[str, ...]]:
    """Ask for the models on so many fresh connections that each worker has some of them; returns what was answered."""
    answers = set()
    for _ in range(CONNECTIONS // 2):
        data = call(node, "GET", "/v1/models", key=key).json()["data"]
        assert isinstance(data, list)
        answers.add(tuple(sorted(entry["id"] for entry in data)))
    return answers


def test_start_when_all_workers_serve_then_the_banner_comes_once(node: Node, upstream: ScriptedUpstream) -> None:
    """And the address is one."""
    del upstream
    assert (node.folder / "stdout.log").read_text().count("FreeTheAi gateway") == 1
    assert len(node.children()) == WORKERS


def test_connections_when_there_are_many_then_every_worker_has_its_share(node: Node, operator: Key) -> None:
    """The kernel spreads them by a hash of the client's address and port; none gets 60 % of many."""
    before = {pid: len(_open_files(pid)) for pid in node.children()}
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=10))
        eventually(
            lambda: sum(len(_open_files(pid)) - count for pid, count in before.items()) >= CONNECTIONS,
            "all connections are accepted",
        )
        shares = [len(_open_files(pid)) - count for pid, count in before.items()]
    assert len(on_each_worker(node, operator)) == 1
    assert min(shares) >= CONNECTIONS // 8


def counted(node: Node) -> tuple[float, float]:
    """Read from whichever worker answers how many chats the node had, and how many workers that is of."""
    text = call(node, "GET", "/metrics").body.decode()
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    chats = sum(sample.value for sample in families["freetheai_requests"] if sample.labels["route"] == CHAT)
    return chats, families["freetheai_workers_reporting"][0].value


def test_metrics_when_any_worker_is_asked_then_all_are_counted(
    node: Node, operator: Key, upstream: ScriptedUpstream
) -> None:
    """The same from each, and health adds up likewise."""
    del upstream
    before, _ = counted(node)
    for _ in range(CHATS):
        assert chat(node, operator, PLAIN).status == 200
    assert {counted(node) for _ in range(CONNECTIONS // 4)} == {(before + CHATS, WORKERS)}
    (prefix,) = [row for row in _providers(node) if row["prefix"] == "test"]
    assert prefix["successes_30m"] == before + CHATS


def _providers(node: Node) -> list[dict[str, object]]:
    body = call(node, "GET", "/v1/health").json()
    rows = body["providers"]
    assert isinstance(rows, list)
    assert "workers_not_included" not in body
    return rows


def test_reload_when_asked_of_the_parent_then_all_workers_change_or_none(node: Node, operator: Key) -> None:
    """A file that is wrong changes nothing anywhere; which workers there are, is not changed by a reload."""
    good = node.config.read_text()
    before = on_each_worker(node, operator)
    node.config.write_text(good.replace(MODEL, "test/renamed"))
    node.signal(signal.SIGHUP)
    eventually(lambda: '"reloaded"' in node.output(), "the reload is logged")
    (changed,) = on_each_worker(node, operator)
    assert ("test/renamed" in changed, MODEL in changed) == (True, False)
    node.config.write_text(good.replace('provider = "scripted"', 'provider = "scripte"', 1))
    node.signal(signal.SIGHUP)
    eventually(lambda: "reload_refused" in node.output(), "the refusal is logged")
    assert on_each_worker(node, operator) == {changed}
    node.config.write_text(good)
    os.kill(node.children()[0], signal.SIGHUP)
    eventually(lambda: node.output().count('"reloaded"') == 2, "a worker hands the wish on to the parent")
    assert on_each_worker(node, operator) == before
    listed = node.command("audit", "--limit", "3")["data"]
    assert isinstance(listed, list)
    reloads = [(entry["actor"], entry["after"]) for entry in listed if entry["action"] == "configuration.reload"]
    assert reloads == [
        ("signal", {"models": [f"+{MODEL}", "-test/renamed"]}),
        ("signal", {"models": ["+test/renamed", f"-{MODEL}"]}),
    ]


def test_kill_when_one_worker_dies_then_another_takes_its_place_and_its_records_are_kept(
    node: Node, operator: Key, upstream: ScriptedUpstream
) -> None:
    """The other one serves on meanwhile, and whoever is there first writes what the dead one left."""
    del upstream
    ids = [chat(node, operator, PLAIN).headers["x-request-id"] for _ in range(20)]
    killed = node.children()[-1]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in node.children(), "the parent has noticed")
    ids += [chat(node, operator, PLAIN).headers["x-request-id"] for _ in range(5)]
    eventually(lambda: node.restarted(killed), "another worker serves")
    eventually(lambda: set(ids) <= set(recorded_ids(node.folder)), "every finished request has its record")
    assert len(recorded_ids(node.folder)) == len(set(recorded_ids(node.folder)))


def test_start_when_the_port_is_taken_by_another_node_then_it_ends_with_one_sentence(node: Node) -> None:
    """Two nodes would share the clients between them without anyone's knowing."""
    done = node.run("serve", "--port", str(node.port))
    assert done.returncode == 1
    assert done.stderr.decode().count("the port is taken") == 1
    assert b"Traceback" not in done.stderr


def test_sigterm_when_a_stream_is_open_then_it_ends_as_it_should_and_the_code_is_0(
    node: Node, operator: Key, upstream: ScriptedUpstream
) -> None:
    """One signal to the parent drains all workers. The node starts again for whoever comes after."""
    upstream.play("scripted", "plain?chunks=8&delay_s=0.1")
    with connected(node) as client:
        client.sendall(raw_request(operator, chat_body(MODEL, stream=True), path=CHAT))
        read_until(client, b"tok0")
        node.signal(signal.SIGTERM)
        read_until(client, b"data: [DONE]")
    assert node.wait() == 0
    node.start()


def test_kill_when_the_parent_dies_then_its_workers_end(node: Node) -> None:
    """Nobody would start them again, nor stop them."""
    children = node.children()
    node.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the workers have ended")
