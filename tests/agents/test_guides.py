"""The set-up guides of the pages do what they say, with the clients that they are for."""

import sys
from collections.abc import Sequence
from pathlib import Path

from freetheai_gateway.web.pages.guides import read_guides
from tests.agents.actor import GREETING, Actor
from tests.agents.configuration import CHAT
from tests.agents.desk import Desk, Done
from tests.agents.test_python_frameworks import PYTHON
from tests.e2e.gateway import Gateway
from tests.e2e.samples import samples_of

QUIETLY = "export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"


def test_guide_of_claude_code_when_followed_then_the_agent_answers(gateway: Gateway, desk: Desk, actor: Actor) -> None:
    """The last step starts it for a person; here it is asked one thing."""
    exports, start = samples_of(gateway, f"/setup/claude-code?model={CHAT}").values()
    assert start == "claude"
    done = _follow(desk, actor, ["sh", "-e", "-c", f'{exports}\n{QUIETLY}\n{start} -p "Say hello."'])
    assert done.code == 0, done
    assert GREETING in done.out, done


def test_guide_of_codex_when_followed_then_the_agent_answers(gateway: Gateway, desk: Desk, actor: Actor) -> None:
    """The file goes where the guide says."""
    config, start = samples_of(gateway, f"/setup/codex?model={CHAT}").values()
    file = desk.home / read_guides()["codex"].steps[0].file.removeprefix("~/")
    file.parent.mkdir()
    file.write_text(config)
    assert start == "codex"
    done = _follow(desk, actor, ["sh", "-e", "-c", f'{start} exec --skip-git-repo-check "Say hello."'])
    assert done.code == 0, done
    assert GREETING in done.out, done


def test_guide_of_langchain_when_followed_then_the_program_prints_the_answer(
    gateway: Gateway, desk: Desk, actor: Actor
) -> None:
    """What it has installed is installed already."""
    install, program = samples_of(gateway, f"/setup/langchain?model={CHAT}").values()
    assert install == "pip install langchain-openai"
    (desk.work / "hello.py").write_text(program)
    done = _follow(desk, actor, [PYTHON, "hello.py"])
    assert done.code == 0, done
    assert GREETING in done.out, done


def _follow(desk: Desk, actor: Actor, command: Sequence[str | Path]) -> Done:
    actor.begin("")
    path = f"{desk.packages / '.bin'}:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return desk.run(command, {"FREETHEAI_API_KEY": desk.secret, "PATH": path})
