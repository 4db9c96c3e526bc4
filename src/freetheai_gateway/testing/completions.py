"""Chat Completions as its vendor documents it: reading a request, and rendering what a model would answer.

The answer is made up by fixed rules, so that a test can know it: the text of the options, one call of every
offered tool, an example of the asked JSON schema, or the last thing that the user said.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from freetheai_gateway import jsonc

CREATED = 1_795_397_400
DEFAULT_TEXT = "Hello from the scripted upstream."
_WORD = re.compile(r"\S+\s*|\s+")


class StreamOptions(msgspec.Struct):
    """`stream_options` of a request."""

    include_usage: bool = False


class Ask(msgspec.Struct):
    """The fields of a request that change the answer; the types are checked as strictly as the vendor does."""

    model: str
    messages: list[dict[str, object]]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: object = None
    response_format: dict[str, object] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream must end in a usage chunk."""
        return self.stream_options is not None and self.stream_options.include_usage


class Voice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said and how its JSON looks; every field can be set in a model's name."""

    text: str = DEFAULT_TEXT
    chunks: int = 0
    """Content chunks `tok0 tok1 …` instead of the text."""
    echo: bool = False
    reasoning: str = ""
    call_tools: bool = False
    finish: str = ""
    """Another finish reason; `null` = none at all."""
    usage: Literal["asked", "always", "none", "every", "last", "wrong"] = "asked"
    """When a stream brings usage: as asked, unasked too, never, on every chunk, on the last choice chunk, absurd."""
    cached_tokens: int = 0
    model_as: str = ""
    """The name in the reply, where it differs from the one asked for."""
    spaced_model: bool = False
    """Write `"model" : "x"`, as some servers do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, in the pieces that a stream sends."""

    reasoning: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    """Names and arguments of tool calls."""
    finish_reason: str | None = "stop"

    @property
    def tokens(self) -> int:
        """Pieces are tokens here; a tool call counts as one per eight characters."""
        return len(self.reasoning) + len(self.pieces) + sum(1 + len(name + given) // 8 for name, given in self.calls)


def read_ask(body: bytes) -> Ask:
    """Read a request; raises `jsonc.InvalidJSON` in the words that the client is shown."""
    ask = jsonc.Decoder(Ask)(body)
    if ask.stream_options is not None and not ask.stream:
        raise jsonc.InvalidJSON("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    if not ask.messages:
        raise jsonc.InvalidJSON("[] is too short - 'messages'")
    return ask


def compose(ask: Ask, voice: Voice) -> Answer:
    """Decide what the model says."""
    reasoning = tuple(_WORD.findall(voice.reasoning))
    names = _tools_to_call(ask, voice)
    if names:
        calls = tuple(
            (name, jsonc.encode({"city": "Oslo", "number": index}).decode()) for index, name in enumerate(names)
        )
        return Answer(reasoning=reasoning, calls=calls, finish_reason=_finish(voice, "tool_calls"))
    pieces = tuple(_WORD.findall(_text(ask, voice)))
    if voice.chunks:
        pieces = tuple(f"tok{index} " for index in range(voice.chunks))
    cap = ask.max_completion_tokens or ask.max_tokens
    if cap is not None and cap < len(pieces):
        return Answer(reasoning=reasoning, pieces=pieces[:cap], finish_reason=_finish(voice, "length"))
    return Answer(reasoning=reasoning, pieces=pieces, finish_reason=_finish(voice, "stop"))


def completion(ask: Ask, voice: Voice) -> bytes:
    """Render a whole reply."""
    answer = compose(ask, voice)
    message: dict[str, object] = {"role": "assistant", "content": "".join(answer.pieces) or None, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = [_call(index, *call) for index, call in enumerate(answer.calls)]
    choices: list[dict[str, object]] = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        for index in range(ask.n or 1)
    ]
    reply = _frame(ask, voice, "chat.completion", choices)
    if voice.usage != "none":
        reply["usage"] = usage(ask, voice, answer)
    return _encode(reply, voice)


def chunks(ask: Ask, voice: Voice) -> list[bytes]:
    """Render the chunks of a stream in order, without framing and without `[DONE]`."""
    answer = compose(ask, voice)
    count = ask.n or 1
    used = usage(ask, voice, answer)
    rendered: list[dict[str, object]] = []
    for delta in _deltas(answer):
        for index in range(count):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            rendered.append(_frame(ask, voice, "chat.completion.chunk", [choice]))
    if answer.finish_reason is not None:
        for index in range(count):
            choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}
            rendered.append(_frame(ask, voice, "chat.completion.chunk", [choice]))
    return [_encode(chunk, voice) for chunk in _with_usage(rendered, ask, voice, used)]


def usage(ask: Ask, voice: Voice, answer: Answer) -> dict[str, object]:
    """Count tokens: words of the conversation in, pieces of the answer out."""
    if voice.usage == "wrong":
        return {"prompt_tokens": -5, "completion_tokens": 10**18, "total_tokens": 0}
    count = ask.n or 1
    prompt = sum(3 + len(_WORD.findall(said(message))) for message in ask.messages)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer.tokens * count,
        "total_tokens": prompt + answer.tokens * count,
        "prompt_tokens_details": {"cached_tokens": voice.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(answer.reasoning) * count, "audio_tokens": 0},
    }


