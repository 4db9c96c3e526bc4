"""Every client dialect on vendors that speak another, through the real server: SDKs in front, the voices behind."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from freetheai_gateway.testing.voices import Answer, Call, Spent, Trouble
from freetheai_gateway.testing.voices.server import HELD, SpeakingUpstream, speaking_in_thread
from tests.e2e.conftest import Launch
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.wire import call

UPSTREAMS = {"chat": "glm-5.1", "messages": "claude-sonnet-4-5", "gemini": "gemini-3-flash", "responses": "gpt-5-pro"}
"""The vendors by their dialect, each with the model that it is asked for."""
CLIENTS = ("chat", "messages", "responses")
PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
OSLO = Call("get_weather", {"city": "Oslo"}, "call_0001")
CALLING = Answer("Let me look.", calls=(OSLO,), spent=Spent(100, 20, cached_tokens=75))
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION = f"{CANARY} What is the weather in Oslo?"


def _config(url: str) -> str:
    apis = {
        "chat": ("openai", f"{url}/v1"),
        "messages": ("anthropic", url),
        "gemini": ("gemini", url),
        "responses": ("openai-responses", f"{url}/v1"),
    }
    providers = "".join(
        f"""
[[providers]]
name = "{name}"
api = "{api}"
base_url = "{base}"
api_keys = ["env:TEST_UPSTREAM_KEY"]

[[models]]
id = "test/{name}"
kind = "chat"
context_window = 200000
max_output_tokens = 8192
inputs = ["text", "image"]
features = ["tools", "structured_outputs"]

[[models.upstreams]]
provider = "{name}"
model = "{UPSTREAMS[name]}"
price_usd = {{ input_per_million = 10.0, cached_input_per_million = 1.0, output_per_million = 100.0 }}
"""
        for name, (api, base) in apis.items()
    )
    return f'[[families]]\nname = "Core"\nmodels = ["test/*"]\nminimum_tier = 1\n{providers}'


@pytest.fixture(scope="module")
def speaking() -> Iterator[SpeakingUpstream]:
    with speaking_in_thread() as server:
        yield server


@pytest.fixture
def voices(speaking: SpeakingUpstream) -> Iterator[SpeakingUpstream]:
    """Give the vendors without a plan and without a past; no vendor may have had to refuse a request."""
    speaking.forget()
    yield speaking
    eventually(lambda: speaking.in_flight == 0, "the gateway lets go of every upstream request")
    assert speaking.refused == []


@pytest.fixture(scope="module")
def translating(speaking: SpeakingUpstream, launch: Launch) -> Iterator[Gateway]:
    with launch(_config(speaking.url)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def own_key(translating: Gateway) -> Key:
    return translating.create_key("translating")


@pytest.fixture
def openai_client(translating: Gateway, own_key: Key) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=translating.base_url, api_key=own_key.secret, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(translating: Gateway, own_key: Key) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=translating.url, api_key=own_key.secret, max_retries=0) as client:
        yield client


class _ChatLoop:
    """A tool loop as the documentation of Chat Completions shows it."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self.client = client
        function = {"name": "get_weather", "parameters": SCHEMA}
        self.fields: Any = {"model": model, "tools": [{"type": "function", "function": function}]}
        self.messages: list[Any] = [{"role": "user", "content": QUESTION}]

    def ask(self) -> tuple[str, list[tuple[str, str]]]:
        """Stream one reply and keep it; gives its text, and id and name of its calls."""
        with self.client.chat.completions.stream(messages=self.messages, **self.fields) as stream:
            message: Any = stream.get_final_completion().choices[0].message
        self.messages.append(message)
        return message.content or "", [(one.id, one.function.name) for one in message.tool_calls or []]

    def answer(self, call_id: str, text: str) -> None:
        """Add a tool's result."""
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})


