"""From the configuration to what is on offer."""

from pathlib import Path

import pytest

from freetheai_gateway.app.offers import build_offer
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.domain.pools import Quirks, Timeouts
from freetheai_gateway.domain.usage import Price
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import ProviderCall, Readiness
from freetheai_gateway.settings.load import default_settings, from_document, load
from freetheai_gateway.testing.ports import RecordingLog
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel

_FIVE: dict[str, object] = {"daily_requests": 5}
_NINE: dict[str, object] = {"daily_requests": 9}
EXAMPLE = Path(__file__).parents[3] / "freetheai.example.toml"


def _offer(document: dict[str, object], tmp_path: Path) -> Offer:
    return build_offer(from_document(document, {}, tmp_path).settings, {})


def _with_model(**model: object) -> dict[str, object]:
    return {
        "providers": [{"name": "zai", "api": "openai", "base_url": "https://api.z.ai/v4", "api_keys": ["k"]}],
        "models": [{"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x"}], **model}],
        "families": [{"name": "Core", "models": ["glm/*"], "minimum_tier": 2}],
    }


def test_offer_of_the_example_file_has_the_published_catalogue() -> None:
    """Without any key nothing is set up, and nothing is missing."""
    offer = build_offer(load(EXAMPLE, {}).settings, {})
    models = offer.catalogue.models
    assert {model.id: (model.kind, model.family, model.tier_level) for model in models.values()} == {
        "glm/glm-5.1": (ModelKind.CHAT, "Core", 1),
        "rev/claude-sonnet-4.5": (ModelKind.CHAT, "Core", 1),
        "img/gpt-image-2": (ModelKind.IMAGE, "Plus", 3),
        "vhr/gpt_image_2": (ModelKind.IMAGE, "Plus", 3),
        "vhr/flux_dev": (ModelKind.IMAGE, "Plus", 3),
        "vhr/nano_banana_2": (ModelKind.IMAGE, "Plus", 3),
        "vhr/bytedance_seedream_v4": (ModelKind.IMAGE, "Plus", 3),
    }
    assert not any(offer.is_set_up(model, unlimited=True) for model in models.values())
    assert [
        (tier.name, tier.limits.requests_per_minute, tier.limits.concurrency) for tier in offer.catalogue.tiers
    ] == [
        ("Starter", 10, 1),
        ("Member", 15, 1),
        ("Regular", 20, 2),
        ("Veteran", 28, 2),
        ("Ambassador", 35, 3),
    ]
    aliased = offer.catalogue.find("claude-3-5-haiku-latest")
    assert aliased is models["glm/glm-5.1"]
    assert offer.concurrency_wait_s == 10
    glm = models["glm/glm-5.1"]
    assert (glm.name, glm.context_window, glm.max_output_tokens) == ("GLM 5.1", 200_000, 131_072)
    assert glm.upstreams[0].price == Price(1.4, 0.26, 4.4)


def test_offer_of_the_example_file_when_a_key_is_set_then_its_models_are_set_up() -> None:
    """One provider key is enough to begin."""
    offer = build_offer(load(EXAMPLE, {"ZAI_API_KEY": "k"}).settings, {})
    assert offer.is_set_up(offer.catalogue.models["glm/glm-5.1"])
    assert offer.providers["zai"].readiness() is Readiness.READY
    assert offer.providers["zai"].terms.max_concurrency == 64


async def test_offer_of_the_defaults_has_the_demonstration_model(tmp_path: Path) -> None:
    """Through the embedded model, which is not set up until its child is started."""
    model = LocalModel(LocalModelSettings(), RecordingLog())
    offer = build_offer(default_settings(tmp_path), {"local": model})
    local = offer.catalogue.models["local/smollm2-135m"]
    assert (local.family, local.tier_level, local.default_output_tokens) == ("Core", 1, 256)
    assert offer.providers["local"].dialects[0] is DialectName.OPENAI_CHAT
    assert offer.providers["local"].readiness() is Readiness.NOT_CONFIGURED
    assert len(offer.catalogue.tiers) == 5
    assert (offer.site.name, offer.site.public_url) == ("FreeTheAi", "http://127.0.0.1:8000")
    assert not offer.site.has_discord
    assert not offer.public_catalog


@pytest.mark.parametrize(
    ("access", "tier", "expected"),
    [({}, {}, None), ({"daily_requests": 0}, {}, None), (_FIVE, {}, 5), ({}, _NINE, 9), (_FIVE, _NINE, 9)],
)
def test_daily_cap_of_a_tier_goes_before_that_of_access(
    access: dict[str, object], tier: dict[str, object], expected: int | None, tmp_path: Path
) -> None:
    """0 and absent mean no cap."""
    tiers = [{"level": 1, "name": "One", "requests_per_minute": 5, "concurrency": 2, "tokens_per_minute": 700, **tier}]
    document = _with_model() | {"families": [], "access": access, "tiers": tiers, "limits": {"window_s": 30}}
    offer = _offer(document, tmp_path)
    assert offer.catalogue.tier(1).limits == Limits(5, 700, 2, expected, window_s=30.0)


@pytest.mark.parametrize(("model", "level"), [({}, 2), ({"tier": 1}, 1), ({"tier": 3}, 3)])
def test_tier_of_a_model_is_its_own_before_its_familys(model: dict[str, object], level: int, tmp_path: Path) -> None:
    """The family stays the same."""
    found = _offer(_with_model(**model), tmp_path).catalogue.models["glm/x"]
    assert (found.family, found.tier_level) == ("Core", level)


