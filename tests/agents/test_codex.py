"""Codex, as its users install it, finishes a task on every kind of upstream, with every form of tool it has."""

import pytest

from freetheai_gateway.testing.voices import Trouble
from tests.agents.actor import PROOF, SHELL_OUTPUT, Actor
from tests.agents.configuration import MODELS
from tests.agents.desk import Desk, Done
from tests.agents.golden import RECORDED
from tests.agents.work import read_work

CONFIG = """
model = "{model}"
model_provider = "freetheai"

[model_providers.freetheai]
name = "FreeTheAi"
base_url = "{base_url}"
env_key = "FREETHEAI_API_KEY"
wire_api = "responses"
"""
FLAGS = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--color", "never")
UPSTREAMS = {"anthropic_messages": "anthropic", "openai_chat": "chat", "gemini": "gemini"}


@pytest.mark.parametrize("dialect", MODELS)
def test_codex_with_a_task_runs_the_shell_and_tells_the_result(dialect: str, desk: Desk, actor: Actor) -> None:
    """A model that Codex does not know gets a shell that is a plain function."""
    actor.begin("exec_command")
    desk.golden = "codex" if dialect == RECORDED else ""
    assert SHELL_OUTPUT in finish(desk, MODELS[dialect])
    assert_worked(actor, dialect, SHELL_OUTPUT)


@pytest.mark.parametrize("dialect", MODELS)
def test_codex_with_a_tool_of_free_text_gets_the_text_unwrapped(dialect: str, desk: Desk, actor: Actor) -> None:
    """A model that Codex knows edits files with a custom tool: its patch reaches Codex as it is, not as JSON."""
    actor.begin("apply_patch")
    desk.golden = "codex-free-text" if dialect == RECORDED else ""
    assert PROOF in finish(desk, f"gpt-5.5-on-{UPSTREAMS[dialect]}")
    assert_worked(actor, dialect, PROOF)


@pytest.mark.parametrize("dialect", MODELS)
def test_codex_with_tools_in_a_namespace_finds_them_again(dialect: str, desk: Desk, actor: Actor) -> None:
    """Newer models get their tools in an input item, grouped by namespace; a call names both again."""
    actor.begin("exec")
    desk.golden = "codex-namespaces" if dialect == RECORDED else ""
    assert SHELL_OUTPUT in finish(desk, f"gpt-6.1-sol-on-{UPSTREAMS[dialect]}")
    assert_worked(actor, dialect, SHELL_OUTPUT)


@pytest.mark.parametrize("dialect", MODELS)
def test_codex_with_too_long_a_conversation_understands_the_refusal(dialect: str, desk: Desk, actor: Actor) -> None:
    """It knows the code, whatever the vendor said, and does not try again."""
    actor.begin("exec_command", Trouble.CONTEXT_TOO_LONG)
    done = ask(desk, MODELS[dialect])
    assert done.code == 1
    assert "ran out of room in the model's context window" in done.err
    assert len(actor.received) == 1


def finish(desk: Desk, model: str) -> str:
    """Run the task, check that the file is made, and give the last words."""
    done = ask(desk, model)
    assert done.code == 0, done
    assert (desk.work / PROOF).is_file(), done
    assert (desk.work / PROOF).read_text().strip() == SHELL_OUTPUT
    return done.out


def ask(desk: Desk, model: str) -> Done:
    """Run it as docs/clients.md says, without a terminal."""
    folder = desk.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG.format(model=model, base_url=f"{desk.url}/v1"))
    codex = desk.packages / ".bin" / "codex"
    return desk.run([codex, "exec", *FLAGS, "Make the file."], {"FREETHEAI_API_KEY": desk.secret})


def assert_worked(actor: Actor, dialect: str, proof: str) -> None:
    """Find a call and its result upstream, in requests that the vendor would take."""
    assert {one.dialect for one in actor.received} == {dialect}
    assert [one.complaints for one in actor.received if one.complaints] == []
    results = [read_work(dialect, one.body).results for one in actor.received]
    assert results[0] == []
    assert proof in results[-1][-1]
