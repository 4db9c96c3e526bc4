"""The built-in configuration is what the documentation promises, and files change it as they should."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freetheai_gateway.settings import Loaded, default_settings, load

Load = Callable[..., Loaded]

DEFAULTS: list[tuple[str, Any]] = [
    ("site.name", "FreeTheAi"),
    ("site.support_url", ""),
    ("server.host", "127.0.0.1"),
    ("server.port", 8000),
    ("server.workers", 1),
    ("server.public_url", "http://127.0.0.1:8000"),
    ("server.max_body_bytes", 33_554_432),
    ("server.trusted_proxies", ()),
    ("server.cors_origins", ("*",)),
    ("server.admin_token", None),
    ("server.drain_timeout_s", 120),
    ("server.shutdown_delay_s", 0),
    ("server.timeouts.header_s", 10),
    ("server.timeouts.progress_s", 30),
    ("server.timeouts.idle_s", 60),
    ("server.timeouts.keepalive_comment_s", 15),
    ("server.timeouts.discard_s", 2),
    ("database.url", "sqlite:////srv/freetheai.db"),
    ("limits.backend", "memory"),
    ("limits.window_s", 60),
    ("limits.on_failure", "local"),
    ("access.daily_requests", 0),
    ("access.concurrency_wait_s", 0),
    ("access.check_in", False),
    ("access.default_tier", 1),
    ("access.public_catalog", False),
    ("aliases", ()),
    ("images.directory", Path("/srv/freetheai-images")),
    ("images.keep_s", 3600),
    ("images.max_pixels", 25_000_000),
    ("images.fetch_input_urls", False),
    ("images.deadline_s", 170),
    ("usage.raw_days", 30),
    ("usage.rollup_days", 400),
    ("journal.directory", Path("/srv/freetheai-journal")),
    ("journal.fsync", False),
    ("health.minimum_requests", 5),
    ("health.degraded_from", 0.05),
    ("health.down_from", 0.5),
    ("metrics.token", None),
    ("log.level", "info"),
    ("log.format", "auto"),
    ("discord.application_id", ""),
    ("discord.public_key", ""),
    ("discord.bot_token", None),
    ("discord.client_secret", None),
    ("discord.guild_id", ""),
    ("discord.invite_url", ""),
    ("discord.operators", ()),
    ("discord.api_base", "https://discord.com/api/v10"),
    ("discord.authorize_url", "https://discord.com/oauth2/authorize"),
    ("discord.tier_roles", ()),
    ("discord.is_on", False),
    ("discord.signup.open", True),
    ("discord.signup.minimum_account_age_days", 7),
    ("discord.signup.minimum_membership_minutes", 0),
    ("discord.signup.challenge", "text"),
    ("discord.signup.per_hour", 60),
    ("discord.signup.reset_cooldown_minutes", 10),
]

PROVIDER_DEFAULTS: list[tuple[str, Any]] = [
    ("base_url", "https://api.openai.com/v1"),
    ("api_keys", ()),
    ("proxy", ""),
    ("max_concurrency", 64),
    ("timeouts.connect_s", 5),
    ("timeouts.first_byte_s", 120),
    ("timeouts.idle_s", 300),
    ("timeouts.total_s", 900),
    ("limits_per_key.requests_per_minute", 0),
    ("limits_per_key.requests_per_day", 0),
    ("limits_per_key.tokens_per_minute", 0),
    ("limits_per_key.tokens_per_day", 0),
    ("limits_per_key.day_starts", "00:00Z"),
    ("daily_budget_usd", 0),
    ("shared_with_members", True),
    ("headers", ()),
    ("model_path", None),
    ("context_window", 4096),
    ("threads", 0),
]

PROVIDER = '[[providers]]\nname = "p"\napi = "openai"\n'
MODEL = '[[models]]\nid = "a/b"\n[[models.upstreams]]\nprovider = "p"\nmodel = "m"\n'
FAMILY = '[[families]]\nname = "F"\nmodels = ["x/*"]\n'


def value_at(root: object, path: str) -> object:
    """Follow a dotted path."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


@pytest.mark.parametrize(("path", "value"), DEFAULTS)
def test_default_when_nothing_is_configured_then_as_designed(path: str, value: object) -> None:
    """Every default of the configuration's contract."""
    found = value_at(default_settings(Path("/srv")), path)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(("path", "value"), PROVIDER_DEFAULTS)
def test_provider_default_when_only_named_then_as_designed(load_text: Load, path: str, value: object) -> None:
    """Every default of a provider."""
    assert value_at(load_text(PROVIDER).settings.providers[0], path) == value