def test_model_of_no_family_is_open_to_everyone(tmp_path: Path) -> None:
    """Family "Other", tier 1."""
    document = _with_model() | {"families": [{"name": "Core", "models": ["rev/*"], "minimum_tier": 2}]}
    found = _offer(document, tmp_path).catalogue.models["glm/x"]
    assert (found.family, found.tier_level) == ("Other", 1)


def test_model_and_upstream_when_everything_is_set_then_everything_arrives(tmp_path: Path) -> None:
    """Field by field."""
    upstream = {
        "provider": "zai",
        "model": "x-1",
        "priority": 2,
        "weight": 3,
        "price_usd": {"input_per_million": 1, "cached_input_per_million": 0.5, "output_per_million": 2, "per_image": 4},
        "quirks": {"max_tokens_field": "max_tokens", "drop": ["seed"], "reasoning_replay": True},
    }
    document = _with_model(
        name="X",
        description="Good.",
        context_window=1000,
        max_output_tokens=100,
        default_output_tokens=10,
        inputs=["text", "image"],
        features=["tools"],
        added_at="2026-11-23",
        retires_at="2030-12-31",
        replaced_by="glm/y",
        upstreams=[upstream],
    )
    models = document["models"]
    assert isinstance(models, list)
    models.append({"id": "glm/y", "upstreams": [{"provider": "zai", "model": "y"}]})
    model = _offer(document, tmp_path).catalogue.models["glm/x"]
    assert (model.name, model.description) == ("X", "Good.")
    assert (model.context_window, model.max_output_tokens, model.default_output_tokens) == (1000, 100, 10)
    assert (model.inputs, model.features) == (("text", "image"), ("tools",))
    assert model.created == 1_795_392_000
    assert (model.retires_at, model.replaced_by, model.retired) == ("2030-12-31", "glm/y", False)
    (found,) = model.upstreams
    assert (found.provider, found.model, found.priority, found.weight) == ("zai", "x-1", 2, 3.0)
    assert found.price == Price(1.0, 0.5, 2.0, 4.0)
    assert found.quirks == Quirks("max_tokens", ("seed",), reasoning_replay=True)


def test_provider_when_everything_is_set_then_everything_arrives(tmp_path: Path) -> None:
    """Down to the call that it makes."""
    document = _with_model()
    document["providers"] = [
        {
            "name": "zai",
            "api": "openai",
            "base_url": "https://api.z.ai/v4",
            "api_keys": ["k"],
            "proxy": "http://proxy.example:3128",
            "max_concurrency": 3,
            "shared_with_members": False,
            "headers": {"X-Team": "a"},
            "timeouts": {"connect_s": 1, "first_byte_s": 2, "first_content_s": 5, "idle_s": 3, "total_s": 4},
        }
    ]
    provider = _offer(document, tmp_path).providers["zai"]
    assert (provider.terms.max_concurrency, provider.shared_with_members) == (3, False)
    call = provider.call(ProviderCall(DialectName.OPENAI_CHAT, "m", b"", streamed=False), 0)
    assert call.origin.proxy == "http://proxy.example:3128"
    assert call.target == "/v4/chat/completions"
    assert call.timeouts == Timeouts(1.0, 2.0, 5.0, 3.0, 4.0)
    assert (b"x-team", b"a") in call.headers
    assert (b"authorization", b"Bearer k") in call.headers


def test_site_when_discord_is_set_up_then_messages_may_name_its_commands(tmp_path: Path) -> None:
    """Only wholly set up; the ladder of roles is one only if a role is named."""
    discord: dict[str, object] = {
        "application_id": "123456789012345678",
        "public_key": "ab" * 32,
        "bot_token": "t",
        "guild_id": "123456789012345678",
        "invite_url": "https://discord.gg/x",
    }
    site = _offer(_with_model() | {"discord": discord, "site": {"name": "Example"}}, tmp_path).site
    assert (site.name, site.has_discord, site.invite_url, site.has_role_ladder) == (
        "Example",
        True,
        "https://discord.gg/x",
        False,
    )
    discord["tier_roles"] = {"123456789012345678": 3}
    assert _offer(_with_model() | {"discord": discord}, tmp_path).site.has_role_ladder
    del discord["bot_token"]
    assert not _offer(_with_model() | {"discord": discord}, tmp_path).site.has_discord


def test_offer_when_there_are_several_workers_then_each_counts_for_all_until_they_know_of_each_other(
    tmp_path: Path,
) -> None:
    """Together they use no more than one would."""
    document = _with_model()
    document["providers"] = [
        {
            "name": "zai",
            "api": "openai",
            "base_url": "https://api.z.ai/v4",
            "api_keys": ["k"],
            "max_concurrency": 10,
            "daily_budget_usd": 1.0,
            "limits_per_key": {"requests_per_minute": 100},
        }
    ]
    document["server"] = {"workers": 4}
    document["limits"] = {"backend": "redis://127.0.0.1:6379/0"}
    state = _offer(document, tmp_path).fleet.providers["zai"]
    assert (state.max_concurrency, state.cap) == (10, 2)
    assert state.budget is not None
    state.budget.spend(250_000, 1e9)
    assert state.budget.wait_s(1e9)
    meter = state.keys[0].meter
    assert meter is not None
    for _ in range(25):
        assert not meter.wait_s(1.0, 1e9)
        meter.take(1.0, 1e9)
    assert meter.wait_s(1.0, 1e9) == 60.0
