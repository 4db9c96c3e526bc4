"""`make fuzz`: feed every parser with changed valid inputs and with random bytes, for some seconds each.

It fails where a parser raises anything but its documented errors; the input is then shown, shrunk as far as it goes.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings

from tools.fuzz.parsers import Parser, parsers

_BATCH = 400
_settings = settings(
    max_examples=_BATCH, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)


def main() -> int:
    """Fuzz what was chosen; returns the exit code."""
    given_here = _arguments()
    print(f"{'parser':28} {'inputs':>9} {'seconds':>8} {'failures':>9}", flush=True)
    return 1 if _fuzz_all(_chosen(given_here.parsers), given_here.seconds) else 0


def _arguments() -> argparse.Namespace:
    reader = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    reader.add_argument("--seconds", type=float, default=60.0, help="per parser (default: 60)")
    reader.add_argument("parsers", nargs="*", help="parts of names, such as `stream` or `gemini`; default: all")
    return reader.parse_args()


def _chosen(words: list[str]) -> list[Parser]:
    return [parser for parser in parsers() if not words or any(word in parser.name for word in words)]


def _fuzz_all(chosen: Iterable[Parser], seconds: float) -> int:
    return sum(_fuzz(parser, seconds) for parser in chosen)


def _fuzz(parser: Parser, seconds: float) -> int:
    """Draw batches until the time is over; a parser's first failure ends it. Returns the number of failures."""
    tried = failures = 0

    def check(drawn: object) -> None:
        nonlocal tried
        tried += 1
        parser.check(drawn)

    # Every call of a hypothesis test begins with another random seed.
    run_batch = _settings(given(parser.inputs)(check))
    began = time.monotonic()
    while not failures and time.monotonic() - began < seconds:
        try:
            run_batch()
        except Exception:  # noqa: BLE001 - whatever a parser raises is what is looked for, and is shown
            failures = 1
            traceback.print_exc(limit=-6)
    print(f"{parser.name:28} {tried:9,} {time.monotonic() - began:8.1f} {failures:9}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