def test_tiers_when_nothing_is_configured_then_five_of_the_original_service() -> None:
    """Level, name, invites, requests per minute, concurrency."""
    rows = [
        (tier.level, tier.name, tier.minimum_invites, tier.requests_per_minute, tier.concurrency)
        for tier in default_settings().tiers
    ]
    assert rows == [
        (1, "Starter", 0, 10, 1),
        (2, "Member", 3, 15, 1),
        (3, "Regular", 8, 20, 2),
        (4, "Veteran", 15, 28, 2),
        (5, "Ambassador", 30, 35, 3),
    ]


def test_catalogue_when_nothing_is_configured_then_the_demonstration_model() -> None:
    """A local chat model and drawings without AI, with their plain labels, in family Core."""
    settings = default_settings()
    model, sketch = settings.models
    assert (sketch.id, sketch.kind, sketch.features) == ("local/sketch", "image", ("generate", "edit", "mask"))
    assert "without AI" in sketch.description
    assert (model.id, model.kind, model.features) == ("local/smollm2-135m", "chat", ("structured_outputs",))
    assert model.description == ("a 135-million-parameter demonstration model: it proves the pipe, not the quality.")
    assert (model.context_window, model.default_output_tokens) == (4096, 256)
    assert [(provider.name, provider.api) for provider in settings.providers] == [
        ("local", "llamacpp"),
        ("sketch", "sketch"),
    ]
    assert settings.providers[0].is_set_up
    assert [upstream.provider for upstream in model.upstreams] == ["local"]
    assert [(family.name, family.models, family.minimum_tier) for family in settings.families] == [
        ("Core", ("local/*",), 1)
    ]


def test_load_when_there_is_no_file_then_the_defaults_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file paths count from the current folder and the environment still gives the admin token."""
    monkeypatch.chdir(tmp_path)
    loaded = load(None, {"FREETHEAI_ADMIN_TOKEN": "t"})
    assert loaded.source is None
    assert loaded.warnings == ()
    assert loaded.settings.database.url == f"sqlite:///{tmp_path}/freetheai.db"
    assert loaded.settings.server.admin_token == "t"


def test_demonstration_when_a_model_is_named_then_gone(load_text: Load) -> None:
    """The first model of one's own removes the demonstration, its provider and its family."""
    settings = load_text(PROVIDER + MODEL).settings
    assert [model.id for model in settings.models] == ["a/b"]
    assert [provider.name for provider in settings.providers] == ["p"]
    assert settings.families == ()


def test_demonstration_when_only_other_things_are_named_then_stays(load_text: Load) -> None:
    """Providers, families and tiers do not remove it; a family of one's own replaces the built-in one."""
    settings = load_text(PROVIDER + FAMILY).settings
    assert [model.id for model in settings.models] == ["local/smollm2-135m", "local/sketch"]
    assert [provider.name for provider in settings.providers] == ["p", "local", "sketch"]
    assert [family.name for family in settings.families] == ["F"]
    own = load_text('[[providers]]\nname = "local"\napi = "llamacpp"\nthreads = 2').settings
    assert own.providers[0].threads == 2


def test_tiers_when_any_is_named_then_the_built_in_ones_are_gone(load_text: Load) -> None:
    """Tiers are replaced whole, never merged."""
    text = '[[tiers]]\nlevel = 1\nname = "All"\nrequests_per_minute = 5\nconcurrency = 5'
    assert [tier.name for tier in load_text(text).settings.tiers] == ["All"]


def test_example_when_the_environment_is_empty_then_no_problem_and_no_keys() -> None:
    """The example loads as it is; its models wait for keys."""
    loaded = load(Path("freetheai.example.toml"), {})
    settings = loaded.settings
    assert [model.id for model in settings.models] == [
        "glm/glm-5.1",
        "rev/claude-sonnet-4.5",
        "img/gpt-image-2",
        "vhr/gpt_image_2",
        "vhr/flux_dev",
        "vhr/nano_banana_2",
        "vhr/bytedance_seedream_v4",
    ]
    assert settings.access.concurrency_wait_s == 10
    assert settings.tiers == default_settings().tiers
    assert not any(provider.is_set_up for provider in settings.providers)
    assert {re.sub(r"\d+", "N", warning.where) for warning in loaded.warnings} == {"providers[N].api_keys"}


def test_example_when_every_key_is_set_then_not_even_a_warning() -> None:
    """Nothing else of the example needs attention."""
    path = Path("freetheai.example.toml")
    names = re.findall(r'"env:([A-Z_]+)"', path.read_text())
    loaded = load(path, dict.fromkeys(names, "k"))
    assert loaded.warnings == ()
    assert all(provider.is_set_up for provider in loaded.settings.providers)
