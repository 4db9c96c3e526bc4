"""`freetheai check` and `freetheai models`, and which configuration file every command reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cli.conftest import CommandLine

BAD = """\
[[providers]]
name = "zai"
api = "openai"

[[models]]
id = "glm/glm-5.1"
[[models.upstreams]]
provider = "zay"
model = "glm-5.1"
"""
GOOD = """\
[[families]]
name = "Core"
models = ["glm/*", "old/*"]

[[families]]
name = "Plus"
models = ["img/*"]
minimum_tier = 3

[[providers]]
name = "zai"
api = "openai"
base_url = "https://api.example/v4"
api_keys = ["secret-word"]

[[providers]]
name = "keyless"
api = "openai"
base_url = "https://keyless.example/v1"
api_keys = ["env:NO_SUCH_KEY"]

[[providers]]
name = "painter"
api = "ark"
api_keys = ["secret-word"]

[[models]]
id = "glm/glm-5.1"
[[models.upstreams]]
provider = "keyless"
model = "glm-5.1"
[[models.upstreams]]
provider = "zai"
model = "glm-5.1"

[[models]]
id = "glm/glm-6"
[[models.upstreams]]
provider = "keyless"
model = "glm-6"

[[models]]
id = "old/glm-4"
retired = true
replaced_by = "glm/glm-5.1"

[[models]]
id = "img/dream"
kind = "image"
features = ["generate"]
[[models.upstreams]]
provider = "painter"
model = "dream"
"""


@pytest.fixture
def good(empty_folder: Path) -> Path:
    """Write a configuration whose keys are partly missing."""
    path = empty_folder / "good.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(empty_folder: Path) -> Path:
    """Write a configuration that can't be used."""
    path = empty_folder / "bad.toml"
    path.write_text(BAD)
    return path


def test_check_of_a_bad_file_as_json_names_every_problem(bare_command: CommandLine, bad: Path) -> None:
    """The object of the contract on stdout, nothing on stderr, exit code 2."""
    done = bare_command("check", "--config", str(bad), "--json")
    assert (done.code, done.err) == (2, "")
    assert done.out == (
        '{"ok":false,"problems":[{"where":"models[0].upstreams[0].provider",'
        '"message":"no provider is called \\"zay\\"","hint":"did you mean \\"zai\\"?"}],"warnings":[]}\n'
    )


def test_check_of_a_bad_file_for_people_says_the_same_words(bare_command: CommandLine, bad: Path) -> None:
    """The file's name stands in front."""
    done = bare_command("check", "--config", str(bad))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(
        'bad.toml: models[0].upstreams[0].provider: no provider is called "zay" (did you mean "zai"?)'
    )


def test_check_of_a_good_file_as_json_lists_warnings(bare_command: CommandLine, good: Path) -> None:
    """A missing key is allowed and told."""
    checked = bare_command("check", "--config", str(good), "--json").object
    assert list(checked) == ["ok", "problems", "warnings"]
    assert (checked["ok"], checked["problems"]) == (True, [])
    warnings = checked["warnings"]
    assert isinstance(warnings, list)
    assert [warning["where"] for warning in warnings] == ["providers[1].api_keys"]
    assert list(warnings[0]) == ["where", "message", "hint"]


def test_check_of_a_good_file_for_people_says_what_was_read(bare_command: CommandLine, good: Path) -> None:
    """How much there is and how much of it can be called; warnings are on stderr."""
    done = bare_command("check", "--config", str(good))
    assert (done.code, done.out) == (0, "good.toml: ok, 4 models, 3 providers, 2 of them set up\n")
    assert done.err.startswith("good.toml: warning: providers[1].api_keys: ")
    assert "secret-word" not in done.err


def test_check_without_a_file_judges_the_built_in_configuration(bare_command: CommandLine) -> None:
    """No file is no mistake, and no database is needed."""
    done = bare_command("check")
    assert (done.code, done.err) == (0, "")
    assert done.out == "built-in configuration: ok, 2 models, 2 providers, 2 of them set up\n"


