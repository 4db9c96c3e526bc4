"""`freetheai usage`: what was used, summed."""

from enum import StrEnum
from typing import Annotated

import typer

from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import Column, print_page, print_table
from freetheai_gateway.cli.session import in_session, read_settings


class Grouping(StrEnum):
    """What a report has a line for."""

    PROVIDER = "provider"
    ACCOUNT = "account"
    MODEL = "model"
    DAY = "day"


_NAMES = {
    Grouping.PROVIDER: Column("provider", "PROVIDER"),
    Grouping.ACCOUNT: Column("account_id", "ACCOUNT"),
    Grouping.MODEL: Column("model", "MODEL"),
    Grouping.DAY: Column("day", "DAY"),
}
_SUMS = (
    Column("requests", "REQUESTS", is_number=True),
    Column("successes", "SUCCESSES", is_number=True),
    Column("input_tokens", "INPUT", is_number=True),
    Column("output_tokens", "OUTPUT", is_number=True),
    Column("cached_tokens", "CACHED", is_number=True),
    Column("reasoning_tokens", "REASONING", is_number=True),
    Column("images", "IMAGES", is_number=True),
    Column("cost_usd", "COST USD", is_number=True),
)


def usage(
    *,
    by: Annotated[
        Grouping, typer.Option("--by", metavar="WHAT", help="One line for each day, model, provider or account.")
    ] = Grouping.DAY,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DAY", help="First UTC day to count: 2026-11-23, or 7d for a week back."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Sum what was used: requests, tokens, images and cost."""
    from freetheai_gateway.cli.rows import summed
    from freetheai_gateway.services.admin_view import usage_fields

    day = None if since is None else _day(since)
    report = in_session(read_settings(config), lambda session: session.usage.report(by.value, day))
    rows = [usage_fields(row) for row in report]
    columns = (_NAMES[by], *_SUMS)
    if as_json or not rows:
        print_page(rows, columns, as_json=as_json, empty="Nothing was used in this time.")
    else:
        print_table(rows, columns, total=usage_fields(summed(report)) | {_NAMES[by].field: "total"})


def _day(text: str) -> str:
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.instants import read_day

    try:
        return read_day(text, SystemClock.wall())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--since'") from None
