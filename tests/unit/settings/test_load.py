"""From the path to the tree: which file counts, syntax, references, paths, lines."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.settings import (
    Loaded,
    Problem,
    SettingsInvalid,
    find_config,
    listening_on,
    load,
    problems_as_text,
)

Load = Callable[..., Loaded]
Judge = Callable[..., list[tuple[str, str, str]]]


def problems_of(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """Load a file that must not load."""
    with pytest.raises(SettingsInvalid) as invalid:
        load(path, environ or {})
    return invalid.value.problems


# --- which file ---------------------------------------------------------------------------------------------------


def test_find_config_when_several_exist_then_option_before_variable_before_usual_name(tmp_path: Path) -> None:
    """`--config` wins over FREETHEAI_CONFIG, that over ./freetheai.toml, that over the built-in defaults."""
    assert find_config(None, {}, tmp_path) is None
    usual, by_variable, by_option = (tmp_path / name for name in ("freetheai.toml", "a.toml", "b.toml"))
    for path in (usual, by_variable, by_option):
        path.touch()
    assert find_config(None, {"FREETHEAI_CONFIG": ""}, tmp_path) == usual
    assert find_config(None, {"FREETHEAI_CONFIG": "a.toml"}, tmp_path) == by_variable
    assert find_config("b.toml", {"FREETHEAI_CONFIG": "a.toml"}, tmp_path) == by_option


@pytest.mark.parametrize(("option", "where"), [("no.toml", "--config"), (None, "FREETHEAI_CONFIG")])
def test_find_config_when_the_named_file_is_absent_then_says_which(
    tmp_path: Path, option: str | None, where: str
) -> None:
    """A named file that is not there is never replaced by another one."""
    (tmp_path / "freetheai.toml").touch()
    with pytest.raises(SettingsInvalid) as invalid:
        find_config(option, {"FREETHEAI_CONFIG": "no.toml"}, tmp_path)
    assert invalid.value.problems == (Problem(where, f"there is no file {tmp_path / 'no.toml'}"),)


def test_load_when_the_file_is_absent_or_a_folder_then_says_so(tmp_path: Path) -> None:
    """A file that goes between finding and reading is a problem, too."""
    assert problems_of(tmp_path / "x.toml") == (Problem("", f"there is no file {tmp_path / 'x.toml'}"),)
    assert problems_of(tmp_path) == (Problem("", "can't be read: Is a directory"),)


# --- syntax -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[server]\nport = \n", Problem("line 2, column 8", "Invalid value", line=2)),
        (b"[server]\nport = 1\nport = 2\n", Problem("line 3, column 9", "Cannot overwrite a value", line=3)),
        (b"[server", Problem("end of the file", "Expected ']' at the end of a table declaration")),
        (b"[site]\nname = '\xff'", Problem("line 2", "is not UTF-8", line=2)),
        (b"x = " + b"[" * 5000, Problem("", "is no TOML that can be read")),
        (b"x = " + b"9" * 5000, Problem("", "is no TOML that can be read")),
    ],
)
def test_load_when_it_is_no_toml_then_line_and_column_are_named(tmp_path: Path, text: bytes, expected: Problem) -> None:
    """A syntax error is one problem, at its line and column."""
    path = tmp_path / "x.toml"
    path.write_bytes(text)
    assert problems_of(path) == (expected,)


def test_load_when_windows_wrote_the_file_then_read(tmp_path: Path) -> None:
    """A byte order mark and CR LF are no mistakes."""
    path = tmp_path / "x.toml"
    path.write_bytes(b'\xef\xbb\xbf[site]\r\nname = "Ours"\r\n')
    assert load(path, {}).settings.site.name == "Ours"


# --- references ---------------------------------------------------------------------------------------------------


def test_string_when_it_refers_then_what_it_refers_to_is_read(load_text: Load, tmp_path: Path) -> None:
    """Variables and files stand in for any string; of a file one trailing line break is left out."""
    (tmp_path / "key").write_bytes(b"from-file\r\n")
    text = '[site]\nname = "env:NAME"\n[[providers]]\nname = "p"\napi = "openai"\napi_keys = ["file:key", "env:K", "k"]'
    settings = load_text(text, {"NAME": "Ours", "K": "from-env"}).settings
    assert settings.site.name == "Ours"
    assert settings.providers[0].api_keys == ("from-file", "from-env", "k")


MISSING = [
    ('[site]\nname = "env:NOPE"', "site.name", 'environment variable "NOPE" is not set'),
    ('[site]\nname = "env:EMPTY"', "site.name", 'environment variable "EMPTY" is not set'),
    ('[site]\nname = "env:"', "site.name", "names no environment variable"),
    ('[site]\nname = "file:nope"', "site.name", 'there is no file "nope"'),
    ('[site]\nname = "file:"', "site.name", "names no file"),
    ('[site]\nname = "file:."', "site.name", 'the file "." can\'t be read: Is a directory'),
    ('[site]\nname = "file:\\u0000"', "site.name", 'the file "�" can\'t be read: no usable path'),
    ('[site]\nname = "file:binary"', "site.name", 'the file "binary" is not UTF-8'),
    ('[site]\nname = "file:huge"', "site.name", 'the file "huge" is larger than 65536 bytes'),
    ('[database]\nurl = "env:NOPE"', "database.url", 'environment variable "NOPE" is not set'),
    ('[metrics]\ntoken = "file:nope"', "metrics.token", 'there is no file "nope"'),
    ('[[providers]]\nname = "p"\napi = "openai"\nbase_url = "env:NOPE"', "providers[0].base_url",
     'environment variable "NOPE" is not set'),
    ('[[providers]]\nname = "p"\napi = "openai"\nheaders = { a = "env:NOPE" }', "providers[0].headers.a",
     'environment variable "NOPE" is not set'),
    ('[server]\nadmin_token = "file:binary"', "server.admin_token", 'the file "binary" is not UTF-8'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "message"), MISSING)
def test_reference_when_it_leads_nowhere_then_a_problem(
    judge: Judge, tmp_path: Path, text: str, where: str, message: str
) -> None:
    """What is missing is named; a file that is there and can't be used is a problem everywhere."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 65_537)
    assert [found[:2] for found in judge(text, {"EMPTY": ""})] == [(where, message)]


