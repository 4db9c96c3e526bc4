"""Histories as real clients send them: each is legal or seen in the wild, and none may make a vendor refuse."""

from typing import Any

from tests.matrix.ask import PICTURE
from tests.matrix.limits import CHAT, MESSAGES, RESPONSES

Body = dict[str, Any]

_HI = {"role": "user", "content": "Hi."}
_TOOL = {"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}
_FLAT_TOOL = {"type": "function", "name": "run", "parameters": {"type": "object", "properties": {}}, "strict": False}
_RUN = {"name": "run", "description": "Runs.", "input_schema": {"type": "object", "properties": {}}}


def _call(call_id: str, arguments: str = "{}") -> Body:
    return {"id": call_id, "type": "function", "function": {"name": "run", "arguments": arguments}}


def _calls(*calls: Body, content: str | None = None) -> Body:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def _tool(call_id: str, content: Any = "done") -> Body:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _chat(*messages: Body, **more: object) -> Body:
    return {"messages": list(messages), "tools": [_TOOL], **more}


def _use(call_id: str) -> Body:
    return {"type": "tool_use", "id": call_id, "name": "run", "input": {}}


def _result(call_id: str, *content: Any) -> Body:
    return {"type": "tool_result", "tool_use_id": call_id, **({"content": content[0]} if content else {})}


def _messages(*messages: Body, **more: object) -> Body:
    return {"messages": list(messages), "tools": [_RUN], "max_tokens": 100, **more}


def _turn(role: str, *blocks: Body) -> Body:
    return {"role": role, "content": list(blocks)}


def _text(text: str) -> Body:
    return {"type": "text", "text": text}


def _responses(*items: Body, **more: object) -> Body:
    return {"input": list(items), "tools": [_FLAT_TOOL], **more}


def _function_call(call_id: str, **more: object) -> Body:
    return {"type": "function_call", "call_id": call_id, "name": "run", "arguments": "{}", **more}


def _output(call_id: str, output: object = "done") -> Body:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


_CUSTOM = {"type": "custom", "name": "apply_patch", "description": "Patches."}
_PDF = "data:application/pdf;base64,JVBERi0xLjQK"

UNTIDY: dict[str, dict[str, Body]] = {
    CHAT: {
        "empty text beside calls": _chat(_HI, _calls(_call("a"), content=""), _tool("a")),
        "arguments that are no JSON": _chat(_HI, _calls(_call("a", '{"x":')), _tool("a")),
        "arguments that are no object": _chat(_HI, _calls(_call("a", "[1]"), _call("b", "")), _tool("a"), _tool("b")),
        "calls without results": _chat(_HI, _calls(_call("a"), _call("b")), _tool("b"), _HI),
        "calls at the end": _chat(_HI, _calls(_call("a"))),
        "a result without its call": _chat(_HI, _tool("lost"), _HI),
        "results out of order": _chat(_HI, _calls(_call("a"), _call("b")), _tool("b"), _tool("a")),
        "a user between call and result": _chat(_HI, _calls(_call("a")), _HI, _tool("a")),
        "an empty result": _chat(_HI, _calls(_call("a")), _tool("a", "")),
        "a result in parts": _chat(_HI, _calls(_call("a")), _tool("a", [_text("x"), _text("y")])),
        "ids with odd characters": _chat(
            _HI,
            _calls(_call("functions.run:0"), _call("functions_run:0")),
            _tool("functions.run:0"),
            _tool("functions_run:0"),
        ),
        "the same ids in every turn": _chat(_HI, _calls(_call("0")), _tool("0"), _calls(_call("0")), _tool("0")),
        "an empty id": _chat(_HI, _calls(_call("")), _tool("")),
        "blank messages": _chat(_HI, {"role": "user", "content": "  "}, {"role": "assistant", "content": ""}, _HI),
        "only blank messages": _chat({"role": "user", "content": [_text("\n")]}, _HI),
        "a system message in the middle": _chat(_HI, {"role": "system", "content": "Be brief."}, _HI),
        "a system message at the end": _chat(_HI, {"role": "system", "content": "Be brief."}),
        "several system messages": _chat(
            {"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, _HI
        ),
        "an empty system message": _chat({"role": "system", "content": ""}, _HI),
        "an assistant first": _chat({"role": "assistant", "content": "Hello."}, _HI),
        "an assistant last": _chat(_HI, {"role": "assistant", "content": "Once upon "}),
        "old functions": {
            "messages": [
                _HI,
                {"role": "assistant", "content": None, "function_call": {"name": "run", "arguments": "{}"}},
                {"role": "function", "name": "run", "content": "done"},
            ],
            "functions": [_TOOL["function"]],
        },
        "a file": _chat(
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": _PDF}}]}
        ),
        "a lone surrogate": _chat({"role": "user", "content": "x\ud83dy"}),
        "a refusal in the history": _chat(_HI, {"role": "assistant", "content": None, "refusal": "No."}, _HI),
        "vendor extras": _chat(
            _HI,
            {"role": "assistant", "content": "x", "reasoning_content": "hm", "name": "bob"},
            {
                "role": "user",
                "name": "ann",
                "content": [{"type": "text", "text": "y", "cache_control": {"type": "ephemeral"}}],
            },
        ),
    },
    MESSAGES: {
        "text before the results": _messages(
            _HI, _turn("assistant", _use("a")), _turn("user", _text("x"), _result("a"))
        ),
        "text after calls": _messages(
            _HI,
            _turn("assistant", _use("a"), _text("x"), _use("b")),
            _turn("user", _result("a", "1"), _result("b", [])),
        ),
        "calls without results": _messages(_HI, _turn("assistant", _use("a")), _turn("user", _text("x"))),
        "a result without its call": _messages(_turn("user", _result("lost", "x"), _text("y"))),
        "blank blocks": _messages(
            _turn("user", _text(" "), _text("x")), _turn("assistant", _text("")), _turn("user", _text("y"))
        ),
        "blank text in a result": _messages(
            _HI, _turn("assistant", _use("a")), _turn("user", _result("a", [_text(" ")]))
        ),
        "a system turn in the middle": _messages(_HI, {"role": "system", "content": "Be brief."}, _HI),
        "a system turn at the end": _messages(_HI, {"role": "system", "content": [_text("Be brief.")]}),
        "system blocks with cache marks": _messages(
            _HI, system=[_text("A"), {**_text("B"), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        ),
        "blocks that only the vendor knows": _messages(
            _HI,
            _turn(
                "assistant",
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                _text("x"),
                {"type": "block_of_tomorrow", "n": 1},
            ),
            _turn("user", {"type": "container_upload", "file_id": "f"}, _text("y")),
        ),
        "foreign thinking": _messages(
            _HI,
            _turn(
                "assistant",
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "redacted_thinking", "data": "xyz"},
                _use("a"),
            ),
            _turn("user", _result("a", "1")),
        ),
        "only redacted thinking": _messages(_HI, _turn("assistant", {"type": "redacted_thinking", "data": "x"}), _HI),
        "server tools and betas": _messages(
            _HI,
            tools=[
                _RUN | {"defer_loading": True, "cache_control": {"type": "ephemeral"}},
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
            ],
            context_management={"edits": []},
            speed="fast",
            metadata={"user_id": "u" * 200},
        ),
        "a schema with everything": _messages(
            _HI,
            tools=[
                _RUN
                | {
                    "input_schema": {
                        "$schema": "http://json-schema.org/draft-07/schema#",
                        "type": "object",
                        "additionalProperties": False,
                        "propertyNames": {"pattern": "^x"},
                        "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}},
                        "properties": {
                            "a": {"type": "array", "uniqueItems": True},
                            "b": {"const": "x"},
                            "c": {"type": ["string", "null"]},
                            "d": {"enum": [1, 2]},
                            "n": {"$ref": "#/$defs/N"},
                            "o": {"oneOf": [{"type": "string"}, {"type": "integer", "exclusiveMinimum": 0}]},
                        },
                        "required": ["a", "missing"],
                    }
                }
            ],
        ),
        "documents": _messages(
            _turn(
                "user",
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"},
                },
                {"type": "search_result", "source": "https://x.test", "title": "S", "content": [_text("found")]},
            )
        ),
        "an assistant last": _messages(_HI, {"role": "assistant", "content": "Once upon "}),
        "two turns of one role": _messages(
            _HI, _HI, {"role": "assistant", "content": "x"}, _turn("assistant", _text("y")), _HI
        ),
        "a picture and its failure in a result": _messages(
            _HI,
            _turn("assistant", _use("a"), _use("b")),
            _turn(
                "user",
                {
                    **_result(
                        "a",
                        [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}],
                    ),
                    "is_error": True,
                },
                _result("b"),
            ),
        ),
        "a lone surrogate": _messages(_HI, _turn("assistant", _use("a")), _turn("user", _result("a", "x\ud83dy"))),
    },
    RESPONSES: {
        "a bare string": {"input": "Hi."},
        "two calls, then two outputs": _responses(
            _HI, _function_call("a"), _function_call("b"), _output("a"), _output("b")
        ),
        "calls and outputs in turn": _responses(
            _HI, _function_call("a"), _output("a"), _function_call("b"), _output("b"), _HI
        ),
        "calls without outputs": _responses(_HI, _function_call("a"), _HI),
        "an output without its call": _responses(_HI, _output("lost")),
        "an empty output": _responses(_HI, _function_call("a"), _output("a", "")),
        "reasoning without its secret": _responses(
            _HI, {"type": "reasoning", "id": "rs_1", "summary": []}, _function_call("a", id="fc_1"), _output("a")
        ),
        "reasoning that somebody else signed": _responses(
            _HI,
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "fta1.nobody.abc",
            },
            _function_call("a"),
            _output("a"),
        ),
        "items that only the vendor knows": _responses(
            _HI,
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
            {"type": "item_reference", "id": "msg_1"},
            {"type": "item_of_tomorrow", "n": 1},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "x"},
            _HI,
        ),
        "a shell call": _responses(
            _HI,
            {
                "type": "local_shell_call",
                "id": "l",
                "call_id": "a",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}},
            },
            {"type": "local_shell_call_output", "id": "o", "call_id": "a", "output": "files"},
            _HI,
        ),
        "a custom tool": _responses(
            _HI,
            {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"},
            tools=[_CUSTOM],
        ),
        "a namespace": _responses(
            _HI,
            _function_call("a", namespace="mcp"),
            _output("a"),
            tools=[{"type": "namespace", "name": "mcp", "description": "d", "tools": [_FLAT_TOOL]}],
        ),
        "hosted tools": _responses(
            _HI,
            tools=[
                _FLAT_TOOL,
                {"type": "web_search", "external_web_access": True},
                {"type": "image_generation"},
                {"type": "tool_of_tomorrow"},
            ],
        ),
        "developer items in the middle": _responses(
            {"role": "developer", "content": "A"},
            _HI,
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "B"}]},
            _HI,
            instructions="C",
        ),
        "earlier answers": _responses(
            _HI,
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "x", "annotations": []},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            _HI,
        ),
        "blank text": _responses({"role": "user", "content": [{"type": "input_text", "text": " "}]}, _HI),
        "a file": _responses(
            {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": _PDF}]}
        ),
        "a lone surrogate": _responses(_HI, _function_call("a"), _output("a", "x\ud83dy")),
    },
}
