"""The embedded language model through the gateway: an independent upstream, and what `make run` shows first."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import anthropic
import openai
import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Browser, expect

from freetheai_gateway import jsonc
from tests.e2e.conftest import Launch
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.pages import started_browser, visiting
from tests.e2e.refusals import GENEROUS_S, use_up
from tests.e2e.wire import call, chat
from tests.skipping import need_local_model

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
    need_local_model()
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


# --- three dialects of its own, and each translated into another -----------------------------------------------

TOKENS = 12
QUESTION = f"{CANARY} Tell me a long story about a fox."
COLOUR: dict[str, Any] = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
Said = tuple[str, int, int]
"""The text, and the tokens of the prompt and of the reply."""


class Clients:
    """The official SDKs for all three dialects of one gateway."""

    def __init__(self, gateway: Gateway, key: Key) -> None:
        self.openai = openai.OpenAI(base_url=gateway.base_url, api_key=key.secret, max_retries=0)
        self.anthropic = anthropic.Anthropic(base_url=gateway.url, api_key=key.secret, max_retries=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.openai.close()
        self.anthropic.close()

    def chat(self, model: str, question: str, *, streamed: bool) -> Said:
        """Ask with Chat Completions."""
        fields: Any = {"model": model, "max_tokens": TOKENS, "temperature": 0}
        fields["messages"] = [{"role": "user", "content": question}]
        if not streamed:
            reply: Any = self.openai.chat.completions.create(**fields)
            text = reply.choices[0].message.content
        else:
            # The SDK's own accumulator raises where the cap ends a reply.
            fields["stream_options"] = {"include_usage": True}
            chunks: list[Any] = list(self.openai.chat.completions.create(**fields, stream=True))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            reply = chunks[-1]
        assert reply.model == model
        return text, reply.usage.prompt_tokens, reply.usage.completion_tokens

    def messages(self, model: str, question: str, *, streamed: bool) -> Said:
        """Ask with Messages."""
        fields: Any = {"model": model, "max_tokens": TOKENS, "messages": [{"role": "user", "content": question}]}
        fields["extra_body"] = {"temperature": 0}  # the SDK has no name for it any more
        if streamed:
            with self.anthropic.messages.stream(**fields) as stream:
                reply: Any = stream.get_final_message()
        else:
            reply = self.anthropic.messages.create(**fields)
        assert reply.model == model
        usage = reply.usage
        # The prompt's tokens that came from the cache stand apart in this dialect.
        prompt_tokens = usage.input_tokens + (usage.cache_read_input_tokens or 0)
        return "".join(block.text for block in reply.content), prompt_tokens, usage.output_tokens

    def responses(self, model: str, question: str, *, streamed: bool) -> Said:
        """Ask with Responses."""
        fields: Any = {"model": model, "max_output_tokens": TOKENS, "temperature": 0, "input": question}
        if not streamed:
            reply: Any = self.openai.responses.create(**fields)
            text = reply.output_text
        else:
            # llama.cpp's own events have no indexes, at which the SDK's accumulator breaks: its plain events serve.
            events: list[Any] = list(self.openai.responses.create(**fields, stream=True))
            text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            reply = events[-1].response
            assert text == reply.output_text
        assert reply.model == model
        return text, reply.usage.input_tokens, reply.usage.output_tokens


DIALECTS: dict[str, Callable[..., Said]] = {
    "chat": Clients.chat,
    "messages": Clients.messages,
    "responses": Clients.responses,
}
WAYS = [(dialect, streamed) for dialect in DIALECTS for streamed in (False, True)]


@pytest.fixture(scope="module")
def clients(local: Gateway, local_key: Key) -> Iterator[Clients]:
    with Clients(local, local_key) as every:
        yield every


@pytest.fixture(scope="module")
def translating(local: Gateway, local_key: Key, launch: Launch) -> Iterator[Clients]:
    """Put a second gateway before the first, which passes on what llama.cpp says: one provider for each dialect."""
    config = "".join(
        f"""
[[providers]]
name = "{name}"
api = "{api}"
base_url = "{url}"
api_keys = ["{local_key.secret}"]

[[models]]
id = "behind/{name}"
kind = "chat"
context_window = 4096
max_output_tokens = 1024
features = ["structured_outputs"]

