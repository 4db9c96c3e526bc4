"""Options that several commands share, as annotated types."""

from pathlib import Path
from typing import Annotated

import typer

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
