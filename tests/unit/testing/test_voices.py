"""The voices against the official SDKs: each SDK, pointed at its vendor's voice over HTTP, reads what was said."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import VOICES, Answer, Asked, Call, Ending, Spent, Trouble
from freetheai_gateway.testing.voices.server import SpeakingUpstream, speaking_in_thread

ANSWER = Answer(
    "Grüße aus 東京 🌸 und mehr.",
    calls=(Call("get_weather", {"city": "Oslo"}, "call_0001"), Call("get_time", {}, "call_0002")),
    thinking="Let me see.",
    signature="c2lnbmF0dXJl",
    spent=Spent(100, 20, cached_tokens=75, reasoning_tokens=8),
)


@pytest.fixture(scope="module")
def server() -> Iterator[SpeakingUpstream]:
    with speaking_in_thread() as upstream:
        yield upstream


@pytest.fixture
def upstream(server: SpeakingUpstream) -> SpeakingUpstream:
    server.forget()
    server.say("voice", [ANSWER])
    return server


@pytest.fixture
def gemini(server: SpeakingUpstream) -> Iterator[genai.Client]:
    with genai.Client(api_key="key", http_options=types.HttpOptions(base_url=server.url)) as client:
        yield client


@pytest.fixture
def openai_sdk(server: SpeakingUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="key", base_url=server.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_sdk(server: SpeakingUpstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="key", base_url=server.url, max_retries=0) as client:
        yield client


def _check_gemini(parts: list[types.Part], last: types.GenerateContentResponse) -> None:
    assert "".join(part.text or "" for part in parts if not part.thought) == ANSWER.text
    assert "".join(part.text or "" for part in parts if part.thought) == ANSWER.thinking
    calls = [part for part in parts if part.function_call]
    assert [(part.function_call.name, part.function_call.args) for part in calls if part.function_call] == [
        ("get_weather", {"city": "Oslo"}),
        ("get_time", {}),
    ]
    assert [part.thought_signature for part in calls] == [b"signature", None]
    usage = last.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 75)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (12, 8, 120)


def _parts(reply: types.GenerateContentResponse) -> list[types.Part]:
    assert reply.candidates
    content = reply.candidates[0].content
    assert content is not None
    return content.parts or []


def test_gemini_voice_when_whole_then_the_sdk_reads_it(upstream: SpeakingUpstream, gemini: genai.Client) -> None:
    """Thoughts, text, calls, signature and usage."""
    reply = gemini.models.generate_content(model="voice", contents="Hi.")
    _check_gemini(_parts(reply), reply)


def test_gemini_voice_when_streamed_then_the_sdk_reads_it(upstream: SpeakingUpstream, gemini: genai.Client) -> None:
    """The chunks together are the whole reply."""
    replies = list(gemini.models.generate_content_stream(model="voice", contents="Hi."))
    _check_gemini([part for reply in replies for part in _parts(reply)], replies[-1])


def test_gemini_voice_when_a_prompt_is_blocked_then_the_sdk_sees_the_reason(
    upstream: SpeakingUpstream, gemini: genai.Client
) -> None:
    """No candidates, but feedback."""
    upstream.say("voice", [Answer(ending=Ending.BLOCKED)])
    reply = gemini.models.generate_content(model="voice", contents="Hi.")
    assert not reply.candidates
    assert reply.prompt_feedback is not None
    assert reply.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT


def test_voices_when_a_field_is_unknown_then_they_refuse(upstream: SpeakingUpstream, openai_sdk: openai.OpenAI) -> None:
    """Vendors refuse what they do not know; a lenient fake would hide that."""
    for voice in VOICES.values():
        assert voice.complaints(b'{"tomorrow":1}')
    with pytest.raises(openai.BadRequestError, match="tomorrow"):
        openai_sdk.responses.create(model="voice", input="Hi.", extra_body={"tomorrow": 1})
    assert upstream.refused == ["request: unknown field tomorrow"]


@pytest.mark.parametrize("streamed", [True, False])
def test_messages_voice_when_asked_then_the_sdk_reads_it(
    streamed: bool, upstream: SpeakingUpstream, anthropic_sdk: anthropic.Anthropic
) -> None:
    """Blocks in order, usage that excludes the cache."""
    fields: Any = {"model": "voice", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}
    if streamed:
        with anthropic_sdk.messages.stream(**fields) as stream:
            message: Any = stream.get_final_message()
    else:
        message = anthropic_sdk.messages.create(**fields)
    thinking, text, first, second = message.content
    assert (thinking.thinking, thinking.signature) == (ANSWER.thinking, ANSWER.signature)
    assert text.text == ANSWER.text
    assert [(use.id, use.input) for use in (first, second)] == [("call_0001", {"city": "Oslo"}), ("call_0002", {})]
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (25, 75)


@pytest.mark.parametrize("streamed", [True, False])
def test_responses_voice_when_asked_then_the_sdk_reads_it(
    streamed: bool, upstream: SpeakingUpstream, openai_sdk: openai.OpenAI
) -> None:
    """Items in order; the stream's accumulated response is the whole one."""
    if streamed:
        with openai_sdk.responses.stream(model="voice", input="Hi.") as stream:
            response: Any = stream.get_final_response()
    else:
        response = openai_sdk.responses.create(model="voice", input="Hi.")
    reasoning, message, first, second = response.output
    assert (reasoning.summary[0].text, reasoning.encrypted_content) == (ANSWER.thinking, ANSWER.signature)
    assert message.content[0].text == ANSWER.text
    assert [(call.call_id, call.arguments) for call in (first, second)] == [
        ("call_0001", '{"city":"Oslo"}'),
        ("call_0002", "{}"),
    ]
    assert response.usage.input_tokens_details.cached_tokens == 75


