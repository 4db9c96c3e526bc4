"""Chat Completions through the gateway: the official SDK, and the bytes that both sides see."""

import base64
import http.client
import random

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN, SLASHES
from tests.e2e.gateway import CANARY, UPSTREAM_KEY, Gateway, Key
from tests.e2e.wire import CHAT, call, chat, chat_body, prompt

TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    for name in ("get_weather", "get_time")
]
SAY_HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"{CANARY} Say hello."}]


class Weather(BaseModel):
    """A structured answer."""

    city: str
    degrees: float
    hours: list[int]


def direct(upstream: ScriptedUpstream, body: bytes) -> bytes:
    """Ask the upstream itself and read the body that it sends."""
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    try:
        connection.request("POST", CHAT, body=body)
        with connection.getresponse() as response:
            return response.read()
    finally:
        connection.close()


# --- the official SDK -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [PLAIN, SLASHES])
def test_completion_when_whole_then_the_sdk_reads_it_under_the_alias(sdk: openai.OpenAI, model: str) -> None:
    """Text, finish reason and usage arrive, and `model` is the name that was asked for."""
    reply = sdk.chat.completions.create(model=model, messages=SAY_HELLO)
    assert reply.choices[0].message.content == DEFAULT_TEXT
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == model
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 5


def test_completion_when_streamed_then_every_chunk_names_the_alias(sdk: openai.OpenAI) -> None:
    """All chunks carry the alias, and none brings usage that nobody asked for."""
    chunks = list(sdk.chat.completions.create(model=PLAIN, messages=SAY_HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == DEFAULT_TEXT
    assert {chunk.model for chunk in chunks} == {PLAIN}
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_when_asked_for_in_a_stream_then_the_last_chunk_has_it(sdk: openai.OpenAI) -> None:
    """`include_usage` brings exactly one chunk with usage, the last, without choices and with the alias."""
    stream = sdk.chat.completions.create(
        model=PLAIN, messages=SAY_HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].model == PLAIN


def test_tools_when_called_in_parallel_then_whole_and_streamed_calls_are_complete(
    sdk: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    """Two calls arrive with their ids, names and arguments, in a whole reply and in a stream."""
    upstream.play("scripted", "tools")
    whole = sdk.chat.completions.create(model=MODEL, messages=SAY_HELLO, tools=TOOLS, parallel_tool_calls=True)
    with sdk.chat.completions.stream(model=MODEL, messages=SAY_HELLO, tools=TOOLS) as stream:
        streamed = stream.get_final_completion()
    for message in (whole.choices[0].message, streamed.choices[0].message):
        calls = [call for call in message.tool_calls or [] if call.type == "function"]
        assert [(call.id, call.function.name, jsonc.decode_any(call.function.arguments)) for call in calls] == [
            ("call_0000", "get_weather", {"city": "Oslo", "number": 0}),
            ("call_0001", "get_time", {"city": "Oslo", "number": 1}),
        ]
    assert whole.choices[0].finish_reason == streamed.choices[0].finish_reason == "tool_calls"


def test_conversation_when_of_many_turns_then_the_upstream_gets_it_as_it_was(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """System, user, assistant with tool calls and tool results keep order, content and unknown keys."""
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}], "name": "x"},
        *prompt("Weather in Oslo? 🌧️ 天気"),
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    body = jsonc.encode({"model": PLAIN, "messages": messages, "tools": TOOLS})
    reply = call(gateway, "POST", CHAT, key=key, body=body)
    assert reply.text() == DEFAULT_TEXT
    assert upstream.exchanges[0].fields()["messages"] == messages


def test_structured_output_when_asked_for_then_the_sdk_parses_it(sdk: openai.OpenAI) -> None:
    """`response_format` with a JSON schema goes through in both directions."""
    reply = sdk.chat.completions.parse(model=PLAIN, messages=SAY_HELLO, response_format=Weather)
    assert reply.choices[0].message.parsed == Weather(city="text", degrees=1.5, hours=[1])


def test_choices_when_two_are_asked_for_then_two_come(sdk: openai.OpenAI) -> None:
    """`n = 2` gives both choices, whole and streamed."""
    whole = sdk.chat.completions.create(model=PLAIN, messages=SAY_HELLO, n=2)
    assert [choice.message.content for choice in whole.choices] == [DEFAULT_TEXT] * 2
    texts = ["", ""]
    for chunk in sdk.chat.completions.create(model=PLAIN, messages=SAY_HELLO, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [DEFAULT_TEXT] * 2


def test_reasoning_when_streamed_then_its_deltas_reach_the_client(
    sdk: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    """Fields that OpenAI does not document are kept."""
    upstream.play("scripted", "reasoning")
    stream = sdk.chat.completions.create(model=MODEL, messages=SAY_HELLO, stream=True)
    deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Let me think first."


def test_image_when_five_megabytes_large_then_it_reaches_the_upstream_whole(
    sdk: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    """A large image part is neither refused nor changed."""
    picture = base64.b64encode(random.Random(7).randbytes(5_000_000)).decode()  # noqa: S311 (no secret)
    url = f"data:image/png;base64,{picture}"
    reply = sdk.chat.completions.create(
        model=PLAIN,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"{CANARY} What is this?"},
                    {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
                ],
            }
        ],
    )
    assert reply.choices[0].message.content == DEFAULT_TEXT
    assert url.encode() in upstream.exchanges[0].body


# --- the request's bytes --------------------------------------------------------------------------------------


def test_fields_when_unknown_then_they_reach_the_upstream_as_they_were_written(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """Spacing, number forms and unknown fields survive: only `model` is replaced."""
    values = [b'"x_unknown": {"a" :  1.0, "b":[1,2 , 3e5]}', b'"seed": 12345678901234567890', b'"temperature": 0.10']
    body = b'{ "model" : "%b" , "messages" : [ {"role":"user", "content":"\\u0068i"} ], %b }' % (
        PLAIN.encode(),
        b", ".join(values),
    )
    assert call(gateway, "POST", CHAT, key=key, body=body).status == 200
    (exchange,) = upstream.exchanges
    for raw in (b'{"a" :  1.0, "b":[1,2 , 3e5]}', b"12345678901234567890", b"0.10", b'"\\u0068i"'):
        assert raw in exchange.body
    assert set(exchange.fields()) == {"model", "messages", "x_unknown", "seed", "temperature"}
    assert exchange.fields()["model"] == "plain"


def test_keys_when_duplicated_then_the_last_wins_for_us_and_for_the_upstream(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """What was checked is what is sent: the upstream sees each key once."""
    body = (
        b'{"model":"no/such","messages":[],"stream":true,"model":"%b",'
        b'"messages":[{"role":"user","content":"hi"}],"stream":false}' % PLAIN.encode()
    )
    reply = call(gateway, "POST", CHAT, key=key, body=body)
    assert (reply.status, reply.text()) == (200, DEFAULT_TEXT)
    sent = upstream.exchanges[0].body
    assert [sent.count(name) for name in (b'"model"', b'"messages"', b'"stream"')] == [1, 1, 1]


def test_text_when_it_holds_a_lone_surrogate_then_the_upstream_gets_a_replacement(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """Half a surrogate pair is refused by many JSON readers; a whole pair stays."""
    body = b'{"model":"%b","messages":[{"role":"user","content":"a\\ud83d b \\ud83d\\ude00 c"}]}' % PLAIN.encode()
    assert call(gateway, "POST", CHAT, key=key, body=body).status == 200
    (message,) = jsonc.Decoder(list[dict[str, str]])(jsonc.encode(upstream.exchanges[0].fields()["messages"]))
    assert message["content"] == "a\ufffd b 😀 c"


def test_headers_when_sent_by_the_client_then_none_but_ours_reach_the_upstream(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """The upstream sees its own key; the client's key, cookies, encodings and addresses stay here."""
    reply = call(
        gateway,
        "POST",
        CHAT,
        key=key,
        body=chat_body(PLAIN),
        headers={
            "cookie": "a=b",
            "accept-encoding": "br, zstd",
            "x-forwarded-for": "203.0.113.7",
            "openai-organization": "org-1",
        },
    )
    assert reply.status == 200
    (exchange,) = upstream.exchanges
    assert exchange.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    sent = " ".join(f"{name}: {value}" for name, value in exchange.headers)
    for secret in (key.secret, "a=b", "br, zstd", "203.0.113.7", "org-1"):
        assert secret not in sent


# --- the reply's bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    ["", "eol=crlf", "space=0", "comments=1", "spaced_model=1", "spaced_model=1&model_as=vendor/other-1",
     "piece_bytes=1", "piece_bytes=7&eol=crlf&comments=1", "multiline=1", "usage=every", "usage=last",
     "usage=none", "chunks=200", "reasoning=hm hm&chunks=3", "text=天気 🌧️ é&piece_bytes=1", "framing=close"],
)  # fmt: skip
def test_stream_when_relayed_then_only_model_and_our_usage_event_differ(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, options: str
) -> None:
    """The client gets the upstream's bytes; the alias stands for the model, the usage event we asked for is gone."""
    upstream.play("scripted", f"plain?{options}")
    sent = direct(upstream, chat_body("scripted", stream=True, stream_options={"include_usage": True}))
    reply = chat(gateway, key, MODEL, stream=True)
    name = b"vendor/other-1" if "model_as" in options else b"scripted"
    events = sent.replace(b'"%b"' % name, b'"%b"' % MODEL.encode())
    separator = b"\r\n\r\n" if "eol=crlf" in options else b"\n\n"
    expected = b"".join(
        event + separator for event in events.split(separator) if event and b'"choices":[]' not in event
    )
    assert reply.status == 200
    assert reply.body == expected


@pytest.mark.parametrize("options", ["eol=cr", "eol=cr&piece_bytes=1&comments=1"])
def test_stream_when_its_lines_end_in_cr_then_every_event_arrives(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, options: str
) -> None:
    """A CR at the end may be half of a CRLF: the last event is told by the end of the stream only."""
    upstream.play("scripted", f"plain?{options}")
    reply = chat(gateway, key, MODEL, stream=True)
    upstream.play("scripted", "plain")
    assert reply.events() == chat(gateway, key, MODEL, stream=True).events()


def test_stream_when_usage_was_asked_for_then_nothing_but_model_differs(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """A client that asked for usage gets every event."""
    upstream.play("scripted", "plain?chunks=3")
    options = {"include_usage": True}
    sent = direct(upstream, chat_body("scripted", stream=True, stream_options=options))
    reply = chat(gateway, key, MODEL, stream=True, stream_options=options)
    assert reply.body == sent.replace(b'"scripted"', b'"%b"' % MODEL.encode())


@pytest.mark.parametrize("options", ["", "spaced_model=1", "model_as=other", "gzip=1", "piece_bytes=1", "usage=none"])
def test_whole_reply_when_relayed_then_only_model_differs(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, options: str
) -> None:
    """The body is the upstream's, byte for byte, with the alias; compression that nobody asked for is undone."""
    upstream.play("scripted", f"plain?{options.replace('gzip=1', '')}")
    sent = direct(upstream, chat_body("scripted"))
    upstream.play("scripted", f"plain?{options}")
    reply = chat(gateway, key, MODEL)
    name = b"other" if "model_as" in options else b"scripted"
    assert reply.body == sent.replace(b'"%b"' % name, b'"%b"' % MODEL.encode())
    assert "content-encoding" not in reply.headers


def test_stream_when_compressed_unasked_then_the_client_gets_plain_events(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """A gzip stream is undone as it comes."""
    upstream.play("scripted", "plain?gzip=1&chunks=4")
    reply = chat(gateway, key, MODEL, stream=True)
    assert reply.events()[-1] == b"[DONE]"
    assert "content-encoding" not in reply.headers


def test_reply_when_huge_then_it_arrives_whole(gateway: Gateway, key: Key, upstream: ScriptedUpstream) -> None:
    """Ten megabytes of content in one body, and a giant event in a stream."""
    upstream.play("scripted", "huge?size_bytes=10000000")
    assert len(chat(gateway, key, MODEL).text()) == 10_000_000
    upstream.play("scripted", "huge?size_bytes=4000000")
    reply = chat(gateway, key, MODEL, stream=True)
    assert len(reply.body) > 4_000_000
    assert reply.events()[-1] == b"[DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_headers_when_replied_then_they_are_ours(gateway: Gateway, key: Key, stream: bool) -> None:
    """The request id is the gateway's under both names; the upstream's own headers do not leak."""
    reply = chat(gateway, key, PLAIN, stream=stream)
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["request-id"] == reply.headers["x-request-id"]
    assert "gateway;dur=" in reply.headers["server-timing"]
    assert reply.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    assert "server" not in reply.headers
    assert not any("req-of-the-upstream" in value for value in reply.headers.values())


def test_headers_when_the_account_has_limits_then_successes_say_where_it_stands(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """Limit headers under our names and under the one that the OpenAI SDK documents."""
    reply = chat(gateway, keys["regular"], PLAIN)
    assert reply.headers["x-ratelimit-limit"] == reply.headers["x-ratelimit-limit-requests"] == "5000"
    assert int(reply.headers["x-ratelimit-remaining"]) < 5000
    # Above 600 a minute the window is kept in 120 buckets, and an event may leave one of them late.
    assert 0 < int(reply.headers["x-ratelimit-reset"]) <= 61
    assert (reply.headers["x-concurrency-limit"], reply.headers["x-concurrency-remaining"]) == ("3", "2")
