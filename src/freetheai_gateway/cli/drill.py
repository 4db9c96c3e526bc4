"""`freetheai drill`: what members see when upstreams fail."""

from typing import TYPE_CHECKING

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import Column, print_json, print_table, say
from freetheai_gateway.cli.session import locate_config

if TYPE_CHECKING:
    from freetheai_gateway.testing.drill.run import Row

COLUMNS = (
    Column("failure", "THE UPSTREAM FAILS WITH"),
    Column("phase", "WHEN"),
    Column("reply", "REPLY"),
    Column("other", "ANOTHER UPSTREAM"),
    Column("answer", "THE MEMBER GETS"),
    Column("attempts", "ATTEMPTS", is_number=True),
    Column("status", "RECORD", is_number=True),
    Column("after", "THEN"),
    Column("ms", "MS", is_number=True),
    Column("kept", "AS PROMISED"),
)


def drill(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Play every failure of an upstream against a gateway of its own, and show what members would see.

    It starts scripted upstreams and a gateway beside them, with the usual rules and a hundredth of the usual patience;
    no provider of the configuration is called. Exit code 1 where something is not as docs/failover.md promises.
    """
    import asyncio

    from freetheai_gateway.testing.drill.cases import every_case
    from freetheai_gateway.testing.drill.run import run_drill

    locate_config(config)  # nothing is read from it, but a wrong name is said here as everywhere
    rows = asyncio.run(run_drill(list(every_case())))
    kept = sum(row.kept for row in rows)
    shown = [_fields(row) for row in rows]
    if as_json:
        print_json({"ok": kept == len(rows), "cases": len(rows), "kept": kept, "data": shown})
    else:
        print_table(shown, COLUMNS)
        say(f"{kept} of {len(rows)} cases are as docs/failover.md promises.")
    if kept != len(rows):
        raise typer.Exit(FAILED)


def _fields(row: "Row") -> dict[str, object]:
    case, seen = row.case, row.seen
    return {
        "failure": case.failure.name,
        "phase": case.failure.phase.value,
        "reply": "stream" if case.streamed else "whole",
        "other": "healthy" if case.paired else None,
        "answer": seen.answer,
        "attempts": seen.attempts,
        "status": seen.status,
        "after": row.after,
        "ms": round(row.seconds * 1000),
        "kept": row.kept,
    }
