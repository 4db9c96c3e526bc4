"""`/v1/models/full` and `/v1/models/leaderboard` by the running server, side by side with the contract."""

import re
from collections.abc import Iterator

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MODEL, MUTE, PLAIN, SLASHES, UNSET, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.refusals import assert_refused
from tests.e2e.wire import Object, Reply, call, chat

FULL = "/v1/models/full"
LEADERBOARD = "/v1/models/leaderboard"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ENTRY: Object = {
    "id": PLAIN,
    "object": "model",
    "owned_by": "gateway",
    "created": 0,
    "name": PLAIN,
    "prefix": "test",
    "kind": "chat",
    "family": "Core",
    "tier": "Starter",
    "tier_rank": 1,
    "inputs": ["text", "image"],
    "outputs": ["text"],
    "features": ["tools", "structured_outputs"],
    "lifecycle": "active",
    "access": {"available": True, "required_tier": "Starter", "required_tier_rank": 1},
    "context_window": 8192,
    "max_output_tokens": 1024,
}
"""But for `health` and `supported_routes`, which depend on what runs."""
TIER: Object = {"minimum_invites": 0, "requests_per_minute": 5000, "daily_requests": None, "images_per_day": None}
POLICY: Object = {
    "default_tier": 1,
    "ladders": [],
    "tiers": [
        {**TIER, "level": 1, "name": "Starter", "requests_per_minute": 10, "concurrency": 1},
        {**TIER, "level": 2, "name": "Member", "concurrency": 1},
        {**TIER, "level": 3, "name": "Regular", "concurrency": 3},
        {**TIER, "level": 4, "name": "Capped", "concurrency": 4, "daily_requests": 2},
    ],
    "families": [
        {"name": "Core", "minimum_tier": 1, "models": ["test/*", "deep/*", "unset/*"]},
        {"name": "Plus", "minimum_tier": 3, "models": ["plus/*"]},
    ],
}
PUBLIC = {"public_catalog": True}
RETIRED = """
[[models]]
id = "old/retired"
retired = true
replaced_by = "test/plain"

[[models]]
id = "old/retiring"
retires_at = 2099-12-31
replaced_by = "test/plain"
description = "Still here."
[[models.upstreams]]
provider = "scripted"
model = "plain"
"""


def entries(reply: Reply) -> dict[str, Object]:
    """Read the entries by id."""
    data = reply.json()["data"]
    assert isinstance(data, list)
    return {entry["id"]: entry for entry in data}


def access(reply: Reply) -> dict[str, str]:
    """Read what stands between the viewer and each model; empty where nothing does."""
    found = {}
    for model, entry in entries(reply).items():
        granted = entry["access"]
        assert isinstance(granted, dict)
        found[model] = granted.get("reason", "")
        assert granted["available"] is (found[model] == "")
    return found


def test_full_when_read_then_every_key_of_the_contract_is_there(gateway: Gateway, keys: dict[str, Key]) -> None:
    """Envelope, viewer, one whole entry, and the policy with its nulls."""
    reply = call(gateway, "GET", FULL, key=keys["starter"])
    body = reply.json()
    assert list(body) == ["object", "generated_at", "viewer", "data", "policy"]
    assert body["object"] == "model_catalog"
    assert INSTANT.fullmatch(str(body["generated_at"]))
    assert body["viewer"] == {"authenticated": True, "tier": "Starter", "tier_rank": 1, "unlimited": False}
    assert body["policy"] == POLICY
    entry = entries(reply)[PLAIN]
    routes, health = entry.pop("supported_routes"), entry.pop("health")
    assert entry == ENTRY
    assert isinstance(routes, list)
    assert "/v1/chat/completions" in routes
    assert isinstance(health, dict)
    assert set(health) == {"status"}


