"""Options that several commands share, as annotated types."""

from pathlib import Path
from typing import Annotated

import typer

from freetheai_gateway.domain.accounts import LONGEST_NAME, LONGEST_REASON, is_tidy


def read_name(text: str) -> str:
    """Read a name of a key or an account."""
    name = text.strip()
    if not is_tidy(name, LONGEST_NAME):
        raise typer.BadParameter(f"write 1 to {LONGEST_NAME} printable characters.")
    return name


def _reason(text: str | None) -> str | None:
    reason = None if text is None else text.strip()
    if reason is not None and not is_tidy(reason, LONGEST_REASON):
        raise typer.BadParameter(f"write 1 to {LONGEST_REASON} printable characters.")
    return reason


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Read this configuration file; otherwise FREETHEAI_CONFIG, ./freetheai.toml or the built-in defaults.",
        metavar="PATH",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="ROWS", help="Print at most this many rows.", min=1, max=1000)
]
CursorOption = Annotated[
    str | None,
    typer.Option(
        "--cursor",
        help="Go on after the page that gave this next_cursor.",
        metavar="CURSOR",
        show_default=False,
    ),
]
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="Why; freetheai audit shows it.", callback=_reason),
]
PublicReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help="Why; the member is told, and freetheai audit shows it.", callback=_reason
    ),
]