def test_the_variable_names_the_file_where_no_option_does(
    bare_command: CommandLine, bad: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--config` goes before FREETHEAI_CONFIG, which goes before `./freetheai.toml`."""
    (bad.parent / "freetheai.toml").write_text("")
    assert bare_command("check").code == 0
    monkeypatch.setenv("FREETHEAI_CONFIG", str(bad))
    assert bare_command("check").code == 2
    assert bare_command("check", "--config", str(good)).code == 0


def _every_command() -> Iterator[list[str]]:
    yield from (["check"], ["models"], ["usage"], ["requests", "show", "req_1"], ["db", "status"], ["db", "upgrade"])
    yield from (["keys", "create", "--name", "x"], ["keys", "list"], ["keys", "rotate", "key_1"])
    yield from (["keys", "revoke", "key_1"], ["accounts", "list"], ["accounts", "show", "acc_1"])
    yield from (["accounts", "tier", "acc_1", "1"], ["accounts", "suspend", "acc_1"], ["accounts", "restore", "acc_1"])
    yield from (["local", "install"], ["serve"])


EVERY_COMMAND = list(_every_command())
STORE_COMMANDS = [words for words in EVERY_COMMAND if words[0] not in {"check", "models", "local", "serve"}]


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_a_file_that_is_not_there_is_named(bare_command: CommandLine, words: list[str]) -> None:
    """Every command takes `--config` and says in one line which file it looked for."""
    done = bare_command(*words, "--config", "nowhere.toml")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"--config: there is no file {Path.cwd() / 'nowhere.toml'}\n"


@pytest.mark.parametrize("words", [words for words in EVERY_COMMAND if words[0] != "local"], ids=" ".join)
def test_a_bad_file_is_refused_in_the_words_of_check(bare_command: CommandLine, bad: Path, words: list[str]) -> None:
    """Whichever command meets it first."""
    done = bare_command(*words, "--config", str(bad))
    assert (done.code, done.out) == (2, "")
    assert done.err == bare_command("check", "--config", str(bad)).err


@pytest.mark.parametrize("words", STORE_COMMANDS, ids=" ".join)
def test_a_database_that_is_not_there_is_named_and_not_created(bare_command: CommandLine, words: list[str]) -> None:
    """Only `serve` creates one; one line says which file was looked for."""
    done = bare_command(*words)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"there is no database at {Path.cwd() / 'freetheai.db'}" in done.err
    assert list(Path.cwd().iterdir()) == []


def test_a_file_that_is_no_database_is_one_line(bare_command: CommandLine, empty_folder: Path) -> None:
    """Neither SQL nor a traceback."""
    (empty_folder / "freetheai.db").write_text("this is something else, and long enough to be taken for a header" * 9)
    done = bare_command("keys", "list")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("Error: the database is not available")


def test_a_database_server_that_is_away_is_told_in_one_line(bare_command: CommandLine, empty_folder: Path) -> None:
    """The password in its address is not shown."""
    (empty_folder / "freetheai.toml").write_text('[database]\nurl = "postgresql://user:password@127.0.0.1:1/name"\n')
    done = bare_command("keys", "list")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: the database is not available")
    assert done.err.count("\n") == 1
    assert "password" not in done.err


def test_models_says_what_is_set_up_and_why_not(bare_command: CommandLine, good: Path) -> None:
    """One upstream that can be called is enough; retired models name their successor."""
    listed = bare_command("models", "--config", str(good), "--json")
    assert (listed.object["object"], listed.object["next_cursor"]) == ("list", None)
    assert listed.rows == [
        {
            "id": "glm/glm-5.1",
            "kind": "chat",
            "tier": "Starter",
            "family": "Core",
            "providers": ["keyless", "zai"],
            "set_up": True,
            "reason": None,
        },
        {
            "id": "glm/glm-6",
            "kind": "chat",
            "tier": "Starter",
            "family": "Core",
            "providers": ["keyless"],
            "set_up": False,
            "reason": "keyless has no key",
        },
        {
            "id": "old/glm-4",
            "kind": "chat",
            "tier": "Starter",
            "family": "Core",
            "providers": [],
            "set_up": False,
            "reason": "it is retired; its successor is glm/glm-5.1",
        },
        {
            "id": "img/dream",
            "kind": "image",
            "tier": "Regular",
            "family": "Plus",
            "providers": ["painter"],
            "set_up": True,
            "reason": None,
        },
    ]


def test_models_of_a_local_model_that_is_not_there_names_the_remedy(
    bare_command: CommandLine, empty_folder: Path
) -> None:
    """A GGUF file that does not exist, or a wheel that is not installed, is said with what mends it."""
    (empty_folder / "freetheai.toml").write_text(
        '[[providers]]\nname = "own"\napi = "llamacpp"\nmodel_path = "no.gguf"\n'
        '[[models]]\nid = "own/model"\n[[models.upstreams]]\nprovider = "own"\nmodel = "model"\n'
    )
    [row] = bare_command("models", "--json").rows
    assert row["set_up"] is False
    assert "does not exist" in str(row["reason"]) or "not installed" in str(row["reason"])
