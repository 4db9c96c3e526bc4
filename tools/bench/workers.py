"""`python -m tools.bench.workers`: what a second worker costs a request, and how connections are spread.

One worker and two, both on the same Redis and each on a database of its own, take the same load in turn. What is
compared is CPU per request, the parent's included, which a busy machine disturbs less than rates.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tools.bench import gateway, load, machine, nginx, setup
from tools.bench.load import Target
from tools.bench.servers import Server, free_ports

CONNECTIONS = 512
_LOOK_S = 0.05
_ACCEPTED_S = 20.0


def main() -> None:
    """Measure and print."""
    reader = argparse.ArgumentParser(prog="python -m tools.bench.workers", description=__doc__)
    reader.add_argument("--rounds", type=int, default=5)
    reader.add_argument("--seconds", type=int, default=4, help="of each load")
    reader.add_argument("--connections", type=int, default=64)
    given = reader.parse_args()
    print(machine.summary())
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        (redis_port,) = free_ports(1)
        redis = [machine.find_tool("redis-server") or "redis-server", "--port", str(redis_port), "--save", ""]
        running.enter_context(_running(Server("redis", redis, core=None, log=directory / "redis.log")))
        upstream_port = running.enter_context(_upstream(directory))
        nodes = {
            workers: running.enter_context(_node(directory, workers, upstream_port, redis_port)) for workers in (1, 2)
        }
        _print_spread(nodes[2])
        _print_costs(nodes, given, directory)


class _Node:
    """A gateway of so many workers."""

    def __init__(self, server: Server, target: Target) -> None:
        self.server = server
        self.target = target

    def cost_us(self, connections: int, seconds: int, directory: Path) -> float:
        """Load it; returns the CPU per request in microseconds, with what is done after the last answer."""
        wrk = setup.find_tools().wrk
        before_s = machine.cpu_when_quiet_s(self.server.pids)
        if wrk is None:
            done = load.rate(self.target, connections=connections, seconds=seconds)
        else:
            body = directory / "body.json"
            done = load.wrk(wrk, self.target, connections=connections, seconds=seconds, body_file=body)
        if done.failures:
            raise SystemExit(f"{done.failures} of {done.requests} requests failed")
        return (machine.cpu_when_quiet_s(self.server.pids) - before_s) / done.requests * 1e6


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _upstream(directory: Path) -> Iterator[int]:
    """Run what answers; nginx where it is there, because it takes the least from the gateway."""
    program = setup.find_tools().nginx
    with ExitStack() as running:
        if program is None:
            (port,) = free_ports(1)
            command = [sys.executable, "-m", "tools.bench.upstream", "--port", str(port), "--delay-ms", "0"]
            server = Server("upstream", command, core=None, log=directory / "upstream.log")
        else:
            port, tls_port = free_ports(2)
            written = nginx.write_replies(directory / "replies", port=port, tls_port=tls_port, certificate=None)
            server = Server("replies", nginx.command(program, written), core=None, log=directory / "upstream.log")
        running.enter_context(_running(server)).wait_until_listening(port)
        yield port


@contextmanager
def _node(directory: Path, workers: int, upstream_port: int, redis_port: int) -> Iterator[_Node]:
    configuration = gateway.write_configuration(
        directory / f"node-{workers}", upstreams={"whole": upstream_port}, upstream_model="gpt-bench"
    )
    with configuration.open("a") as file:
        file.write(f'\n[server]\nworkers = {workers}\n[limits]\nbackend = "redis://127.0.0.1:{redis_port}/{workers}"\n')
    (port,) = free_ports(1)
    log = configuration.with_name("log")
    server = Server(f"{workers} workers", gateway.serve_command(configuration, port), core=None, log=log)
    with _running(server):
        server.wait_until_healthy(port)
        yield _Node(server, Target(port, "/v1/chat/completions", "bench/whole", gateway.create_key(configuration)))


def _print_spread(node: _Node) -> None:
    """Open many connections and say what share the busiest worker has."""
    pids = node.server.pids[1:]
    before = {pid: _open_files(pid) for pid in pids}
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.target.port), timeout=10))
        ends_at = time.monotonic() + _ACCEPTED_S
        shares: dict[int, int] = {}
        while sum(shares.values()) < CONNECTIONS and time.monotonic() < ends_at:
            time.sleep(_LOOK_S)
            shares = {pid: _open_files(pid) - before[pid] for pid in pids}
    most = max(shares.values())
    print(f"spread of {CONNECTIONS} connections: {sorted(shares.values())}, the busiest has {most / CONNECTIONS:.1%}")


def _open_files(pid: int) -> int:
    return len(list((machine.PROC / str(pid) / "fd").iterdir()))


def _print_costs(nodes: dict[int, _Node], given: argparse.Namespace, directory: Path) -> None:
    costs: dict[int, list[float]] = {workers: [] for workers in nodes}
    for number in range(given.rounds + 1):
        for workers, node in nodes.items():
            cost = node.cost_us(given.connections, given.seconds, directory)
            if number:  # the first round warms up
                costs[workers].append(cost)
    ratios = [two / one for one, two in zip(costs[1], costs[2], strict=True)]
    for workers, values in costs.items():
        print(f"{workers} worker(s): {median(values):.0f} us of CPU a request ({min(values):.0f} to {max(values):.0f})")
    print(f"two workers / one: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        said = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else ""
        sys.exit(f"{type(error).__name__}: {said}")
