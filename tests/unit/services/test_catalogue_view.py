"""The full catalogue through the eyes of different viewers."""

from dataclasses import replace

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState
from freetheai_gateway.domain.catalogue import Family, Model, ModelKind, Tier
from freetheai_gateway.domain.health import Status
from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.services.catalogue_view import Entry, describe_catalogue, stamp, viewer_of
from freetheai_gateway.services.directory import Offer, Site
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.ports import Readiness
from freetheai_gateway.testing.offers import GLM, REGULAR, STARTER, chat_model, make_offer
from freetheai_gateway.testing.ports import FakeProvider

FLUX = "vhr/flux_dev"
ACCOUNT = Account("acc_1", "Member", 0.0)


def see(offer: Offer, account: Account | None = ACCOUNT) -> Entry:
    """Describe the catalogue to an account, or to someone without a key."""
    return describe_catalogue(
        offer, viewer_of(account, offer, 0.0), {"glm": Status.DEGRADED}, LaneBuilder({}, {}).reaches
    )


def entry_of(offer: Offer, account: Account | None = ACCOUNT, model_id: str = GLM) -> Entry:
    """Describe one model."""
    data = see(offer, account)["data"]
    assert isinstance(data, list)
    (entry,) = [entry for entry in data if entry["id"] == model_id]
    assert isinstance(entry, dict)
    return entry


def test_entry_when_little_is_known_then_unknown_fields_are_absent() -> None:
    """Null would have to be told from unknown by every reader."""
    assert entry_of(make_offer()) == {
        "id": GLM,
        "object": "model",
        "owned_by": "gateway",
        "created": 0,
        "name": GLM,
        "prefix": "glm",
        "kind": "chat",
        "family": "Core",
        "tier": "Starter",
        "tier_rank": 1,
        "inputs": ("text",),
        "outputs": ["text"],
        "features": (),
        "supported_routes": ["/v1/chat/completions", "/v1/messages"],
        "lifecycle": "active",
        "access": {"available": True, "required_tier": "Starter", "required_tier_rank": 1},
        "health": {"status": "degraded"},
    }


def test_entry_when_all_is_known_then_it_is_told() -> None:
    """Sizes, words and the end of its life."""
    model = replace(
        chat_model(),
        name="GLM 5.1",
        description="Good at code.",
        context_window=200_000,
        max_output_tokens=131_072,
        retires_at="2026-12-31",
        replaced_by="glm/glm-5.2",
        inputs=("text", "image"),
        features=("tools",),
    )
    entry = entry_of(make_offer(model))
    told = {name: entry[name] for name in ("name", "description", "context_window", "max_output_tokens", "lifecycle")}
    assert told == {
        "name": "GLM 5.1",
        "description": "Good at code.",
        "context_window": 200_000,
        "max_output_tokens": 131_072,
        "lifecycle": "retiring",
    }
    assert (entry["retires_at"], entry["replaced_by"]) == ("2026-12-31", "glm/glm-5.2")
    assert (entry["inputs"], entry["features"]) == (("text", "image"), ("tools",))


@pytest.mark.parametrize(
    ("kind", "features", "outputs", "routes"),
    [
        (ModelKind.IMAGE, ("generate",), ["image"], ["/v1/images/generations"]),
        (ModelKind.IMAGE, ("generate", "edit"), ["image"], ["/v1/images/generations", "/v1/images/edits"]),
        (ModelKind.EMBEDDING, (), ["embedding"], ["/v1/embeddings"]),
        (ModelKind.SPEECH, (), ["audio"], ["/v1/audio/speech"]),
        (ModelKind.TRANSCRIPTION, (), ["text"], ["/v1/audio/transcriptions"]),
    ],
)
def test_routes_when_the_kind_is_not_chat_then_they_follow_kind_and_features(
    kind: ModelKind, features: tuple[str, ...], outputs: list[str], routes: list[str]
) -> None:
    """An image model that can't edit has no route for edits."""
    entry = entry_of(make_offer(replace(chat_model(kind=kind), features=features)))
    assert (entry["outputs"], entry["supported_routes"]) == (outputs, routes)


