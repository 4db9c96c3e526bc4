"""`make proof` and `make soak`: what a test can't show in seconds. Figures are printed, and judged by the exit code."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine

import uvloop

from tools.proof import crowd, half, outage, pictures, sign_ups, soak

NAMES = ("half", "outage", "crowd", "pictures", "sign-ups", "soak")


def main() -> int:
    """Run what was asked for; returns the exit code."""
    reader = argparse.ArgumentParser(prog="python -m tools.proof", description=__doc__)
    reader.add_argument("proofs", nargs="*", choices=NAMES, help="default: all but the soak")
    reader.add_argument("--seconds", type=float, default=0.0, help="of the outage (60) and of the soak (1200)")
    reader.add_argument("--people", type=int, default=sign_ups.PEOPLE, help="who sign up at once (%(default)s)")
    reader.add_argument("--database", default="", help="an empty PostgreSQL for the sign-ups, on three nodes")
    given = reader.parse_args()
    failed = [name for name in given.proofs or NAMES[:-1] if not _run(name, given)]
    return 1 if failed else 0


def _run(name: str, given: argparse.Namespace) -> bool:
    print(f"--- {name}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        holds = runner.run(_proof(name, given))
    print(f"{name}: {'holds' if holds else 'DOES NOT HOLD'}", flush=True)
    return holds


def _proof(name: str, given: argparse.Namespace) -> Coroutine[object, object, bool]:
    match name:
        case "half":
            return half.prove()
        case "outage":
            return outage.prove(given.seconds or 60.0)
        case "crowd":
            return crowd.prove()
        case "sign-ups":
            return sign_ups.prove(given.people, given.database)
        case "pictures":
            return pictures.prove()
        case _:
            return soak.prove(given.seconds or 1_200.0)


if __name__ == "__main__":
    sys.exit(main())
