"""What can be read without asking a model: the catalogue, health, the base URL itself."""

from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from tests.e2e.configuration import ABOVE, MODEL, PLAIN, SLASHES, UNSET
from tests.e2e.gateway import Gateway, Key
from tests.e2e.wire import call


def test_models_when_listed_by_the_openai_sdk_then_the_callable_ones_come(sdk: openai.OpenAI) -> None:
    """Everything that is set up; a provider without a key offers nothing."""
    ids = {model.id for model in sdk.models.list()}
    assert {MODEL, PLAIN, SLASHES, ABOVE} <= ids
    assert UNSET not in ids


def test_models_when_listed_by_the_anthropic_sdk_then_they_are_the_same(
    sdk: openai.OpenAI, anthropic_sdk: anthropic.Anthropic
) -> None:
    """One shape serves both SDKs."""
    page = anthropic_sdk.models.list()
    assert {model.id for model in page} == {model.id for model in sdk.models.list()}
    assert page.has_more is False
    assert page.data[0].type == "model"
    assert page.data[0].display_name
    assert page.data[0].created_at.year >= 1970


def test_models_when_the_tier_is_low_then_what_is_above_it_is_not_listed(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """`/v1/models` lists what the key can call."""
    with openai.OpenAI(base_url=gateway.base_url, api_key=keys["member"].secret, max_retries=0) as client:
        ids = {model.id for model in client.models.list()}
    assert PLAIN in ids
    assert ABOVE not in ids


def test_models_when_read_raw_then_the_superset_shape_is_there(gateway: Gateway, key: Key) -> None:
    """Every documented key, in the list and in its entries."""
    listed = call(gateway, "GET", "/v1/models", key=key).json()
    assert listed["object"] == "list"
    data = listed["data"]
    assert isinstance(data, list)
    assert listed["has_more"] is False
    assert (listed["first_id"], listed["last_id"]) == (data[0]["id"], data[-1]["id"])
    for entry in data:
        assert entry["object"] == entry["type"] == "model"
        assert isinstance(entry["created"], int)
        assert isinstance(entry["created_at"], str)
        assert entry["owned_by"]
        assert entry["display_name"]
        assert (entry["context_length"], entry["max_output_tokens"]) == (8192, 1024)


@pytest.mark.parametrize("path", ["/v1/models/{id}", "/models/{id}", "/v1/models/{quoted}"])
def test_model_when_its_id_holds_slashes_then_it_is_found(gateway: Gateway, key: Key, path: str) -> None:
    """Ids may hold slashes, plain or as `%2F`, and colons."""
    target = path.format(id=SLASHES, quoted=SLASHES.replace("/", "%2F").replace(":", "%3A"))
    reply = call(gateway, "GET", target, key=key)
    assert (reply.status, reply.json()["id"]) == (200, SLASHES)


def test_model_when_retrieved_by_both_sdks_then_it_is_found(
    sdk: openai.OpenAI, anthropic_sdk: anthropic.Anthropic
) -> None:
    """Each SDK encodes the slashes in its own way."""
    assert sdk.models.retrieve(SLASHES).id == SLASHES
    assert anthropic_sdk.models.retrieve(SLASHES).id == SLASHES


def test_model_when_unknown_then_404(gateway: Gateway, key: Key) -> None:
    """A model page that does not exist."""
    reply = call(gateway, "GET", "/v1/models/no/such", key=key)
    assert (reply.status, reply.error()["type"]) == (404, "not_found_error")


def test_health_when_read_without_a_key_then_it_has_the_public_shape(gateway: Gateway) -> None:
    """Public, open to every origin, cacheable for ten seconds, and naming neither upstream nor user."""
    reply = call(gateway, "GET", "/v1/health", headers={"origin": "https://status.example"})
    health = reply.json()
    assert reply.status == 200
    assert reply.headers["cache-control"] == "public, max-age=10"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert health["status"] in {"up", "degraded", "down", "unknown"}
    assert isinstance(health["generated_at"], str)
    assert health["catalog"] == {"model_count": 6, "available_count": 5}
    assert b"127.0.0.1" not in reply.body


def test_healthz_when_asked_then_it_is_up(gateway: Gateway) -> None:
    """For the operator's machinery."""
    assert call(gateway, "GET", "/healthz").status == 200
    assert call(gateway, "HEAD", "/healthz").status == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/"])
def test_base_url_when_opened_then_it_says_what_it_is(gateway: Gateway, path: str) -> None:
    """People open their base URL in a browser."""
    reply = call(gateway, "GET", path)
    assert reply.status == 200
    assert b"base URL" in reply.body
    assert b"/docs" in reply.body


def test_counts_when_only_lists_are_read_then_no_request_is_used_up(gateway: Gateway, keys: dict[str, Key]) -> None:
    """Reading never counts: a Starter key may read more often than it may ask."""
    with ThreadPoolExecutor(4) as pool:
        replies = pool.map(lambda _: call(gateway, "GET", "/v1/models", key=keys["starter-2"]).status, range(30))
        assert set(replies) == {200}
