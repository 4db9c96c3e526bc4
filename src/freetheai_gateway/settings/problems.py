"""What is wrong with a configuration, in words that name the place and the way out.

The text of a problem is printed and logged: it never holds the value of a secret, of an environment variable or
of a file that the configuration points to.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

LONGEST_QUOTE = 80


class Problem(msgspec.Struct, frozen=True):
    """One mistake. Encoded as JSON it is an entry of `check --json`.

    `where` is the dotted path with indexes, `models[3].upstreams[0].provider`; `hint` may be empty; `line` counts
    from 1 and is `None` where it is not known.
    """

    where: str
    message: str
    hint: str = ""
    line: int | None = None


class SettingsInvalid(Exception):
    """The configuration can't be used; `problems` names every mistake in it, not only the first."""

    def __init__(self, problems: Sequence[Problem], source: Path | None = None) -> None:
        super().__init__(problems_as_text(problems, source))
        self.problems = tuple(problems)
        self.source = source


def problems_as_text(problems: Iterable[Problem], source: Path | str | None) -> str:
    """Write problems for a terminal, one a line, the file's name in front."""
    name = source.name if isinstance(source, Path) else source or ""
    return "\n".join(_as_line(problem, name) for problem in problems)


def _as_line(problem: Problem, name: str) -> str:
    parts = [name, problem.where, problem.message]
    text = ": ".join(part for part in parts if part)
    hint = f" ({problem.hint})" if problem.hint else ""
    line = f" [line {problem.line}]" if problem.line is not None else ""
    return text + hint + line


def quoted(text: str) -> str:
    """Put a word of the configuration in quotes so that it stays on one line and short."""
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    printable = "".join(letter if letter.isprintable() else "�" for letter in shown)
    return f'"{printable}"'


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Suggest the candidate that a mistyped word is nearest to; empty where none is near."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    near = get_close_matches(word.lower()[:LONGEST_QUOTE], by_lower, n=1, cutoff=0.6)
    return f"did you mean {quoted(by_lower[near[0]])}?" if near else ""


def did_you_mean_or_list(word: str, candidates: Sequence[str], label: str) -> str:
    """Suggest the nearest candidate, or list them all after `label`."""
    return did_you_mean(word, candidates) or f"{label}: {', '.join(candidates) or 'none'}"
