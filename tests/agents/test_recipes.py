"""The recipes of docs/clients.md do what they say, as they stand there."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.agents.actor import GREETING, Actor
from tests.agents.configuration import CHAT
from tests.agents.desk import Desk
from tests.agents.test_python_frameworks import PYTHON

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
ADDRESS, MODEL = "http://127.0.0.1:8000", "glm/glm-5.1"

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_, *_PARTS = _HEADING.split(PAGE)
SECTIONS = dict(zip(_PARTS[::2], _PARTS[1::2], strict=True))
RECIPES = [
    (section, language, block)
    for section, text in SECTIONS.items()
    for language, block in _FENCE.findall(text)
    if language in {"sh", "python", "js"}
]
IDS = [f"{section}-{number}" for number, (section, *_) in enumerate(RECIPES)]


@pytest.mark.parametrize(("section", "language", "block"), RECIPES, ids=IDS)
def test_recipe_when_run_prints_the_answer(section: str, language: str, block: str, desk: Desk, actor: Actor) -> None:
    """A reader who pastes the block gets an answer from the model that it names."""
    actor.begin("")
    _configure(desk, section)
    text = _filled(block, desk)
    done = desk.run(_command(language, text, desk), _environment(desk))
    assert done.code == 0, done
    assert (CHAT if "/v1/models" in block else GREETING) in done.out, done


def _configure(desk: Desk, section: str) -> None:
    """Write the file that a recipe begins with."""
    if section == "Codex":
        folder = desk.home / ".codex"
        folder.mkdir()
        config = next(block for language, block in _FENCE.findall(SECTIONS[section]) if language == "toml")
        (folder / "config.toml").write_text(_filled(config, desk))


def _filled(block: str, desk: Desk) -> str:
    assert ADDRESS in block or MODEL in block or "codex" in block
    return block.replace(ADDRESS, desk.url).replace(MODEL, CHAT)


def _command(language: str, text: str, desk: Desk) -> Sequence[str | Path]:
    if language == "sh":
        return ["sh", "-e", "-c", text]
    program = desk.work / ("program.py" if language == "python" else "program.mjs")
    program.write_text(text)
    if language == "js":
        (desk.work / "node_modules").symlink_to(desk.packages)
    return ["node" if language == "js" else PYTHON, program]


def _environment(desk: Desk) -> dict[str, str]:
    path = f"{desk.packages / '.bin'}:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return {"FREETHEAI_API_KEY": desk.secret, "PATH": path}
