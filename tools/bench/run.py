"""`make bench`: what the gateway costs on this machine, beside nginx as a plain proxy in the same run.

It measures and judges nothing: the exit code says whether it ran, not whether the figures are good.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from tools.bench import machine, report
from tools.bench.rounds import Rounds, Sizes
from tools.bench.servers import NotReady
from tools.bench.setup import Tools, find_tools, on_stage

_INTERRUPTED = 130
_TERMINATED = 143


def main() -> int:
    """Measure and print; returns the exit code."""
    given = _arguments()
    if not machine.PROC.joinpath("self/status").exists():
        print("The benchmark reads /proc: run it on Linux.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)
    tools, cores = find_tools(), machine.choose_cores()
    for line in _absent(tools, cores):
        print(f"note: {line}")
    about: dict[str, object] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(cores),
    }
    print(_about(cores, given), flush=True)
    try:
        _measure(given, tools, cores, about)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return _INTERRUPTED
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(error, (error.stderr or b"").decode(errors="replace"), file=sys.stderr)
        return 1
    return 0


def _measure(given: argparse.Namespace, tools: Tools, cores: machine.Cores, about: dict[str, object]) -> None:
    sizes = Sizes(
        rounds=given.rounds,
        seconds=given.seconds,
        connections=given.connections,
        streams=given.streams,
        chunks=given.chunks,
        delay_ms=given.delay_ms,
        first_bytes=given.first_bytes,
    )
    with (
        tempfile.TemporaryDirectory(prefix="freetheai-bench-") as folder,
        machine.running_on(cores.load),
        on_stage(Path(folder), tools, cores, delay_ms=sizes.delay_ms, with_tls=given.tls) as stage,
    ):
        results = Rounds(stage, sizes, tools.wrk, _progress).run()
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        print("\n" + report.table(stage, results) + "\n")
        for line in report.warnings(results):
            print(f"note: {line}")
        if given.json is not None:
            given.json.write_bytes(report.as_json(stage, results, {**about, "sizes": asdict(sizes)}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.run", description="Measure the gateway beside nginx.")
    parser.add_argument("--rounds", type=int, default=5, help="times that everything is measured (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of a load of whole replies (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="of a load of whole replies (%(default)s)")
    parser.add_argument("--streams", type=int, default=64, help="open at once (%(default)s)")
    parser.add_argument("--chunks", type=int, default=200, help="of each stream (%(default)s)")
    parser.add_argument("--delay-ms", type=float, default=10, help="between the chunks of a stream (%(default)s)")
    parser.add_argument("--first-bytes", type=int, default=100, help="streams timed one by one (%(default)s)")
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="leave TLS to the upstream out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, those of each round too")
    return parser.parse_args()


def _absent(tools: Tools, cores: machine.Cores) -> list[str]:
    said = []
    if tools.nginx is None:
        said.append("nginx is absent: there is nothing to compare with")
    if tools.wrk is None:
        said.append("wrk is absent: an asyncio client loads in its place, and may be slower than what it loads")
    if not cores.pinned:
        said.append("there is only one core: the load and what it loads disturb each other")
    return said


def _about(cores: machine.Cores, given: argparse.Namespace) -> str:
    where = f"servers on core {cores.server}, load and upstream on core {cores.load}" if cores.pinned else "not pinned"
    return (
        f"{machine.summary()}; {where}\n"
        f"{given.rounds} rounds; whole replies: {given.seconds} s over {given.connections} connections; "
        f"streams: {given.streams} at once, {given.chunks} chunks {given.delay_ms:g} ms apart"
    )


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
