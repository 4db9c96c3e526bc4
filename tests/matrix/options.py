"""One option at a time, as each client dialect writes it."""

from typing import Any

from tests.matrix.ask import PICTURE
from tests.matrix.limits import CHAT, MESSAGES, RESPONSES

Body = dict[str, Any]

_SCHEMA: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_WAV = "UklGRiQAAABXQVZFZm10IA=="
_PDF = "JVBERi0xLjQK"
_URL = "https://example.com/cat.png"


def _function(name: str) -> Body:
    return {"type": "function", "function": {"name": name, "parameters": _SCHEMA}}


def _flat(name: str) -> Body:
    return {"type": "function", "name": name, "parameters": _SCHEMA, "strict": False}


def _tool(name: str) -> Body:
    return {"name": name, "input_schema": _SCHEMA}


def _said(*parts: Body) -> Body:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def _input(*parts: Body) -> Body:
    return {"input": [{"role": "user", "content": list(parts)}]}


_CUSTOM = {"name": "sql", "description": "Runs SQL.", "format": {"type": "text"}}
_CHAT_TOOLS = [_function("look"), _function("ask")]
_FLAT_TOOLS = [_flat("look"), _flat("ask")]
_TOOLS = [_tool("look"), _tool("ask")]

BASES: dict[str, Body] = {
    CHAT: {"model": "test/model", "messages": [{"role": "user", "content": "Hi."}]},
    MESSAGES: {"model": "test/model", "max_tokens": 20_000, "messages": [{"role": "user", "content": "Hi."}]},
    RESPONSES: {"model": "test/model", "input": "Hi."},
}
OPTIONS: dict[str, dict[str, Body]] = {
    CHAT: {
        "temperature": {"temperature": 0.5},
        "temperature above 1": {"temperature": 1.5},
        "top_p": {"top_p": 0.5},
        "max_tokens": {"max_tokens": 99},
        "no cap": {},
        "stop": {"stop": "END"},
        "seed": {"seed": 7},
        "presence_penalty": {"presence_penalty": 0.5},
        "frequency_penalty": {"frequency_penalty": 0.5},
        "logit_bias": {"logit_bias": {"50256": -100}},
        "logprobs": {"logprobs": True, "top_logprobs": 2},
        "n": {"n": 2},
        "user": {"user": "ann"},
        "safety_identifier": {"safety_identifier": "ann"},
        "verbosity": {"verbosity": "low"},
        "store": {"store": True},
        "metadata": {"metadata": {"a": "b"}},
        "service_tier": {"service_tier": "flex"},
        "prompt_cache_key": {"prompt_cache_key": "k"},
        "prediction": {"prediction": {"type": "content", "content": "x"}},
        "audio out": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        "web_search_options": {"web_search_options": {}},
        "tool_choice required": {"tools": _CHAT_TOOLS, "tool_choice": "required"},
        "tool_choice none": {"tools": _CHAT_TOOLS, "tool_choice": "none"},
        "allowed_tools": {
            "tools": _CHAT_TOOLS,
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "look"}}]},
            },
        },
        "parallel_tool_calls": {"tools": _CHAT_TOOLS, "parallel_tool_calls": False},
        "custom tool": {"tools": [{"type": "custom", "custom": _CUSTOM}]},
        "reasoning_effort": {"reasoning_effort": "high"},
        "reasoning_effort none": {"reasoning_effort": "none"},
        "response_format json_object": {"response_format": {"type": "json_object"}},
        "image url": _said({"type": "image_url", "image_url": {"url": _URL}}),
        "image detail": _said(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"}}
        ),
        "audio in": _said({"type": "input_audio", "input_audio": {"data": _WAV, "format": "wav"}}),
        "pdf": _said(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"}}
        ),
        "file id": _said({"type": "file", "file": {"file_id": "file-1"}}),
        "a field of tomorrow": {"tomorrow": 1},
    },
    MESSAGES: {
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "top_k": {"top_k": 5},
        "max_tokens 0": {"max_tokens": 0},
        "stop_sequences, five": {"stop_sequences": ["a", "b", "c", "d", "e"]},
        "metadata.user_id": {"metadata": {"user_id": "ann"}},
        "service_tier": {"service_tier": "standard_only"},
        "thinking with a budget": {"thinking": {"type": "enabled", "budget_tokens": 8192}},
        "thinking adaptive": {"thinking": {"type": "adaptive"}},
        "thinking disabled": {"thinking": {"type": "disabled"}},
        "effort": {"output_config": {"effort": "high"}},
        "tool_choice any": {"tools": _TOOLS, "tool_choice": {"type": "any"}},
        "tool_choice none": {"tools": _TOOLS, "tool_choice": {"type": "none"}},
        "disable_parallel_tool_use": {
            "tools": _TOOLS,
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
        "server tool": {"tools": [*_TOOLS, {"type": "web_search_20250305", "name": "web_search"}]},
        "mcp_servers": {"mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}]},
        "context_management": {"context_management": {"edits": []}},
        "container": {"container": "c"},
        "inference_geo": {"inference_geo": "us"},
        "cache_control": _said({"type": "text", "text": "Hi.", "cache_control": {"type": "ephemeral"}}),
        "image url": _said({"type": "image", "source": {"type": "url", "url": _URL}}),
        "image file": _said({"type": "image", "source": {"type": "file", "file_id": "f"}}),
        "pdf": _said({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": _PDF}}),
        "text document": _said(
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "abc"}}
        ),
        "a field of tomorrow": {"tomorrow": 1},
    },
    RESPONSES: {
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "top_logprobs": {"top_logprobs": 2},
        "max_output_tokens": {"max_output_tokens": 99},
        "max_tool_calls": {"max_tool_calls": 2},
        "truncation": {"truncation": "auto"},
        "metadata": {"metadata": {"a": "b"}},
        "user": {"user": "ann"},
        "safety_identifier": {"safety_identifier": "ann"},
        "service_tier": {"service_tier": "flex"},
        "prompt_cache_key": {"prompt_cache_key": "k"},
        "store": {"store": True},
        "background": {"background": True},
        "previous_response_id": {"previous_response_id": "resp_1"},
        "conversation": {"conversation": "conv_1"},
        "prompt": {"prompt": {"id": "p"}},
        "include": {"include": ["reasoning.encrypted_content"]},
        "text.verbosity": {"text": {"verbosity": "low"}},
        "text.format json_object": {"text": {"format": {"type": "json_object"}}},
        "reasoning.effort": {"reasoning": {"effort": "high"}},
        "tool_choice required": {"tools": _FLAT_TOOLS, "tool_choice": "required"},
        "tool_choice none": {"tools": _FLAT_TOOLS, "tool_choice": "none"},
        "allowed_tools": {
            "tools": _FLAT_TOOLS,
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "look"}],
            },
        },
        "parallel_tool_calls": {"tools": _FLAT_TOOLS, "parallel_tool_calls": False},
        "custom tool": {"tools": [{"type": "custom", **_CUSTOM}]},
        "namespace": {"tools": [{"type": "namespace", "name": "ns", "description": "d", "tools": [_flat("look")]}]},
        "hosted tool": {"tools": [*_FLAT_TOOLS, {"type": "web_search"}]},
        "image url": _input({"type": "input_image", "image_url": _URL, "detail": "auto"}),
        "image file": _input({"type": "input_image", "file_id": "file-1", "detail": "auto"}),
        "pdf": _input({"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"}),
        "file id": _input({"type": "input_file", "file_id": "file-1"}),
        "a field of tomorrow": {"tomorrow": 1},
    },
}
