"""What commands print: results on stdout, as a table or one JSON object; messages on stderr."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

Row = Mapping[str, object]

_NOTHING = "-"
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the row's field, what stands above it, and whether it holds numbers."""

    field: str
    heading: str
    is_number: bool = False


def print_json(value: object) -> None:
    """Print one JSON object."""
    from freetheai_gateway import jsonc

    typer.echo(jsonc.encode(value))


def print_text(text: str) -> None:
    """Print a result for people."""
    typer.echo(text)


def say(text: str) -> None:
    """Print a message: stderr, so that it never mixes with a result."""
    typer.echo(text, err=True)


def print_page(
    rows: Sequence[Row], columns: Sequence[Column], *, as_json: bool, next_cursor: str | None = None, empty: str
) -> None:
    """Print one page of a list; `empty` is what people read where there is nothing to list."""
    if as_json:
        print_json({"object": "list", "data": rows, "next_cursor": next_cursor})
        return
    if rows:
        print_table(rows, columns)
    else:
        say(empty)
    if next_cursor is not None:
        say(f"There are more: --cursor {next_cursor}")


def print_table(rows: Sequence[Row], columns: Sequence[Column], *, total: Row | None = None) -> None:
    """Print rows as a table on a terminal and as aligned columns elsewhere; `total` is set off as the last row."""
    lines = [[_cell(row.get(column.field)) for column in columns] for row in (*rows, *([total] if total else []))]
    if sys.stdout.isatty():
        _draw(columns, lines, has_total=total is not None)
    else:
        _align(columns, lines)


def print_fields(fields: Row, *, as_json: bool) -> None:
    """Print one object: as JSON, or a line per field."""
    if as_json:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}{_GAP}{_cell(value)}")


def _cell(value: object) -> str:
    """Write a value so that it stays on its line: names come from people and may hold anything."""
    match value:
        case None | "" | []:
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6f}"
        case list():
            return ", ".join(_cell(item) for item in value)
        case _:
            return "".join(letter if letter.isprintable() else "�" for letter in str(value))


def _align(columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> None:
    headed = [[column.heading for column in columns], *lines]
    widths = [max(len(line[index]) for line in headed) for index in range(len(columns))]
    for line in headed:
        cells = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        typer.echo(_GAP.join(cells).rstrip())


def _draw(columns: Sequence[Column], lines: Sequence[Sequence[str]], *, has_total: bool) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.heading, justify="right" if column.is_number else "left", no_wrap=True)
    for number, line in enumerate(lines, start=1):
        style = "bold" if has_total and number == len(lines) else ""
        table.add_row(*(Text(cell) for cell in line), style=style)
    headed = [[column.heading for column in columns], *lines]
    natural = sum(max(cell_len(line[index]) for line in headed) + len(_GAP) for index in range(len(columns)))
    # An id that is cut or folded can't be copied: a table that is too wide is left for the terminal to wrap.
    Console(width=max(Console().width, natural)).print(table)
