"""`make proof` and `make soak`: what a test can't show in seconds. Figures are printed, and judged by the exit code."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine

import uvloop

from tools.proof import crowd, half, outage, pictures, soak

NAMES = ("half", "outage", "crowd", "pictures", "soak")


def main() -> int:
    """Run what was asked for; returns the exit code."""
    reader = argparse.ArgumentParser(prog="python -m tools.proof", description=__doc__)
    reader.add_argument("proofs", nargs="*", choices=NAMES, help="default: all but the soak")
    reader.add_argument("--seconds", type=float, default=0.0, help="of the outage (60) and of the soak (1200)")
    given = reader.parse_args()
    failed = [name for name in given.proofs or NAMES[:-1] if not _run(name, given.seconds)]
    return 1 if failed else 0


def _run(name: str, seconds: float) -> bool:
    print(f"--- {name}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        holds = runner.run(_proof(name, seconds))
    print(f"{name}: {'holds' if holds else 'DOES NOT HOLD'}", flush=True)
    return holds


def _proof(name: str, seconds: float) -> Coroutine[object, object, bool]:
    match name:
        case "half":
            return half.prove()
        case "outage":
            return outage.prove(seconds or 60.0)
        case "crowd":
            return crowd.prove()
        case "pictures":
            return pictures.prove()
        case _:
            return soak.prove(seconds or 1_200.0)


if __name__ == "__main__":
    sys.exit(main())
