"""The specification's Messages example, but for base URL and model, on every kind of upstream."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from freetheai_gateway.testing.voices.voice import decode_object, objects
from tests.agents.actor import GREETING, SPENT, Actor, actor_in_thread
from tests.agents.configuration import MODELS, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway

EXAMPLE = """curl @BASE_URL@/messages \\
-H "Authorization: Bearer $FREETHEAI_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"model": "@MODEL@",
"max_tokens": 256,
"messages": [
{ "role": "user", "content": "Give me a short implementation plan." }
]
}'"""


@pytest.fixture(scope="module")
def actor() -> Iterator[Actor]:
    with actor_in_thread() as actor:
        yield actor


@pytest.fixture(scope="module")
def messages_gateway(actor: Actor, launch: Launch) -> Iterator[Gateway]:
    with launch(render(actor.url)) as gateway:
        yield gateway


@pytest.mark.parametrize("dialect", MODELS)
def test_messages_example_when_pasted_then_a_message_comes_back(
    dialect: str, messages_gateway: Gateway, actor: Actor
) -> None:
    """Bearer key, no `anthropic-version`: a whole message under the alias, with text, stop reason and usage."""
    actor.begin("")
    key = messages_gateway.create_key(dialect)
    line = EXAMPLE.replace("@BASE_URL@", messages_gateway.base_url).replace("@MODEL@", MODELS[dialect])
    environment = {"PATH": os.environ["PATH"], "FREETHEAI_API_KEY": key.secret}
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, env=environment, timeout=20)
    message = decode_object(done.stdout)
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", MODELS[dialect])
    assert [block["text"] for block in objects(message["content"])] == [GREETING]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    usage = message["usage"]
    assert isinstance(usage, dict)
    assert (usage["input_tokens"], usage["output_tokens"]) == (SPENT.input_tokens, SPENT.output_tokens)
    (asked,) = actor.received
    assert (asked.dialect, asked.complaints) == (dialect, ())
    version = "2023-06-01" if dialect == "anthropic_messages" else None
    assert dict(asked.headers).get("anthropic-version") == version
