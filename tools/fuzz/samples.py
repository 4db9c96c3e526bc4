"""Valid inputs to begin from: recorded requests, golden replies, what the scripted vendors say, and rich requests."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from freetheai_gateway import jsonc
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.testing.voices import VOICES, Answer, Asked, Call, Ending, Spent, Trouble

GOLDEN = Path("tests/golden")
_LARGEST_BYTES = 60_000
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": ["string", "null"], "enum": ["Oslo"]}, "at": {"$ref": "#/$defs/at"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"at": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "array", "items": {"type": "number"}}]}},
}
_FUNCTION = {"name": "get.weather", "description": "Looks.", "parameters": _SCHEMA, "strict": True}
_CACHED = {"type": "ephemeral"}

_CHAT: dict[str, object] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": _PIXEL, "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get.weather", "arguments": '{"city":"Oslo"}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Rain."}]},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "assistant", "refusal": "No."},
    ],
    "tools": [{"type": "function", "function": _FUNCTION}, {"type": "custom", "custom": {"name": "patch"}}],
    "tool_choice": {"type": "function", "function": {"name": "get.weather"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": _SCHEMA, "strict": True}},
    "reasoning_effort": "high",
    "max_completion_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "seed": 1,
    "n": 1,
    "logit_bias": {"1": 2},
    "user": "u",
    "metadata": {"a": "b"},
    "stream": True,
    "stream_options": {"include_usage": True},
}
_MESSAGES: dict[str, object] = {
    "model": "m",
    "max_tokens": 4000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": _CACHED}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look.", "cache_control": _CACHED},
                {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                    "title": "a",
                    "citations": {"enabled": True},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "AAAA"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Oslo"}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "Rain."},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
                    ],
                },
                {"type": "text", "text": "And?"},
            ],
        },
    ],
    "tools": [
        {"name": "get_weather", "description": "Looks.", "input_schema": _SCHEMA, "cache_control": _CACHED},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": _SCHEMA}},
    "stop_sequences": ["END"],
    "temperature": 1.0,
    "top_k": 5,
    "metadata": {"user_id": "u"},
    "stream": True,
}
_RESPONSES: dict[str, object] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "developer", "content": "And kind."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": _PIXEL, "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "AA",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I.", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": _PIXEL}]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
    ],
    "tools": [
        {"type": "function", **_FUNCTION, "name": "get_weather"},
        {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "namespace", "name": "shop", "tools": [{"type": "function", "name": "buy", "parameters": _SCHEMA}]},
    ],
    "tool_choice": {"type": "function", "name": "get_weather"},
    "text": {"format": {"type": "json_schema", "name": "city", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 100,
    "store": False,
    "stream": True,
}
_RICH: Mapping[str, dict[str, object]] = {
    DialectName.OPENAI_CHAT: _CHAT,
    DialectName.ANTHROPIC_MESSAGES: _MESSAGES,
    DialectName.OPENAI_RESPONSES: _RESPONSES,
}
_HELLO = [{"role": "user", "content": "Hello."}]
_PLAIN: Mapping[str, dict[str, object]] = {
    DialectName.OPENAI_CHAT: {"model": "m", "messages": _HELLO},
    DialectName.ANTHROPIC_MESSAGES: {"model": "m", "max_tokens": 100, "messages": _HELLO},
    DialectName.OPENAI_RESPONSES: {"model": "m", "input": "Hello."},
}
_REFUSED_BY_SOME = {
    "logprobs": True,
    "top_logprobs": 2,
    "n": 2,
    "previous_response_id": "resp_1",
    "audio": {"voice": "a"},
}
_TARGETS = {
    "/v1/messages": DialectName.ANTHROPIC_MESSAGES,
    "/v1/responses": DialectName.OPENAI_RESPONSES,
    "/v1/chat/completions": DialectName.OPENAI_CHAT,
}
_ANSWERS = (
    Answer("Hello there, you.", spent=Spent(100, 20, cached_tokens=75)),
    Answer(
        "Let me look.",
        calls=(Call("get_weather", {"city": "Oslo"}, "c1"), Call("get_weather", {"city": "Rome"}, "c2")),
        thinking="Where is that?",
        signature="c2lnbmF0dXJl",
        spent=Spent(50, 30, reasoning_tokens=10),
    ),
    Answer("I will not.", ending=Ending.REFUSED),
    Answer(ending=Ending.BLOCKED),
    Answer("Cut sh", ending=Ending.LENGTH),
)
_ASKED = Asked("m", b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}')


class _Recorded(msgspec.Struct):
    target: str
    body: msgspec.Raw


def requests(dialect: str) -> list[bytes]:
    """Give requests of a client; the rich one as often as all plain ones, in which most edits are fatal."""
    rich = _RICH[dialect]
    found = [jsonc.encode(_PLAIN[dialect] | {name: value}) for name, value in {**rich, **_REFUSED_BY_SOME}.items()]
    found = [jsonc.encode(rich)] * len(found) + found
    for path in sorted((GOLDEN / "clients").glob("*.json")):
        recorded = jsonc.Decoder(_Recorded)(path.read_bytes())
        if _TARGETS[recorded.target.partition("?")[0]] == dialect and len(recorded.body) < _LARGEST_BYTES:
            found.append(bytes(recorded.body))
    return found


def whole_replies(dialect: str) -> list[bytes]:
    """Give whole replies of an upstream, failures with a good status among them."""
    voice = VOICES[dialect]
    golden = [path.read_bytes() for path in (GOLDEN / dialect).glob("*.json") if "request" not in path.stem]
    return [*(voice.whole(answer, _ASKED) for answer in _ANSWERS), voice.broken_whole(), *golden]


def streamed_replies(dialect: str) -> list[bytes]:
    """Give streams of an upstream, one that breaks among them."""
    voice = VOICES[dialect]
    said = [voice.events(answer, _ASKED) for answer in _ANSWERS]
    broken = [*said[0][:2], voice.broken_event()]
    golden = [path.read_bytes() for path in (GOLDEN / dialect).glob("*.sse")]
    return [*(b"".join(events) for events in (*said, broken)), *golden]


def complaints() -> list[bytes]:
    """Give the bodies of HTTP errors."""
    said = [voice.failure(trouble).body for voice in VOICES.values() for trouble in Trouble]
    return [
        *said,
        b'{"detail":"no"}',
        b'{"message":"no","code":400}',
        b'[{"error":{"message":"no"}}]',
        b'{"error":"no"}',
    ]


HTTP_REPLIES = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6;ext=1\r\nhello \r\n5\r\nworld\r\n0\r\nX-T: 1\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nx-a: \t b \t\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}",
)
"""Replies on the wire."""
