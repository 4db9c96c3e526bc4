"""The scripted upstream as the official SDK sees it: a faithful Chat Completions server."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.upstream import ScriptedUpstream

TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "get_time")
]


class Weather(BaseModel):
    """A structured answer."""

    city: str
    degrees: float
    hours: list[int]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="sk-test", max_retries=0) as sdk:
        yield sdk


async def test_completion_when_asked_whole_then_the_sdk_reads_text_and_usage(client: openai.AsyncOpenAI) -> None:
    """A whole reply holds one choice, its finish reason and the tokens."""
    reply = await client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "Say hello."}])
    assert reply.choices[0].message.content == DEFAULT_TEXT
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "plain"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (5, 5, 10)


async def test_stream_when_usage_is_not_asked_for_then_no_chunk_mentions_it(client: openai.AsyncOpenAI) -> None:
    """Usage comes only with `stream_options.include_usage`."""
    stream = await client.chat.completions.create(
        model="plain?chunks=3", messages=[{"role": "user", "content": "x"}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "tok0 tok1 tok2 "
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


async def test_stream_when_usage_is_asked_for_then_one_last_chunk_without_choices_has_it(
    client: openai.AsyncOpenAI,
) -> None:
    """All chunks say `usage: null` but the last one, which has no choices."""
    stream = await client.chat.completions.create(
        model="plain?chunks=3",
        messages=[{"role": "user", "content": "x"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_tools_when_streamed_then_parallel_calls_assemble_and_results_are_answered(
    client: openai.AsyncOpenAI,
) -> None:
    """Both offered tools are called in parallel; after their results the model speaks."""
    async with client.chat.completions.stream(
        model="tools", messages=[{"role": "user", "content": "Weather?"}], tools=TOOLS
    ) as stream:
        reply = await stream.get_final_completion()
    calls = reply.choices[0].message.tool_calls or []
    assert reply.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [call.function.arguments for call in calls] == ['{"city":"Oslo","number":0}', '{"city":"Oslo","number":1}']
    after = await client.chat.completions.create(
        model="tools",
        tools=TOOLS,
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "tool", "tool_call_id": calls[0].id, "content": "rain"},
        ],
    )
    assert after.choices[0].message.content == DEFAULT_TEXT


async def test_structured_output_when_parsed_then_it_fits_the_schema(client: openai.AsyncOpenAI) -> None:
    """A JSON schema is answered with an example of it."""
    reply = await client.chat.completions.parse(
        model="plain", messages=[{"role": "user", "content": "Weather?"}], response_format=Weather
    )
    assert reply.choices[0].message.parsed == Weather(city="text", degrees=1.5, hours=[1])


async def test_choices_when_n_is_two_then_both_are_streamed(client: openai.AsyncOpenAI) -> None:
    """`n` choices interleave in a stream, each with its finish reason."""
    stream = await client.chat.completions.create(
        model="plain", messages=[{"role": "user", "content": "x"}], stream=True, n=2
    )
    finished = [choice.index async for chunk in stream for choice in chunk.choices if choice.finish_reason == "stop"]
    assert finished == [0, 1]


async def test_reasoning_when_streamed_then_it_comes_before_the_content(client: openai.AsyncOpenAI) -> None:
    """`reasoning_content` deltas precede the content deltas."""
    stream = await client.chat.completions.create(
        model="reasoning", messages=[{"role": "user", "content": "x"}], stream=True
    )
    deltas = [choice.delta async for chunk in stream for choice in chunk.choices]
    kinds = ["r" if getattr(delta, "reasoning_content", None) else "c" if delta.content else "" for delta in deltas]
    assert "".join(kinds) == "rrrr" + "ccccc"


async def test_max_tokens_when_below_the_answer_then_it_is_cut_with_reason_length(client: openai.AsyncOpenAI) -> None:
    """The output cap is kept."""
    reply = await client.chat.completions.create(
        model="plain", messages=[{"role": "user", "content": "x"}], max_tokens=2
    )
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("Hello from ", "length")


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "x"}]},
        {"model": "plain"},
        {"model": "plain", "messages": []},
        {"model": "plain", "messages": "x"},
        {"model": "plain", "messages": [{"role": "user", "content": "x"}], "stream": "yes"},
        {"model": "plain", "messages": [{"role": "user", "content": "x"}], "stream_options": {"include_usage": True}},
        {"model": "plain?no_such_option=1", "messages": [{"role": "user", "content": "x"}]},
    ],
)
async def test_request_when_wrong_then_it_is_refused_as_the_vendor_does(
    client: openai.AsyncOpenAI, body: dict[str, object]
) -> None:
    """What the vendor refuses is refused here too, so that a client's mistake shows."""
    with pytest.raises(openai.BadRequestError) as caught:
        await client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
