"""Write `docs/cli.md` from the command line itself; with `--check` only say whether it is stale.

The words are those of `freetheai COMMAND --help`, so that they are written once.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from freetheai_gateway.cli.commands import NAME, app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

INTRODUCTION = """\
<!-- Written by `make docs`; what it says stands in src/freetheai_gateway/cli. -->

# Command line

Every command takes `--config PATH`. Without it the configuration is looked for in `FREETHEAI_CONFIG`, then in
`./freetheai.toml`; without a file the built-in defaults count ([configuration](configuration.md)). Only `serve` creates
a database; the other commands say which file they looked for. They work while the gateway runs, and it notices what
they change in under a second.

Results go to stdout, messages to stderr. With `--json` stdout holds one JSON object. Exit codes: 0 done, 1 failed,
2 wrong usage or configuration, 130 Ctrl-C.
"""


def main(arguments: list[str]) -> int:
    """Write the page, or compare; returns the exit code."""
    page = render()
    if "--check" not in arguments:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print("docs/cli.md is stale: make docs", file=sys.stderr)
    return 1


def render() -> str:
    """Render the whole page."""
    commands = list(_commands(typer.main.get_command(app), NAME))
    rows = [(f"[`{name}`](#{name.replace(' ', '-')})", _first_paragraph(command)) for name, command in commands]
    parts = [INTRODUCTION, _table("command", "does", rows)]
    for name, command in commands:
        parts += _section(name, command)
    return "\n".join(parts)


def _commands(command: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Walk the tree in the order of `--help`."""
    if isinstance(command, TyperGroup):
        for below, child in command.commands.items():
            yield from _commands(child, f"{name} {below}")
    elif isinstance(command, TyperCommand):
        yield name, command


def _section(name: str, command: TyperCommand) -> Iterator[str]:
    context = typer.Context(command, info_name=name, terminal_width=120)
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"## {name}\n"
    yield f"```\n{usage}\n```\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    for title, kind in (("argument", TyperArgument), ("option", TyperOption)):
        shown = [
            parameter for parameter in command.params if isinstance(parameter, kind) and parameter.name != "config"
        ]
        records = [parameter.get_help_record(context) for parameter in shown]
        rows = [(f"`{label.strip()}`", text) for label, text in filter(None, records)]
        if rows:
            yield _table(title, "meaning", rows)


def _first_paragraph(command: TyperCommand) -> str:
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _table(first: str, second: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {first} | {second} |", "|---|---|"]
    lines += [f"| {name} | {' '.join(text.split()).replace('|', chr(92) + '|')} |" for name, text in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
