"""`freetheai drill`: what members see when upstreams fail."""

from typing import TYPE_CHECKING

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import Column, print_json, print_table, say
from freetheai_gateway.cli.session import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from freetheai_gateway.testing.drill.own import Pool
    from freetheai_gateway.testing.drill.run import OwnRow, Row

OWN_COLUMNS = (
    Column("model", "MODEL"),
    Column("fails", "WHO FAILS"),
    Column("failure", "WITH"),
    Column("phase", "WHEN"),
    Column("reply", "REPLY"),
    Column("answer", "THE MEMBER GETS"),
    Column("attempts", "ATTEMPTS", is_number=True),
    Column("status", "RECORD", is_number=True),
    Column("ms", "MS", is_number=True),
)
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
    """Play failures of upstreams, show what members see.

    It starts scripted upstreams and a gateway beside them, with a hundredth of the usual patience. With a
    configuration whose models are set up, that gateway has its pools: each provider fails in turn, then all fail, and
    no real one is called. Without, every failure is played under the usual rules. Exit code 1 where something is not
    as docs/failover.md promises.
    """
    import asyncio

    from freetheai_gateway.testing.drill.cases import every_case
    from freetheai_gateway.testing.drill.own import own_cases, pools_of
    from freetheai_gateway.testing.drill.run import run_drill, run_own_drill

    settings = read_settings(config)
    if pools := pools_of(settings):
        own = asyncio.run(run_own_drill(settings, list(own_cases(pools))))
        kept, cases, shown = sum(row.kept for row in own), len(own), [_own_fields(row) for row in own]
    else:
        rows = asyncio.run(run_drill(list(every_case())))
        kept, cases, shown = sum(row.kept for row in rows), len(rows), [_fields(row) for row in rows]
    if as_json:
        print_json({"ok": kept == cases, "cases": cases, "kept": kept, "data": shown})
    else:
        print_table(shown, OWN_COLUMNS if pools else COLUMNS)
        for pool in pools:
            say(_summary(pool, shown))
        say(f"{kept} of {cases} cases are as docs/failover.md promises.")
    if kept != cases:
        raise typer.Exit(FAILED)


def _summary(pool: "Pool", shown: "Sequence[Mapping[str, object]]") -> str:
    """Say how often a model was answered while one provider or all of them failed."""
    from freetheai_gateway.testing.drill.own import ALL

    parts = []
    for fails in pool.scopes:
        rows = [row for row in shown if (row["model"], row["fails"]) == (pool.model, fails)]
        answered = sum(row["answer"] == "whole" for row in rows)
        who = "all fail" if fails == ALL else f"{fails} fails"
        parts.append(f"{answered} of {len(rows)} answered when {who}")
    alike = f" (and {pool.alike} more with the same upstreams)" if pool.alike else ""
    return f"{pool.model}{alike}: {', '.join(parts)}."


def _own_fields(row: "OwnRow") -> dict[str, object]:
    case, seen = row.case, row.seen
    return {
        "model": case.pool.model,
        "fails": case.fails,
        "failure": case.failure.name,
        "phase": case.failure.phase.value,
        "reply": "stream" if case.streamed else "whole",
        "answer": seen.answer,
        "attempts": seen.attempts,
        "status": seen.status,
        "ms": round(row.seconds * 1000),
        "kept": row.kept,
    }


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