class _MessagesLoop:
    """The same with Messages."""

    def __init__(self, client: anthropic.Anthropic, model: str) -> None:
        self.client = client
        tool = {"name": "get_weather", "input_schema": SCHEMA}
        self.fields: Any = {"model": model, "max_tokens": 500, "tools": [tool]}
        self.messages: list[Any] = [{"role": "user", "content": QUESTION}]

    def ask(self) -> tuple[str, list[tuple[str, str]]]:
        """Stream one reply and keep it."""
        with self.client.messages.stream(messages=self.messages, **self.fields) as stream:
            content: Any = stream.get_final_message().content
        self.messages.append({"role": "assistant", "content": content})
        text = "".join(block.text for block in content if block.type == "text")
        return text, [(block.id, block.name) for block in content if block.type == "tool_use"]

    def answer(self, call_id: str, text: str) -> None:
        """Add a tool's result."""
        result = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        self.messages.append({"role": "user", "content": [result]})


class _ResponsesLoop:
    """The same with Responses."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self.client = client
        tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
        self.fields: Any = {"model": model, "tools": [tool], "store": False}
        self.items: list[Any] = [{"role": "user", "content": QUESTION}]

    def ask(self) -> tuple[str, list[tuple[str, str]]]:
        """Stream one reply and keep it."""
        with self.client.responses.stream(input=self.items, **self.fields) as stream:
            response: Any = stream.get_final_response()
        self.items += response.output
        calls = [(item.call_id, item.name) for item in response.output if item.type == "function_call"]
        return response.output_text, calls

    def answer(self, call_id: str, text: str) -> None:
        """Add a tool's result."""
        self.items.append({"type": "function_call_output", "call_id": call_id, "output": text})


@pytest.mark.parametrize("pair", PAIRS, ids="-to-".join)
def test_tool_loop_when_it_is_streamed_through_the_server_then_it_comes_to_its_end(
    pair: tuple[str, str],
    voices: SpeakingUpstream,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
) -> None:
    """Call, result, text: with the SDK of the client's dialect, on a vendor that checks what it is sent."""
    client, upstream = pair
    model = f"test/{upstream}"
    loop: _ChatLoop | _MessagesLoop | _ResponsesLoop
    if client == "messages":
        loop = _MessagesLoop(anthropic_client, model)
    else:
        loop = (_ChatLoop if client == "chat" else _ResponsesLoop)(openai_client, model)
    voices.say(UPSTREAMS[upstream], [CALLING, Answer("Sunny.")])
    text, calls = loop.ask()
    assert text == "Let me look."
    ((call_id, name),) = calls
    assert name == "get_weather"
    loop.answer(call_id, "It is sunny.")
    assert loop.ask() == ("Sunny.", [])
    first, second = voices.bodies(UPSTREAMS[upstream])
    assert b"It is sunny." not in first
    assert b"It is sunny." in second


@pytest.mark.parametrize("upstream", ["messages", "gemini"])
def test_record_when_a_reply_was_translated_then_it_holds_the_vendors_counts_and_the_price(
    upstream: str, translating: Gateway, own_key: Key, voices: SpeakingUpstream, openai_client: openai.OpenAI
) -> None:
    """100 tokens in of which 75 from the cache, 20 out, whatever the vendor calls them."""
    voices.say(UPSTREAMS[upstream], [CALLING])
    with openai_client.chat.completions.with_streaming_response.create(
        model=f"test/{upstream}", messages=[{"role": "user", "content": QUESTION}], stream=True
    ) as response:
        assert b"data: [DONE]" in response.read()
        request_id = response.headers["x-request-id"]
    eventually(lambda: translating.find_request(request_id) is not None, "the record is in the database")
    record = translating.find_request(request_id)
    assert record is not None
    counts = {name: record[name] for name in ("input_tokens", "output_tokens", "cached_tokens")}
    assert counts == {"input_tokens": 100, "output_tokens": 20, "cached_tokens": 75}
    assert record["upstream_model"] == UPSTREAMS[upstream]
    assert record["cost_usd"] == pytest.approx((25 * 10 + 75 * 1 + 20 * 100) / 1_000_000)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_reply_when_something_was_left_out_then_a_header_names_it(
    streamed: bool, translating: Gateway, voices: SpeakingUpstream, openai_client: openai.OpenAI
) -> None:
    """`x-gateway-dropped`, on streams and on whole replies, and none where nothing was dropped."""
    create = openai_client.chat.completions.with_raw_response.create
    fields: Any = {"messages": [{"role": "user", "content": QUESTION}], "stream": streamed}
    reply = create(model="test/messages", seed=7, logit_bias={"50256": -100}, **fields)
    assert set(reply.headers["x-gateway-dropped"].replace(" ", "").split(",")) == {"seed", "logit_bias"}
    reply.parse()
    clean = create(model="test/gemini", seed=7, **fields)
    assert "x-gateway-dropped" not in clean.headers


