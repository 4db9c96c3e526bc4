"""Find the configuration file, read it, judge it: the way from a path to the tree."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from freetheai_gateway.settings.advice import warnings_of
from freetheai_gateway.settings.defaults import with_addresses, with_demonstration
from freetheai_gateway.settings.lines import Lines
from freetheai_gateway.settings.paths import with_absolute_paths
from freetheai_gateway.settings.problems import Problem, SettingsInvalid
from freetheai_gateway.settings.read import Reader
from freetheai_gateway.settings.rules import Draft, problems_of
from freetheai_gateway.settings.tree import Settings

CONFIG_VARIABLE = "FREETHEAI_CONFIG"
CONFIG_FILE = "freetheai.toml"

_SYNTAX = re.compile(
    r"(?P<message>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used; `source` is `None` for the built-in defaults."""

    settings: Settings
    source: Path | None
    warnings: tuple[Problem, ...] = ()


def find_config(option: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Decide which file counts: `--config`, else FREETHEAI_CONFIG, else `./freetheai.toml`, else none.

    Raises `SettingsInvalid` where a file is named that is not there; it says which file was looked for.
    """
    named = [("--config", option), (CONFIG_VARIABLE, environ.get(CONFIG_VARIABLE))]
    for where, path in named:
        if path:
            wanted = cwd / path
            if not wanted.exists():
                raise SettingsInvalid([Problem(where, f"there is no file {wanted}")])
            return wanted
    usual = cwd / CONFIG_FILE
    return usual if usual.exists() else None


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read a configuration, or the built-in defaults for `None`; raises `SettingsInvalid` naming every mistake.

    Relative paths count from the file's folder, without a file from the current one.
    """
    if path is None:
        return from_document({}, environ, Path.cwd())
    text = _text_of(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid([_syntax_problem(error)], path) from None
    except (RecursionError, ValueError):  # nesting without end; an integer of thousands of digits
        raise SettingsInvalid([Problem("", "is no TOML that can be read")], path) from None
    return from_document(document, environ, path.absolute().parent, source=path, lines=Lines(text))


def default_settings(folder: Path | None = None) -> Settings:
    """Make the built-in configuration, as with no file and an empty environment; paths count from `folder`."""
    return from_document({}, {}, (folder or Path.cwd()).absolute()).settings


def from_document(
    document: Mapping[str, object],
    environ: Mapping[str, str],
    folder: Path,
    *,
    source: Path | None = None,
    lines: Lines | None = None,
) -> Loaded:
    """Turn the tables of a configuration into the tree; raises `SettingsInvalid`."""
    reader = Reader(environ, folder)
    names_families = "families" in document
    draft = with_demonstration(reader.read(document), names_families=names_families)
    problems = [*reader.problems, *problems_of(Draft(draft, frozenset(problem.where for problem in reader.problems)))]
    if problems:
        raise SettingsInvalid(_in_order(problems, lines), source)
    warnings = warnings_of(draft, reader.missing, names_families=names_families)
    settings = with_absolute_paths(with_addresses(draft), folder)
    return Loaded(settings, source, tuple(_in_order(warnings, lines)))


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise SettingsInvalid([Problem("", f"there is no file {path}")], path) from None
    except OSError as error:
        raise SettingsInvalid([Problem("", f"can't be read: {error.strerror}")], path) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise SettingsInvalid([Problem(f"line {line}", "is not UTF-8", line=line)], path) from None


def _syntax_problem(error: tomllib.TOMLDecodeError) -> Problem:
    found = _SYNTAX.fullmatch(str(error))
    if found is None or found["line"] is None:
        message = found["message"] if found else str(error)
        return Problem("end of the file", message)
    return Problem(f"line {found['line']}, column {found['column']}", found["message"], line=int(found["line"]))


def _in_order(problems: list[Problem], lines: Lines | None) -> list[Problem]:
    """Add the lines, and put the problems in the order of the file; those without a line come first."""
    if lines is None:
        return problems
    placed = [replace(problem, line=lines.find(problem.where)) for problem in problems]
    return sorted(placed, key=lambda problem: problem.line or 0)