[[models.upstreams]]
provider = "{name}"
model = "{LOCAL}"
"""
        for name, api, url in (("chat", "openai", local.base_url), ("messages", "anthropic", local.url))
    )
    family = '[[families]]\nname = "Core"\nmodels = ["behind/*"]\nminimum_tier = 1\n'
    with launch(family + config) as gateway, Clients(gateway, gateway.create_key("translated")) as every:
        yield every


@pytest.fixture(scope="module")
def verdict(clients: Clients) -> Said:
    """Ask once; with temperature 0 everybody must hear the same."""
    said = clients.chat(LOCAL, QUESTION, streamed=False)
    assert len(said[0]) > TOKENS
    assert said[2] == TOKENS
    return said


@pytest.mark.parametrize(("dialect", "streamed"), WAYS)
def test_local_model_when_temperature_is_0_then_every_dialect_of_its_own_says_the_same(
    dialect: str, streamed: bool, clients: Clients, verdict: Said
) -> None:
    """llama.cpp speaks all three itself: text and usage are the same, whole and streamed."""
    assert DIALECTS[dialect](clients, LOCAL, QUESTION, streamed=streamed) == verdict


@pytest.mark.parametrize("upstream", ["chat", "messages"])
@pytest.mark.parametrize(("dialect", "streamed"), WAYS)
def test_local_model_when_temperature_is_0_then_a_translated_dialect_says_the_same(
    dialect: str, streamed: bool, upstream: str, translating: Clients, verdict: Said
) -> None:
    """Every client dialect on a provider that speaks only one: the judge is the model, which knows no translation."""
    assert DIALECTS[dialect](translating, f"behind/{upstream}", QUESTION, streamed=streamed) == verdict


def test_local_model_when_a_schema_is_given_then_the_reply_keeps_it(clients: Clients, translating: Clients) -> None:
    """The schema is enforced while tokens are drawn: one that got lost on the way would show.

    Responses is asked through a translation only: llama.cpp's own takes no notice of `text.format`.
    """
    form: Any = {"type": "json_schema", "name": "answer", "schema": COLOUR}
    chat_form: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": COLOUR}}
    turns: Any = [{"role": "user", "content": QUESTION}]
    chat: Any = clients.openai.chat.completions.create(
        model=LOCAL, messages=turns, max_tokens=40, temperature=0, response_format=chat_form
    )
    response: Any = translating.openai.responses.create(
        model="behind/chat", input=QUESTION, max_output_tokens=40, temperature=0, text={"format": form}
    )
    message: Any = translating.anthropic.messages.create(
        model="behind/chat",
        messages=turns,
        max_tokens=40,
        output_config={"format": {"type": "json_schema", "schema": COLOUR}},
    )
    for text in (chat.choices[0].message.content, response.output_text, message.content[0].text):
        assert jsonc.decode_any(text) in ({"colour": "red"}, {"colour": "green"})


@pytest.mark.parametrize("model", [LOCAL, "behind/chat", "behind/messages"])
@pytest.mark.parametrize(("dialect", "streamed"), WAYS)
def test_local_model_when_the_context_overflows_then_each_dialect_names_it(
    dialect: str, streamed: bool, model: str, clients: Clients, translating: Clients
) -> None:
    """A 400 with our code in the dialect's own envelope, whole and streamed, raw and translated."""
    everyone = clients if model == LOCAL else translating
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)) as caught:
        DIALECTS[dialect](everyone, model, f"{CANARY} " * 1024, streamed=streamed)
    assert isinstance(caught.value, openai.BadRequestError | anthropic.BadRequestError)
    body: Any = caught.value.body
    if dialect == "messages":
        assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
        assert body["error"]["details"]["error_code"] == "context_length_exceeded"
    else:
        assert (body["type"], body["code"]) == ("context_length_exceeded", "context_length_exceeded")


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


# --- the playground, as a person has it who has just started the gateway ---------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


def test_playground_when_a_newcomer_chats_with_the_embedded_model_then_tokens_appear_one_by_one(
    local: Gateway, local_key: Key, browser: Browser, tmp_path: Path
) -> None:
    """Key, question, answer; stopped in the middle of the next; and what was asked runs as code elsewhere."""
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{local.url}/playground")
        assert page.get_by_label("Model").first.input_value() == LOCAL
        assert "demonstration" in page.locator("#chat-model-about").inner_text()
        page.get_by_label("API key").fill(local_key.secret)
        page.get_by_label("System prompt").fill("Answer in one sentence.")
        page.get_by_label("Temperature").fill("0")
        page.get_by_label("Longest reply").fill("16")
        visitor.watch("#thread .assistant")
        page.get_by_label("Your message").fill(f"{CANARY} Count to ten.")
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("#thread .meta")
        states = visitor.states
        assert len(states) >= 8
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(states))

        page.get_by_label("Longest reply").fill("400")
        page.get_by_label("Your message").fill("Tell me a very long story.")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#thread .assistant").last).to_contain_text(" ")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#thread .assistant").last).to_contain_text("(stopped)")
        expect(page.get_by_role("button", name="Send")).to_be_enabled()

        page.get_by_role("button", name="New chat").click()
        page.get_by_label("Longest reply").fill("8")
        page.get_by_label("Your message").fill('It\'s "quoted" \\ so.')
        page.get_by_role("button", name="Show as code").click()
        curl = page.locator("#code-curl").inner_text()
        page.get_by_role("tab", name="Python").click()
        python = page.locator("#code-python").inner_text()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FREETHEAI_API_KEY": local_key.secret}
    for command in (["bash", "-c", curl], [sys.executable, "-c", python]):
        assert "Answer in one sentence." in command[-1]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
        assert '"error"' not in done.stdout


def test_playground_when_a_picture_is_drawn_then_it_is_downloaded_and_can_be_edited(
    local: Gateway, local_key: Key, browser: Browser, tmp_path: Path
) -> None:
    """The demonstration says that no AI draws; what is on disk is a picture, and its edit is another one."""
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{local.url}/playground?model=local/sketch")
        assert "without AI" in page.locator("#image-model-about").inner_text()
        page.get_by_label("API key").fill(local_key.secret)
        page.get_by_label("Prompt", exact=True).fill(f"{CANARY} a lighthouse in fog")
        page.get_by_role("button", name="Draw", exact=True).click()
        expect(page.locator("#gallery img")).to_have_count(1)
        drawn = visitor.download(tmp_path)
        page.get_by_label("Picture to edit").set_input_files(drawn)
        page.get_by_label("Prompt", exact=True).fill("the same at night")
        page.get_by_role("button", name="Draw", exact=True).click()
        expect(page.locator("#gallery img")).to_have_count(2)
        (tmp_path / "edited").mkdir()
        edited = visitor.download(tmp_path / "edited")
    with Image.open(drawn) as first, Image.open(edited) as second:
        assert (first.format, first.size, second.size) == ("PNG", (512, 512), (512, 512))
        assert ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox() is not None
