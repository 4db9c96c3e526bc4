"""The documents tell the truth: links lead somewhere, named tests and modules exist, examples are whole."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from freetheai_gateway.app.welcome import curl
from freetheai_gateway.settings.defaults import DEMONSTRATION_LABEL, LOCAL_MODEL
from freetheai_gateway.settings.load import load
from tests.skipping import skip_or_fail

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "freetheai_gateway"
README = ROOT / "README.md"
NOT_OURS = {"node_modules", "build", "dist"}
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part in NOT_OURS or part.startswith(".") for part in page.relative_to(ROOT).parts)
)
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_DEFINITION = re.compile(r'^\[([^\]]+)\]: (\S+)(?: "(\w+)")?$', re.MULTILINE)
_USE = re.compile(r"\[([^\]]+)\](?![(:\]])")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MODULE = re.compile(r"`([\w.]+(?:/[\w.-]+)*(?:\.py|/))`")


def prose(page: Path) -> str:
    """Read a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def blocks(page: Path, *languages: str) -> list[str]:
    """Read the fenced blocks of a page in these languages."""
    return [body for language, body in _FENCE.findall(page.read_text()) if language in languages]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Name the headings of a page as links call them."""
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(prose(page))
    )


@cache
def functions(path: Path) -> frozenset[str]:
    """Name every function of a file, methods too."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def dead_links(page: Path) -> Iterator[str]:
    """Find links to files or headings that are not there."""
    text = _CODE.sub("", prose(page))
    for target in [*_LINK.findall(text), *(target for _, target, _ in _DEFINITION.findall(text))]:
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            yield target


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_page_when_it_links_into_the_repository_then_the_targets_are_there(name: str) -> None:
    """Files and headings, in every Markdown file."""
    assert list(dead_links(ROOT / name)) == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_page_when_it_names_a_module_then_it_is_there(name: str) -> None:
    """Paths count from the root or from the package; a name without a folder may be in any folder of the package."""
    known = {path.name for path in PACKAGE.rglob("*.py")}
    found = {
        path
        for path in _MODULE.findall(prose(ROOT / name))
        if not ((ROOT / path).exists() or (PACKAGE / path).exists() or path in known)
    }
    assert found == set()


def test_readme_when_a_row_says_what_happens_then_its_tests_exist() -> None:
    """Every row of the table links at least one test by file and name."""
    text = prose(README)
    tests = {label: (target, title) for label, target, title in _DEFINITION.findall(text)}
    (section,) = re.findall(r"^## What happens when$(.+?)^## ", text, re.MULTILINE | re.DOTALL)
    rows = [row for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        labels = _USE.findall(row.rstrip(" |").rpartition("|")[2])
        assert labels, f"no test proves: {row}"
        for label in labels:
            target, title = tests[label]
            assert title in functions(ROOT / target), f"{target} has no {title}"


def test_decisions_when_listed_then_the_list_is_whole() -> None:
    """Each record has its line in the index, and its number in its title."""
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert re.findall(r"\]\((0\S+\.md)\)", (folder / "README.md").read_text()) == records
    for name in records:
        assert (folder / name).read_text().startswith(f"# {int(name[:4])}. ")


def test_command_line_page_when_compared_with_the_commands_then_it_is_fresh() -> None:
    """`make docs` writes it."""
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_shell_examples_when_read_by_bash_then_they_are_whole(name: str) -> None:
    """Nothing is run."""
    for block in blocks(ROOT / name, "sh", "bash"):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False, timeout=10)
        assert (done.returncode, done.stderr) == (0, ""), block


def test_python_examples_when_parsed_then_they_are_whole() -> None:
    """Nothing is run; the end-to-end tests drive the same SDK."""
    examples = blocks(README, "python")
    assert examples
    for block in examples:
        ast.parse(block)


def test_javascript_examples_when_read_by_node_then_they_are_whole(tmp_path: Path) -> None:
    """Nothing is run."""
    if shutil.which("node") is None:
        skip_or_fail("Node is not installed")
    examples = blocks(README, "js")
    assert examples
    for block in examples:
        script = tmp_path / "example.mjs"
        script.write_text(block)
        done = subprocess.run(["node", "--check", script], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr


def test_configuration_examples_when_loaded_then_nothing_is_wrong_with_them(tmp_path: Path) -> None:
    """A mistake would raise."""
    examples = blocks(README, "toml")
    assert examples
    for block in examples:
        path = tmp_path / "freetheai.toml"
        path.write_text(block)
        assert load(path, {}).settings.models[0].upstreams


def test_readme_when_it_shows_the_start_then_it_shows_what_the_program_prints() -> None:
    """The line to paste and the label of the demonstration model, word for word."""
    (shown,) = [block for block in blocks(README, "text") if "try " in block]
    assert curl("http://127.0.0.1:8000/v1", "fta_…", LOCAL_MODEL.id) in shown
    assert f"{LOCAL_MODEL.id} is {DEMONSTRATION_LABEL}" in shown