def test_reference_when_missing_is_allowed_then_the_feature_is_off(load_text: Load) -> None:
    """Keys are left out one by one; without the admin token and Discord's values those features are off."""
    text = """
[server]
admin_token = "file:nope"
[discord]
application_id = "env:NOPE"
public_key = "env:NOPE"
guild_id = "env:NOPE"
invite_url = "env:NOPE"
operators = ["env:NOPE"]
[[providers]]
name = "p"
api = "openai"
api_keys = ["env:NOPE", "k", "file:nope"]
"""
    settings = load_text(text).settings
    assert settings.server.admin_token is None
    assert settings.providers[0].api_keys == ("k",)
    assert settings.providers[0].is_set_up
    assert settings.discord.operators == ()
    assert not settings.discord.is_on


def test_default_references_when_the_variables_are_set_then_read(load_text: Load) -> None:
    """The admin token and Discord's secrets come from the environment without a line in the file."""
    environ = {
        "FREETHEAI_ADMIN_TOKEN": "admin",
        "DISCORD_BOT_TOKEN": "bot",
        "DISCORD_CLIENT_SECRET": "secret",
        "FREETHEAI_API_KEY": "client",
        "FREETHEAI_BASE_URL": "http://elsewhere.example",
    }
    discord = '[discord]\napplication_id = "112233445566778899"\nguild_id = "112233445566778899"\n'
    settings = load_text(f'{discord}public_key = "{"ab" * 32}"', environ).settings
    assert settings.server.admin_token == "admin"
    assert settings.discord.is_on
    assert settings.discord.login_is_on
    assert settings.server.public_url == "http://127.0.0.1:8000"
    assert load_text('[server]\nadmin_token = ""', environ).settings.server.admin_token is None


# --- paths, addresses, values -------------------------------------------------------------------------------------