def test_full_when_tier_1_and_tier_3_look_then_the_catalogue_is_the_same_with_their_own_access(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """What a higher tier would bring is seen by everyone."""
    low, high = (call(gateway, "GET", FULL, key=keys[name]) for name in ("starter", "regular"))
    common = {MODEL: "", PLAIN: "", SLASHES: "", UNSET: "not_configured", MUTE: ""}
    assert access(low) == {**common, ABOVE: "tier"}
    assert access(high) == {**common, ABOVE: ""}
    assert entries(low)[ABOVE]["access"] == {
        "available": False,
        "reason": "tier",
        "required_tier": "Regular",
        "required_tier_rank": 3,
    }
    for model, entry in entries(low).items():
        assert {**entry, "access": None} == {**entries(high)[model], "access": None}
    assert low.json()["policy"] == high.json()["policy"]


def test_full_when_the_account_has_no_limits_then_the_viewer_says_so(gateway: Gateway, key: Key) -> None:
    """The operator's own key."""
    reply = call(gateway, "GET", FULL, key=key)
    viewer = reply.json()["viewer"]
    assert isinstance(viewer, dict)
    assert viewer["unlimited"] is True
    assert access(reply)[ABOVE] == ""


def test_full_when_the_client_has_it_then_304_until_it_changes(gateway: Gateway, keys: dict[str, Key]) -> None:
    """Caching as the contract has it, by key."""
    first = call(gateway, "GET", FULL, key=keys["starter"])
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, max-age=30"
    again = call(gateway, "GET", FULL, key=keys["starter"], headers={"if-none-match": etag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    other = call(gateway, "GET", FULL, key=keys["regular"], headers={"if-none-match": etag})
    assert other.status == 200
    assert other.headers["etag"] != etag


def test_full_when_there_is_no_key_then_401(gateway: Gateway) -> None:
    """Unless the configuration opens it."""
    for path in (FULL, LEADERBOARD):
        assert_refused(call(gateway, "GET", path), 401, "invalid_api_key")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("window=7d", "window"),
        ("window=", "window"),
    ],
)
def test_leaderboard_when_the_query_is_wrong_then_400_names_the_field(
    gateway: Gateway, key: Key, query: str, param: str
) -> None:
    """In the envelope of every error."""
    assert_refused(call(gateway, "GET", f"{LEADERBOARD}?{query}", key=key), 400, "invalid_request_error", param=param)


@pytest.fixture(scope="module")
def public(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway whose catalogue is public, with models at the end of their life."""
    with launch(render(Plan(upstream_server.base_url, access=PUBLIC)) + RETIRED) as gateway:
        yield gateway


def test_public_catalogue_when_read_without_a_key_then_it_is_seen_as_the_default_tier(public: Gateway) -> None:
    """Nothing about anyone, and what the first tier would have."""
    reply = call(public, "GET", FULL)
    assert reply.json()["viewer"] == {"authenticated": False, "tier": "Starter", "tier_rank": 1, "unlimited": False}
    assert (access(reply)[PLAIN], access(reply)[ABOVE]) == ("", "tier")
    wrong = call(public, "GET", FULL, headers={"authorization": "Bearer fta_wrong"})
    assert wrong.status == 401
    described = call(public, "GET", "/openapi.json").json()["paths"]
    assert isinstance(described, dict)
    assert {} in described[FULL]["get"]["security"]


def test_lifecycle_when_a_model_ends_then_its_successor_is_named(public: Gateway) -> None:
    """Retiring ones still answer; retired ones stay in the catalogue, out of reach."""
    seen = entries(call(public, "GET", FULL))
    retired, retiring = seen["old/retired"], seen["old/retiring"]
    assert (retired["lifecycle"], retired["replaced_by"]) == ("retired", PLAIN)
    assert (retiring["lifecycle"], retiring["retires_at"], retiring["replaced_by"]) == ("retiring", "2099-12-31", PLAIN)
    assert retiring["description"] == "Still here."
    assert "description" not in retired
    reasons = access(call(public, "GET", FULL))
    assert (reasons["old/retired"], reasons["old/retiring"]) == ("retired", "")


def test_full_when_the_account_is_suspended_then_it_may_look_and_is_told(public: Gateway) -> None:
    """Seen in under a second, without a restart."""
    key = public.create_key("suspended", tier=3)
    assert access(call(public, "GET", FULL, key=key))[PLAIN] == ""
    public.command("accounts", "suspend", key.account_id, "--reason", "too loud")
    eventually(lambda: access(call(public, "GET", FULL, key=key))[PLAIN] == "suspended", "the suspension is seen")


def test_leaderboard_when_models_were_called_then_they_are_ranked_in_every_window(
    public: Gateway, upstream: ScriptedUpstream
) -> None:
    """The most called first; failures do not count, and a limit cuts the tail."""
    key = public.create_key("caller")
    upstream.play("scripted", "status?code=500")
    for model, times in ((SLASHES, 1), (PLAIN, 3), (MODEL, 2)):
        for _ in range(times):
            chat(public, key, model)
    rows = [
        {"rank": 1, "alias_model": PLAIN, "total_requests": 3},
        {"rank": 2, "alias_model": SLASHES, "total_requests": 1},
    ]
    eventually(lambda: call(public, "GET", LEADERBOARD).json()["data"] == rows, "the ranking")
    for window in ("24h", "30d", "all"):
        path = f"{LEADERBOARD}?window={window}"
        body = call(public, "GET", path).json()
        assert body["data"] == rows
        assert list(body) == ["object", "window", "generated_at", "data"]
        assert (body["object"], body["window"]) == ("list", window)
        assert INSTANT.fullmatch(str(body["generated_at"]))
        assert call(public, "GET", f"{path}&limit=1").json()["data"] == rows[:1]
    assert call(public, "GET", LEADERBOARD).json()["window"] == "30d"
