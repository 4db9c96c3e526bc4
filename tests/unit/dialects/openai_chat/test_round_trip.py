"""A request that is read and written again in the same dialect says the same."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import Target
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import decode_any, encode

CHAT = OpenAIChat()
Json = dict[str, Any]


def _again(body: Json) -> object:
    rendered = CHAT.render(CHAT.parse(encode(body)), Target(body["model"], Quirks()))
    assert rendered.dropped == ()
    return decode_any(rendered.body)


words = st.text("abcxyz é\n😀", min_size=1, max_size=8)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
tokens = st.integers(0, 2**31)
json_values = st.recursive(
    st.none() | st.booleans() | tokens | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
schemas = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(names, json_values, max_size=2)}
)
marks = {
    "prompt_cache_breakpoint": st.just({"mode": "explicit"}),
    "cache_control": st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]),
}


def _object(required: Json, optional: Json | None = None) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(required, optional=optional or {})


def _just(**values: object) -> Json:
    return {name: st.just(value) for name, value in values.items()}


texts = _object({**_just(type="text"), "text": words | st.just("")}, marks)
images = _object(
    {
        **_just(type="image_url"),
        "image_url": _object(
            {"url": st.sampled_from(["https://x.example/a.png", "data:image/png;base64,iVBORw0KGgo="])},
            {"detail": st.sampled_from(["auto", "low", "high"])},
        ),
    },
    marks,
)
audio = _object(
    {**_just(type="input_audio"), "input_audio": _object({"data": st.just("AAAA"), "format": st.just("wav")})}
)
files = _object(
    {
        **_just(type="file"),
        "file": st.sampled_from(
            [
                {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
                {"file_id": "file-1"},
                {"file_data": "JVBERi0="},
            ]
        ),
    }
)
unknown_parts = _object({**_just(type="x_new"), "x": json_values})
user_content = words | st.lists(texts | images | audio | files | unknown_parts, min_size=1, max_size=3)
text_content = words | st.lists(texts, min_size=1, max_size=3)
refusals = _object({**_just(type="refusal"), "refusal": words})
function_calls = _object(
    {
        **_just(type="function"),
        "function": _object({"name": names, "arguments": st.sampled_from(["{}", '{"a": 1}', "", "not json"])}),
    },
    {"extra_content": st.just({"google": {"thought_signature": "c2ln"}})},
)
custom_calls = _object({**_just(type="custom"), "custom": _object({"name": names, "input": words})})
assistant_extras = {
    "name": names,
    "refusal": st.none() | words,
    "audio": st.none() | st.just({"id": "audio_1"}),
    "reasoning_content": words,
    "reasoning": words,
    "reasoning_details": st.just([{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]),
    "annotations": st.just([]),
    "function_call": st.none() | _object({"name": names, "arguments": st.just("{}")}),
}


@st.composite
def exchanges(draw: st.DrawFn) -> list[Json]:
    """Draw an assistant message and the tool messages that answer its calls."""
    message = draw(_object(_just(role="assistant"), assistant_extras))
    content = draw(st.none() | st.just("") | words | st.lists(texts | refusals, min_size=1, max_size=3) | st.just(...))
    if content is not ...:
        message["content"] = content
    calls = draw(st.lists(function_calls | custom_calls, max_size=3))
    for place, call in enumerate(calls):
        call["id"] = f"call_{place}"
    if calls or message.get("refusal") is None:
        message["tool_calls"] = calls
    answers = [{"role": "tool", "tool_call_id": call["id"], "content": draw(text_content)} for call in calls]
    return [message, *answers]


others = st.one_of(
    _object({"role": st.sampled_from(["system", "developer"]), "content": text_content}, {"name": names}),
    _object({**_just(role="user"), "content": user_content}, {"name": names}),
).map(lambda message: [message])
messages = st.lists(others | exchanges(), min_size=1, max_size=4).map(lambda runs: [one for run in runs for one in run])
function_tools = _object(
    {
        **_just(type="function"),
        "function": _object(
            {"name": names}, {"description": words, "parameters": schemas, "strict": st.booleans() | st.none()}
        ),
    },
    {"cache_control": st.just({"type": "ephemeral"})},
)
custom_tools = _object(
    {
        **_just(type="custom"),
        "custom": _object(
            {"name": names},
            {
                "description": words,
                "format": st.sampled_from(
                    [{"type": "text"}, {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}]
                ),
            },
        ),
    }
)
tools = st.lists(function_tools | custom_tools | st.just({"type": "web_search", "x": 1}), max_size=3)
number = st.floats(0, 2, allow_nan=False) | st.integers(0, 2)
options = {
    "tools": tools,
    "tool_choice": st.sampled_from(
        [
            "none",
            "auto",
            "required",
            {"type": "function", "function": {"name": "f"}},
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
            },
        ]
    ),
    "parallel_tool_calls": st.booleans(),
    "functions": st.lists(
        _object({"name": names}, {"description": words, "parameters": schemas}), min_size=1, max_size=2
    ),
    "temperature": st.none() | number,
    "top_p": st.none() | number,
    "top_k": tokens,
    "presence_penalty": number,
    "frequency_penalty": st.none() | number,
    "stop": st.none() | words | st.lists(words, max_size=4),
    "n": st.integers(1, 4),
    "seed": st.none() | tokens,
    "logprobs": st.none() | st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.just({"50256": -100}),
    "response_format": st.none()
    | st.sampled_from([{"type": "text"}, {"type": "json_object"}, {"type": "grammar", "grammar": "g"}])
    | _object(
        {
            **_just(type="json_schema"),
            "json_schema": _object({"name": names}, {"description": words, "schema": schemas, "strict": st.booleans()}),
        }
    ),
    "reasoning_effort": st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    "reasoning": st.just({"effort": "high", "exclude": True}),
    "thinking": st.sampled_from([{"type": "enabled", "budget_tokens": 2048}, {"type": "disabled"}]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "modalities": st.just(["text", "audio"]),
    "audio": st.just({"voice": "alloy", "format": "wav"}),
    "prediction": st.just({"type": "content", "content": "x"}),
    "web_search_options": st.just({}),
    "moderation": st.just({"model": "m"}),
    "store": st.none() | st.booleans(),
    "metadata": st.just({"a": "b"}),
    "service_tier": st.sampled_from(["auto", "flex"]),
    "user": words,
    "safety_identifier": words,
    "prompt_cache_key": words,
    "prompt_cache_options": st.just({"mode": "implicit", "ttl": "30m"}),
    "prompt_cache_retention": st.just("24h"),
    "chat_template_kwargs": st.just({"enable_thinking": False}),
    "x_tomorrow": json_values,
}
caps = st.sampled_from([{}, {"max_tokens": 7}, {"max_completion_tokens": 7}, {"max_tokens": None}])
streams = st.sampled_from(
    [
        {},
        {"stream": False},
        {"stream": None},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    ]
)


@settings(max_examples=150, deadline=None)
@given(messages, _object({}, options), caps, streams)
def test_request_when_written_again_then_equals_the_one_read(
    said: list[Json], more: Json, cap: Json, stream: Json
) -> None:
    """Every documented field, the extras of compatible servers and fields of tomorrow come out as they went in."""
    body = {"model": "m", "messages": said, **more, **cap, **stream}
    assert _again(body) == body


@pytest.mark.parametrize("choice", ["auto", {"name": "f"}])
def test_request_with_legacy_functions_then_keeps_their_form(choice: object) -> None:
    """`functions`, `function_call` and `function` messages are read as tools and written as they came."""
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "42"},
        ],
        "functions": [{"name": "f", "parameters": {"type": "object"}}],
        "function_call": choice,
    }
    assert _again(body) == body


FRAGMENTS = st.recursive(
    st.sampled_from(["text", "function", "tool", "user", "assistant", "data:x", "", 1, -1.5, None, True, 2**70]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "id",
                    "function",
                    "custom",
                    "name",
                    "arguments",
                    "input",
                    "image_url",
                    "url",
                    "file",
                    "file_data",
                    "input_audio",
                    "data",
                    "reasoning_details",
                    "extra_content",
                    "google",
                    "thought_signature",
                    "tool_call_id",
                    "function_call",
                    "refusal",
                    "allowed_tools",
                    "mode",
                    "tools",
                    "json_schema",
                    "schema",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_request_whose_legacy_functions_are_null_is_written_as_it_came() -> None:
    """Null is "not set": no tools are behind it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "functions": None}
    assert decode_any(CHAT.render(CHAT.parse(encode(body)), Target("m", Quirks())).body) == body


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted({*options, "messages", "max_tokens", "stream", "stream_options"})), FRAGMENTS
    )
)
def test_request_of_any_shape_then_is_read_or_refused(body: Json) -> None:
    """Nothing that a client sends raises anything but `InvalidRequest`, neither in reading nor in writing."""
    with suppress(InvalidRequest):
        CHAT.render(
            CHAT.parse(encode_lenient({"model": "m", "messages": [{"role": "user", "content": "x"}], **body})),
            Target("m", Quirks()),
        )


def encode_lenient(body: Json) -> bytes:
    """Encode; integers beyond 64 bits as their digits."""
    return encode(_tagged(body)).replace(b'"@2**70"', str(2**70).encode())


def _tagged(value: object) -> object:
    if isinstance(value, dict):
        return {name: _tagged(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_tagged(inner) for inner in value]
    return "@2**70" if value == 2**70 else value