@pytest.mark.parametrize("streamed", [True, False])
def test_chat_voice_when_asked_then_the_sdk_reads_it(
    streamed: bool, upstream: SpeakingUpstream, openai_sdk: openai.OpenAI
) -> None:
    """Reasoning beside the documented fields, calls by index, usage where it is asked for."""
    fields: Any = {"model": "voice", "messages": [{"role": "user", "content": "Hi."}]}
    if streamed:
        with openai_sdk.chat.completions.stream(**fields, stream_options={"include_usage": True}) as stream:
            completion: Any = stream.get_final_completion()
    else:
        completion = openai_sdk.chat.completions.create(**fields)
    message = completion.choices[0].message
    assert (message.content, message.reasoning_content) == (ANSWER.text, ANSWER.thinking)
    assert [(call.id, call.function.arguments) for call in message.tool_calls] == [
        ("call_0001", '{"city":"Oslo"}'),
        ("call_0002", "{}"),
    ]
    assert completion.usage.prompt_tokens_details.cached_tokens == 75


def test_failures_when_they_are_said_then_each_sdk_reads_status_and_words(
    upstream: SpeakingUpstream, gemini: genai.Client, anthropic_sdk: anthropic.Anthropic, openai_sdk: openai.OpenAI
) -> None:
    """One trouble, four vendors' ways to say it."""
    upstream.say("voice", [Trouble.CONTEXT_TOO_LONG] * 3)
    with pytest.raises(errors.ClientError, match="input token count"):
        gemini.models.generate_content(model="voice", contents="Hi.")
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        anthropic_sdk.messages.create(model="voice", max_tokens=9, messages=[{"role": "user", "content": "Hi."}])
    with pytest.raises(openai.BadRequestError) as raised:
        openai_sdk.responses.create(model="voice", input="Hi.")
    assert raised.value.code == "context_length_exceeded"


@pytest.mark.parametrize("voice", VOICES.values(), ids=VOICES.keys())
def test_voice_when_it_streams_then_every_event_is_framed_and_holds_json(voice: Any) -> None:
    """One blank line after each event, one line of JSON in it."""
    for event in [*voice.events(ANSWER, Asked("voice", b"{}")), voice.broken_event()]:
        assert event.endswith((b"\n\n", b"\r\n\r\n"))
        (data,) = [line[6:] for line in event.splitlines() if line.startswith(b"data: ")]
        assert data == b"[DONE]" or jsonc.decode_any(data)