def error_body(
    message: str, *, type_: str = "invalid_request_error", code: object = None, param: object = None
) -> bytes:
    """Render the vendor's error envelope."""
    return jsonc.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


def said(message: Mapping[str, object]) -> str:
    """Join the text of one message."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)


def _finish(voice: Voice, natural: str) -> str | None:
    return None if voice.finish == "null" else voice.finish or natural


def _text(ask: Ask, voice: Voice) -> str:
    kind = (ask.response_format or {}).get("type")
    if kind == "json_schema":
        spec = (ask.response_format or {}).get("json_schema")
        schema = spec.get("schema") if isinstance(spec, dict) else None
        return jsonc.encode(_example(schema, schema)).decode()
    if kind == "json_object":
        return jsonc.encode({"answer": voice.text}).decode()
    return said(ask.messages[-1]) if voice.echo else voice.text


def _tools_to_call(ask: Ask, voice: Voice) -> list[str]:
    """Name the tools to call: all that are offered, or the one that was asked for; none after their results."""
    if not ask.tools or ask.messages[-1].get("role") == "tool" or ask.tool_choice == "none":
        return []
    if isinstance(ask.tool_choice, dict):
        return [_function_name(ask.tool_choice)]
    if voice.call_tools or ask.tool_choice == "required":
        return [_function_name(tool) for tool in ask.tools]
    return []


def _function_name(tool: Mapping[str, object]) -> str:
    function = tool.get("function")
    return str(function.get("name")) if isinstance(function, dict) else ""


def _example(schema: object, root: object) -> object:
    """Make a value that fits a JSON schema of the subset that structured outputs allow."""
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        target = root
        for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            target = target.get(part) if isinstance(target, dict) and part else target
        return _example(target, root)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], root)
    if "enum" in schema:
        return schema["enum"][0]
    examples: dict[object, object] = {
        "object": {name: _example(inner, root) for name, inner in schema.get("properties", {}).items()},
        "array": [_example(schema.get("items"), root)],
        "string": "text",
        "integer": 1,
        "number": 1.5,
        "boolean": True,
    }
    return examples.get(schema.get("type"))


def _deltas(answer: Answer) -> Iterator[dict[str, object]]:
    yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
    for thought in answer.reasoning:
        yield {"reasoning_content": thought}
    for piece in answer.pieces:
        yield {"content": piece}
    for index, (name, given) in enumerate(answer.calls):
        yield {"tool_calls": [{"index": index, **_call(index, name, "")}]}
        middle = len(given) // 2
        for part in (given[:middle], given[middle:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _call(index: int, name: str, given: str) -> dict[str, object]:
    return {"id": f"call_{index:04d}", "type": "function", "function": {"name": name, "arguments": given}}


def _with_usage(
    rendered: list[dict[str, object]], ask: Ask, voice: Voice, used: dict[str, object]
) -> Iterable[dict[str, object]]:
    if voice.usage == "every":
        for chunk in rendered:
            chunk["usage"] = used
    elif voice.usage == "last":
        rendered[-1]["usage"] = used
    elif voice.usage in {"always", "wrong"} or (voice.usage == "asked" and ask.wants_usage):
        for chunk in rendered:
            chunk["usage"] = None
        last = _frame(ask, voice, "chat.completion.chunk", [])
        last["usage"] = used
        rendered.append(last)
    return rendered


def _frame(ask: Ask, voice: Voice, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
    return {
        "id": "chatcmpl-scripted",
        "object": kind,
        "created": CREATED,
        "model": voice.model_as or ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
        "choices": choices,
    }


def _encode(value: dict[str, object], voice: Voice) -> bytes:
    encoded = jsonc.encode(value)
    return encoded.replace(b'"model":', b'"model" : ', 1) if voice.spaced_model else encoded
