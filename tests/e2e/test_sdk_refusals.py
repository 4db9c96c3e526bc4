"""Refusals as people meet them: an exception of the default SDK, at once, with our code and request id in it."""

import time

import anthropic
import openai

from tests.e2e.configuration import PLAIN
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.refusals import GENEROUS_S, use_up


def refused_since(gateway: Gateway, count: int) -> list[dict[str, object]]:
    """Read the log lines of requests that came after the first `count` and were refused."""
    return [line for line in gateway.log_lines()[count:] if line["status"] == 429]


def test_openai_sdk_when_the_daily_cap_is_used_up_then_it_raises_at_once(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """The SDK with its defaults does not retry, and shows code and request id."""
    last = use_up(gateway, keys["capped"], PLAIN).headers["x-request-id"]
    eventually(lambda: last in [line["request_id"] for line in gateway.log_lines()], "the first refusal is logged")
    logged = len(gateway.log_lines())
    with openai.OpenAI(base_url=gateway.base_url, api_key=keys["capped"].secret) as client:
        assert client.max_retries > 0
        began = time.monotonic()
        try:
            client.chat.completions.create(model=PLAIN, messages=[{"role": "user", "content": CANARY}])
        except openai.RateLimitError as error:
            refusal = error
    assert time.monotonic() - began < GENEROUS_S
    assert (refusal.type, refusal.code) == ("daily_limit_error", "daily_requests")
    assert refusal.request_id is not None
    assert refusal.request_id.startswith("req_")
    assert "2 answers a day are allowed on tier Capped" in str(refusal)
    assert isinstance(refusal.body, dict)
    assert refusal.body["request_id"] == refusal.request_id
    assert refusal.response.headers["x-should-retry"] == "false"
    eventually(lambda: bool(refused_since(gateway, logged)), "the refusal is logged")
    assert [line["request_id"] for line in refused_since(gateway, logged)] == [refusal.request_id]


def test_anthropic_sdk_when_the_key_is_wrong_then_it_raises_its_authentication_error(gateway: Gateway) -> None:
    """The envelope is Anthropic's on the Messages route, also before anything is known of the caller."""
    with anthropic.Anthropic(base_url=gateway.url, api_key="fta_short") as client:
        try:
            client.messages.create(model=PLAIN, max_tokens=16, messages=[{"role": "user", "content": CANARY}])
        except anthropic.AuthenticationError as error:
            refusal = error
    assert isinstance(refusal.body, dict)
    assert refusal.body["error"]["type"] == "authentication_error"
