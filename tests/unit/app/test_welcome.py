"""What an operator reads when the gateway has started."""

import shlex
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.app.welcome import base_url, curl, headline, welcome
from freetheai_gateway.ids import KeyForm, key_form
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.ports import Page
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.testing.clock import FakeClock


@asynccontextmanager
async def _gateway(folder: Path, **tables: object) -> AsyncIterator[Gateway]:
    document: dict[str, object] = {
        "providers": [{"name": "zai", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": ["k"]}],
        "models": [
            {"id": "old/x", "retired": True, "upstreams": [{"provider": "zai", "model": "x"}]},
            {"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x"}]},
        ],
        **tables,
    }
    gateway = await Gateway.open(from_document(document, {}, folder).settings)
    try:
        yield gateway
    finally:
        await gateway.close()


def _exported(file: Path) -> dict[str, str]:
    return dict(line.removeprefix("export ").split("=", 1) for line in file.read_text().splitlines())


async def test_welcome_when_first_started_then_it_makes_and_prints_a_key_that_works(tmp_path: Path) -> None:
    """An account without limits; the file is the owner's only, and can be sourced by a shell."""
    file = tmp_path / ".freetheai.env"
    async with _gateway(tmp_path) as gateway:
        lines = await welcome(gateway, file, has_config=True)
        exported = _exported(file)
        key = exported["FREETHEAI_API_KEY"]
        assert key_form(key) is KeyForm.WELL_FORMED
        assert exported["FREETHEAI_BASE_URL"] == "http://127.0.0.1:8000/v1"
        assert (await gateway.authenticator.caller(key)).account.unlimited
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert lines == [
        "FreeTheAi gateway 0.1.0   http://127.0.0.1:8000/v1",
        f"key     {key}   no limits, saved in .freetheai.env",
        f"try     {curl('http://127.0.0.1:8000/v1', key, 'glm/x')}",
        "pages   http://127.0.0.1:8000/docs  /models  /status  /playground",
    ]


async def test_welcome_when_started_again_then_the_key_stays(tmp_path: Path) -> None:
    """The address follows the configuration; the file may be written by hand."""
    file = tmp_path / ".freetheai.env"
    async with _gateway(tmp_path) as gateway:
        await welcome(gateway, file, has_config=True)
        key = _exported(file)["FREETHEAI_API_KEY"]
    file.write_text(f"# mine\nOTHER=1\n  FREETHEAI_API_KEY = '{key}' \n")
    file.chmod(0o644)
    async with _gateway(tmp_path, server={"port": 9000}) as gateway:
        await welcome(gateway, file, has_config=True)
        accounts, _ = await gateway.accounts.list_accounts(Page())
    assert len(accounts) == 1
    assert _exported(file) == {"FREETHEAI_API_KEY": key, "FREETHEAI_BASE_URL": "http://127.0.0.1:9000/v1"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("case", ["revoked", "limited", "nonsense", "empty"])
async def test_welcome_when_the_saved_key_is_not_the_owners_then_a_new_one_is_made(case: str, tmp_path: Path) -> None:
    """It must work, and be without limits."""
    file = tmp_path / ".freetheai.env"
    async with _gateway(tmp_path) as gateway:
        desk = AccountDesk(gateway.accounts, FakeClock(), "test")
        issued = await desk.open_account("x", unlimited=case == "revoked")
        if case == "revoked":
            await desk.revoke_key(issued.key.id)
        old = {"nonsense": "FREETHEAI_API_KEY=abc", "empty": ""}.get(case, f"FREETHEAI_API_KEY={issued.secret}")
        file.write_text(old)
        await welcome(gateway, file, has_config=True)
        key = _exported(file)["FREETHEAI_API_KEY"]
        assert key != issued.secret
        assert (await gateway.authenticator.caller(key)).account.unlimited


async def test_welcome_when_there_is_no_configuration_file_then_the_next_step_is_named(tmp_path: Path) -> None:
    """How to go on from the demonstration."""
    async with _gateway(tmp_path) as gateway:
        lines = await welcome(gateway, tmp_path / "env", has_config=False)
    assert lines[-1] == "next    cp freetheai.example.toml freetheai.toml, set one provider key, make run"


async def test_welcome_when_no_chat_model_can_be_called_then_nothing_is_suggested(tmp_path: Path) -> None:
    """Every printed line works when pasted."""
    providers = [{"name": "zai", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": []}]
    async with _gateway(tmp_path, providers=providers) as gateway:
        lines = await welcome(gateway, tmp_path / "env", has_config=True)
    assert [line.split()[0] for line in lines] == ["FreeTheAi", "key", "pages"]


async def test_welcome_when_a_provider_is_the_operators_only_then_it_may_be_suggested(tmp_path: Path) -> None:
    """The printed key is the operator's."""
    provider = {"name": "zai", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": ["k"]}
    async with _gateway(tmp_path, providers=[provider | {"shared_with_members": False}]) as gateway:
        lines = await welcome(gateway, tmp_path / "env", has_config=True)
    assert any(line.startswith("try ") for line in lines)


async def test_headline_when_the_local_model_is_missing_then_it_says_what_mends_it(tmp_path: Path) -> None:
    """The gateway serves all the same."""
    local = {
        "providers": [{"name": "local", "api": "llamacpp", "model_path": "missing.gguf"}],
        "models": [{"id": "local/x", "upstreams": [{"provider": "local", "model": "x"}]}],
    }
    async with _gateway(tmp_path, **local) as gateway:
        assert base_url(gateway) == "http://127.0.0.1:8000/v1"
        assert headline(gateway).startswith(
            "FreeTheAi gateway 0.1.0   http://127.0.0.1:8000/v1   (local model not installed: "
        )


@pytest.mark.parametrize("model", ["local/smollm2-135m", "it's/a-model", "a/$HOME`x`"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"])
def test_curl_when_pasted_into_a_shell_then_it_sends_exactly_this(url: str, model: str) -> None:
    """Quotes in a model's id, brackets in an address."""
    words = shlex.split(curl(url, "fta_x", model))
    assert words[:3] == ["curl", "-N", f"{url}/chat/completions"]
    assert words[3:7] == ["-H", "Authorization: Bearer fta_x", "-H", "Content-Type: application/json"]
    assert words[7] == "-d"
    assert decode_any(words[8]) == {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": "Say hello."}],
    }


def test_curl_is_the_line_of_the_contract() -> None:
    """As the set-up contract shows it."""
    assert curl("http://127.0.0.1:8000/v1", "fta_x", "local/smollm2-135m") == (
        'curl -N http://127.0.0.1:8000/v1/chat/completions -H "Authorization: Bearer fta_x" '
        '-H "Content-Type: application/json" '
        '-d \'{"model":"local/smollm2-135m","stream":true,"messages":[{"role":"user","content":"Say hello."}]}\''
    )