def test_paths_when_relative_then_they_count_from_the_file(load_text: Load, tmp_path: Path) -> None:
    """Database, images, journal and model files are beside the configuration, wherever the process runs."""
    text = '[images]\ndirectory = "img"\n[journal]\ndirectory = "/var/j"\n[[providers]]\nname = "l"\napi = "llamacpp"\n'
    settings = load_text(f'{text}model_path = "m.gguf"').settings
    assert settings.database.url == f"sqlite:///{tmp_path}/freetheai.db"
    assert settings.images.directory == tmp_path / "img"
    assert settings.journal.directory == Path("/var/j")
    assert settings.providers[0].model_path == tmp_path / "m.gguf"


@pytest.mark.parametrize(
    ("url", "final"),
    [
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("sqlite:///x.db?timeout=5", "sqlite:///{folder}/x.db?timeout=5"),
        ("postgresql://u:p@h/db", "postgresql://u:p@h/db"),
    ],
)
def test_database_url_when_read_then_its_path_is_absolute(
    load_text: Load, tmp_path: Path, url: str, final: str
) -> None:
    """Only a relative SQLite path changes."""
    assert load_text(f'[database]\nurl = "{url}"').settings.database.url == final.format(folder=tmp_path)


def test_public_url_when_not_set_then_made_of_host_and_port(load_text: Load) -> None:
    """An address to listen on everywhere becomes one that can be called; a set one is left alone."""
    assert load_text('[server]\nhost = "0.0.0.0"\nport = 9000').settings.server.public_url == "http://127.0.0.1:9000"
    settings = load_text('[server]\nhost = "::"').settings
    assert settings.server.public_url == "http://[::1]:8000"
    assert listening_on(settings, port=9000).server.public_url == "http://[::1]:9000"
    moved = listening_on(load_text('[server]\npublic_url = "https://x.example/"').settings, host="0.0.0.0", port=9000)
    assert (moved.server.host, moved.server.port) == ("0.0.0.0", 9000)
    assert moved.server.public_url == "https://x.example"


def test_dates_when_quoted_or_not_then_the_same(load_text: Load, judge: Judge) -> None:
    """TOML has dates of its own and people write strings; both are read."""
    model = '[[models]]\nid = "a"\nretired = true\nretires_at = '
    for written in ("2026-12-31", '"2026-12-31"'):
        assert load_text(model + written).settings.models[0].retires_at == date(2026, 12, 31)
    expected = ("models[0].retires_at", '"31.12.2026" is no date', 'such as "2026-12-31"')
    assert judge(f'{model}"31.12.2026"') == [expected]


@pytest.mark.parametrize(("written", "seconds"), [("00:00Z", 0), ("00:00-08:00", 28_800), ("09:30+10:00", 84_600)])
def test_day_start_when_zoned_then_in_seconds_after_midnight_utc(load_text: Load, written: str, seconds: int) -> None:
    """A vendor's day begins where the vendor lives."""
    text = f'[[providers]]\nname = "p"\napi = "openai"\nlimits_per_key = {{ day_starts = "{written}" }}'
    assert load_text(text).settings.providers[0].limits_per_key.day_starts_s == seconds


# --- words --------------------------------------------------------------------------------------------------------


def test_problems_as_text_when_printed_then_file_place_message_hint_line() -> None:
    """One line a problem, the file's name in front; what is not known is left out."""
    where = "models[3].upstreams[0].provider"
    known = Problem(where, 'no provider is called "zay"', 'did you mean "zai"?')
    placed = Problem("", "is no TOML that can be read", line=7)
    assert problems_as_text([known, placed], Path("/etc/freetheai.toml")) == (
        f'freetheai.toml: {where}: no provider is called "zay" (did you mean "zai"?)\n'
        "freetheai.toml: is no TOML that can be read [line 7]"
    )
    assert problems_as_text([known], None).startswith(f"{where}: no provider")


def test_problem_when_encoded_then_as_check_json_shows_it() -> None:
    """The keys are those of `check --json`, and the line where it is known."""
    assert jsonc.encode(Problem("a.b", "is required", line=3)) == (
        b'{"where":"a.b","message":"is required","hint":"","line":3}'
    )