@pytest.mark.parametrize(
    ("account", "model", "access"),
    [
        (ACCOUNT, chat_model(tier_level=3), ("tier", "Regular", 3)),
        (replace(ACCOUNT, tier_override=3), chat_model(tier_level=3), (None, "Regular", 3)),
        (replace(ACCOUNT, role_tier=3), chat_model(tier_level=3), (None, "Regular", 3)),
        (replace(ACCOUNT, unlimited=True), chat_model(tier_level=3), (None, "Regular", 3)),
        (None, chat_model(), (None, "Starter", 1)),
        (None, chat_model(tier_level=3), ("tier", "Regular", 3)),
        (replace(ACCOUNT, unlimited=True), chat_model(retired=True), ("retired", "Starter", 1)),
        (replace(ACCOUNT, state=AccountState.PAUSED), chat_model(), ("suspended", "Starter", 1)),
        (replace(ACCOUNT, state=AccountState.LEFT), chat_model(), ("suspended", "Starter", 1)),
        (ACCOUNT, chat_model(upstreams=()), ("not_configured", "Starter", 1)),
        (ACCOUNT, chat_model(tier_level=9), ("tier", None, 9)),
    ],
)
def test_access_when_something_stands_between_then_it_is_named(
    account: Account | None, model: Model, access: tuple[str | None, str | None, int]
) -> None:
    """The reason, and the tier that opens the model; no reason where it is open."""
    reason, tier, rank = access
    expected: Entry = {"available": reason is None, "required_tier": tier, "required_tier_rank": rank}
    if reason is not None:
        expected["reason"] = reason
    assert entry_of(make_offer(model), account)["access"] == expected


@pytest.mark.parametrize(
    ("readiness", "available"),
    [(Readiness.READY, True), (Readiness.LOADING, True), (Readiness.NOT_CONFIGURED, False)],
)
def test_access_when_the_provider_is_loading_then_the_model_is_available(readiness: Readiness, available: bool) -> None:
    """Down or not ready yet is health, never access; only what is not set up is out of reach."""
    entry = entry_of(make_offer(providers=[FakeProvider(state=readiness)]))
    assert isinstance(entry["access"], dict)
    assert entry["access"]["available"] is available


def test_catalogue_when_two_tiers_look_then_only_access_and_viewer_differ() -> None:
    """One catalogue for everyone: a page can show what a higher tier would bring."""
    offer = make_offer(chat_model(), chat_model(FLUX, tier_level=3))
    low, high = see(offer), see(offer, replace(ACCOUNT, tier_override=3))
    assert (low["viewer"], high["viewer"]) == (
        {"authenticated": True, "tier": "Starter", "tier_rank": 1, "unlimited": False},
        {"authenticated": True, "tier": "Regular", "tier_rank": 3, "unlimited": False},
    )
    assert low["policy"] == high["policy"]
    assert isinstance(low["data"], list)
    assert isinstance(high["data"], list)
    for seen, seen_higher in zip(low["data"], high["data"], strict=True):
        assert {**seen, "access": None} == {**seen_higher, "access": None}
    assert [entry["access"]["available"] for entry in low["data"]] == [True, False]
    assert [entry["access"]["available"] for entry in high["data"]] == [True, True]


def test_viewer_when_there_is_no_key_then_it_is_the_default_tier() -> None:
    """As `public_catalog` promises."""
    assert see(make_offer(), None)["viewer"] == {
        "authenticated": False,
        "tier": "Starter",
        "tier_rank": 1,
        "unlimited": False,
    }


def test_health_when_nothing_is_known_of_a_prefix_then_it_is_unknown() -> None:
    """And the model stays available."""
    assert entry_of(make_offer(chat_model(FLUX)), model_id=FLUX)["health"] == {"status": "unknown"}


def test_policy_when_a_limit_is_absent_then_it_is_null() -> None:
    """Null means that there is no limit, and every key is always there."""
    tiers = (STARTER, replace(REGULAR, minimum_invites=8, images_per_day=20), Tier(5, "Free", Limits()))
    policy = see(make_offer(tiers=tiers, families=[Family("Core", ("glm/*",), 1)]))["policy"]
    unlimited = dict.fromkeys(("requests_per_minute", "concurrency", "daily_requests", "images_per_day"))
    assert policy == {
        "default_tier": 1,
        "ladders": [],
        "tiers": [
            unlimited
            | {"level": 1, "name": "Starter", "minimum_invites": 0, "requests_per_minute": 10, "concurrency": 1},
            {"level": 3, "name": "Regular", "minimum_invites": 8, "requests_per_minute": 20, "concurrency": 2}
            | {"daily_requests": None, "images_per_day": 20},
            unlimited | {"level": 5, "name": "Free", "minimum_invites": 0},
        ],
        "families": [{"name": "Core", "minimum_tier": 1, "models": ("glm/*",)}],
    }


def test_policy_when_roles_raise_tiers_then_that_ladder_is_named() -> None:
    """A ladder that is switched off is never named."""
    site = Site(name="Example", public_url="https://ai.example.org", has_discord=True, has_role_ladder=True)
    policy = see(make_offer(site=site))["policy"]
    assert isinstance(policy, dict)
    assert policy["ladders"] == ["role"]


def test_stamp_when_put_on_then_kind_and_time_come_first() -> None:
    """The instant in the form of every timestamp of the API."""
    stamped = stamp({"data": []}, "model_catalog", 1_795_397_400.0)
    assert list(stamped.items()) == [
        ("object", "model_catalog"),
        ("generated_at", "2026-11-23T01:30:00Z"),
        ("data", []),
    ]
