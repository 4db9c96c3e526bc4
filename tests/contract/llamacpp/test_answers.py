"""What the served model answers: the facts that the provider layer stands on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from freetheai_gateway import jsonc
from freetheai_gateway.sse import event_data, split_events
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.state import Endpoint
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel

from .conftest import Ask, RecordingLog

pytestmark = [pytest.mark.local_model, pytest.mark.asyncio(loop_scope="module")]

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Say hello."}]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(roomy: LocalModelSettings) -> AsyncIterator[Endpoint]:
    """One model for the module, with one slot."""
    model = LocalModel(roomy, RecordingLog())
    await model.start()
    state = await model.wait_ready(30)
    assert state.endpoint is not None
    yield state.endpoint
    await model.stop()


def decode(body: bytes) -> Any:
    return jsonc.decode_any(body)


async def test_chat_when_whole_then_names_the_alias_and_counts_tokens(ask: Ask, endpoint: Endpoint) -> None:
    """The reply holds usage and the alias, not the model file's path."""
    status, body = await ask(endpoint, CHAT, {"model": "any", "max_tokens": 4, "messages": HELLO})
    reply = decode(body)
    assert status == 200
    assert reply["model"] == "smollm2-135m"
    assert reply["usage"]["prompt_tokens"] > 0
    assert 0 < reply["usage"]["completion_tokens"] <= 4
    assert isinstance(reply["choices"][0]["message"]["content"], str)
    assert b".gguf" not in body


@pytest.mark.parametrize("asked", [True, False])
async def test_chat_when_streamed_then_ends_in_done_with_usage_only_if_asked(
    ask: Ask, endpoint: Endpoint, asked: bool
) -> None:
    """The usage chunk has no choices and comes right before `[DONE]`."""
    request = {"model": "any", "max_tokens": 4, "stream": True, "messages": HELLO}
    _, body = await ask(endpoint, CHAT, {**request, "stream_options": {"include_usage": asked}})
    data = [event_data(event) or b"" for event in split_events(body)]
    assert data[-1] == b"[DONE]"
    last = decode(data[-2])
    assert ("usage" in last) is asked
    assert (last["choices"] == []) is asked
    assert {decode(chunk)["model"] for chunk in data[:-1]} == {"smollm2-135m"}


async def test_chat_when_no_cap_is_named_then_the_default_cap_holds(ask: Ask, endpoint: Endpoint) -> None:
    """A model that never stops ends at the default, and at the client's cap where that is higher."""
    request = {"model": "any", "ignore_eos": True, "messages": HELLO}
    replies = [decode((await ask(endpoint, CHAT, body))[1]) for body in (request, {**request, "max_tokens": 24})]
    assert [reply["usage"]["completion_tokens"] for reply in replies] == [16, 24]
    assert [reply["choices"][0]["finish_reason"] for reply in replies] == ["length", "length"]


async def test_chat_when_a_schema_is_given_then_the_content_keeps_it(ask: Ask, endpoint: Endpoint) -> None:
    """Structured output is enforced while tokens are drawn, so even this model obeys."""
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    request = {"model": "any", "max_tokens": 64, "temperature": 0, "messages": HELLO, "response_format": form}
    _, body = await ask(endpoint, CHAT, request)
    content = jsonc.decode_any(decode(body)["choices"][0]["message"]["content"])
    assert content in ({"colour": "red"}, {"colour": "green"})


async def test_messages_when_asked_then_has_the_anthropic_shape(ask: Ask, endpoint: Endpoint) -> None:
    """The Messages route is served by the child itself."""
    _, body = await ask(endpoint, "/v1/messages", {"model": "any", "max_tokens": 4, "messages": HELLO})
    reply = decode(body)
    assert (reply["type"], reply["model"]) == ("message", "smollm2-135m")
    assert reply["content"][0]["type"] == "text"
    assert reply["usage"]["output_tokens"] <= 4


async def test_responses_when_asked_then_has_the_responses_shape(ask: Ask, endpoint: Endpoint) -> None:
    """So is the Responses route."""
    _, body = await ask(endpoint, "/v1/responses", {"model": "any", "max_output_tokens": 4, "input": "Say hello."})
    reply = decode(body)
    assert (reply["object"], reply["model"]) == ("response", "smollm2-135m")
    assert reply["output"][0]["content"][0]["type"] == "output_text"
    assert reply["usage"]["output_tokens"] <= 4


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, 400, "exceed_context_size_error"),
        ({}, 400, "invalid_request_error"),
        ({"messages": "none"}, 400, "invalid_request_error"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]},
            500,
            "server_error",
        ),
    ],
)
async def test_chat_when_the_request_is_wrong_then_answers_an_error_object(
    ask: Ask, endpoint: Endpoint, body: dict[str, object], status: int, kind: str
) -> None:
    """An error comes as a status and an object, streamed or not."""
    for streamed in (False, True):
        got, answer = await ask(endpoint, CHAT, {"model": "any", "stream": streamed, **body})
        assert (got, decode(answer)["error"]["type"]) == (status, kind)


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", "/v1/models"])
async def test_server_when_the_secret_is_wrong_then_refuses(ask: Ask, endpoint: Endpoint, path: str) -> None:
    """Other users of the machine can reach the port, but cannot use it."""
    status, body = await ask(endpoint, path, {"model": "any", "max_tokens": 1, "messages": HELLO}, key="guess")
    assert status == 401
    assert decode(body)["error"]["type"] == "authentication_error"


async def test_chat_when_more_come_than_slots_then_all_are_answered(ask: Ask, endpoint: Endpoint) -> None:
    """With one slot the others wait for their turn."""
    request = {"model": "any", "max_tokens": 2, "messages": HELLO}
    replies = await asyncio.gather(*(ask(endpoint, CHAT, request) for _ in range(5)))
    assert [status for status, _ in replies] == [200] * 5


async def test_stream_when_the_client_leaves_then_generation_stops(ask: Ask, endpoint: Endpoint) -> None:
    """The only slot is free again at once; were it not, the next answer would take minutes and time out."""
    endless = {"model": "any", "stream": True, "ignore_eos": True, "max_tokens": 8000, "messages": HELLO}
    headers = {"authorization": f"Bearer {endpoint.secret}"}
    async with (
        aiohttp.ClientSession(base_url=endpoint.base_url) as session,
        session.post(CHAT, data=jsonc.encode(endless), headers=headers) as reply,
    ):
        await reply.content.readline()
    async with asyncio.timeout(10):
        status, _ = await ask(endpoint, CHAT, {"model": "any", "max_tokens": 1, "messages": HELLO})
    assert status == 200