def test_credentials_when_a_request_is_translated_then_each_vendor_gets_its_own_header_and_none_of_the_members(
    translating: Gateway, own_key: Key, voices: SpeakingUpstream, anthropic_client: anthropic.Anthropic
) -> None:
    """The operator's key in the vendor's own header; the member's key and beta flags stay here."""
    for model in UPSTREAMS:
        anthropic_client.messages.create(
            model=f"test/{model}",
            max_tokens=9,
            messages=[{"role": "user", "content": QUESTION}],
            extra_headers={"anthropic-beta": "context-1m-2025-08-07"},
        )
    chat, messages, gemini, responses = voices.exchanges
    assert chat.header("authorization") == responses.header("authorization") == "Bearer upstream-secret-1"
    assert messages.header("x-api-key") == gemini.header("x-goog-api-key") == "upstream-secret-1"
    assert messages.header("anthropic-beta") == "context-1m-2025-08-07"
    for exchange in (chat, gemini, responses):
        assert exchange.header("anthropic-beta") is None
    for exchange in voices.exchanges:
        assert all(own_key.secret not in value for _, value in exchange.headers)


@pytest.mark.parametrize("upstream", ["messages", "gemini"])
def test_refusal_when_the_vendor_is_overloaded_then_the_clients_sdk_may_retry(
    upstream: str, translating: Gateway, voices: SpeakingUpstream, openai_client: openai.OpenAI
) -> None:
    """529 of one vendor and 503 of the other are the same 503, with a time to wait."""
    voices.say(UPSTREAMS[upstream], [Trouble.OVERLOADED] * 5)
    with pytest.raises(openai.InternalServerError) as raised:
        openai_client.chat.completions.create(
            model=f"test/{upstream}", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
    assert raised.value.status_code == 503
    assert int(raised.value.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] != pair[1]], ids="-to-".join)
def test_client_when_it_leaves_in_mid_stream_then_the_vendor_is_cancelled(
    pair: tuple[str, str],
    translating: Gateway,
    voices: SpeakingUpstream,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
) -> None:
    """Nobody pays for tokens that nobody reads."""
    client, upstream = pair
    voices.say(UPSTREAMS[upstream], [HELD])
    model = f"test/{upstream}"
    prompt: Any = [{"role": "user", "content": QUESTION}]
    fields: Any = {"model": model, "stream": True}
    stream: Any
    if client == "chat":
        stream = openai_client.chat.completions.create(messages=prompt, **fields)
    elif client == "messages":
        stream = anthropic_client.messages.create(messages=prompt, max_tokens=9, **fields)
    else:
        stream = openai_client.responses.create(input=prompt, **fields)
    next(iter(stream))
    stream.close()
    eventually(lambda: voices.cancelled == 1, "the vendor's connection is closed")


def test_models_when_a_vendor_speaks_another_dialect_then_every_route_offers_it(
    translating: Gateway, own_key: Key, voices: SpeakingUpstream
) -> None:
    """All models are listed once, for whatever client asks."""
    data = call(translating, "GET", "/v1/models", key=own_key).json()["data"]
    assert isinstance(data, list)
    assert {model["id"] for model in data} == {f"test/{name}" for name in UPSTREAMS}
