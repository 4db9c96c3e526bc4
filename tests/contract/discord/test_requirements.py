"""The table of requirements in the documentation names tests that there are, for every number."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"\| (\d+) \| [^|]+ \|([^|]*)\|")
NUMBERS = range(1, 31)


def test_requirements_when_looked_up_then_each_names_tests_that_exist() -> None:
    """Renaming a test without its row, or a row without a test, fails here."""
    rows = {int(number): re.findall(r"`([^`]+)`", tests) for number, tests in ROW.findall(_table())}
    assert list(rows) == list(NUMBERS)
    assert all(rows.values())
    named = {name for names in rows.values() for name in names}
    assert named - _tests() == set()


def _table() -> str:
    return (ROOT / "docs" / "discord.md").read_text().partition("## How it is tested")[2]


def _tests() -> set[str]:
    """List the tests of the folders about Discord."""
    found = set()
    for path in (ROOT / "tests" / "contract").rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        found |= {function.name for function in functions}
    return found
