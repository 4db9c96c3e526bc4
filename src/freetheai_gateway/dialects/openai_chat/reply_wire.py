"""A chat reply or chunk as servers send it: only what is needed is typed, and that leniently."""

import msgspec

from freetheai_gateway.dialects.openai_chat.wire import ABSENT
from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, decode_any, decode_str, read_fields, write_fields


class MessageWire(msgspec.Struct, gc=False):
    """A message or a delta."""

    content: object = None
    refusal: object = None
    reasoning_content: object = None
    reasoning: object = None
    reasoning_details: Raw = ABSENT
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT


class ChoiceWire(msgspec.Struct, gc=False):
    """A choice; some servers send neither message nor delta."""

    index: object = 0
    message: MessageWire | None = None
    delta: MessageWire | None = None
    finish_reason: object = None
    usage: Raw = ABSENT


class ReplyWire(msgspec.Struct, gc=False, rename={"form": "object"}):
    """A whole reply or one chunk."""

    id: object = ""
    model: object = ""
    created: object = 0
    form: object = ""
    choices: list[ChoiceWire] | None = None
    usage: Raw = ABSENT
    error: Raw = ABSENT


class FunctionWire(msgspec.Struct, gc=False):
    """The function of a call, or what stands for it in a custom call (`input`)."""

    name: object = None
    arguments: Raw = ABSENT
    input: Raw = ABSENT


class CallWire(msgspec.Struct, gc=False):
    """One entry of `tool_calls`, whole or a piece."""

    index: object = None
    id: object = None
    type: object = None
    function: FunctionWire | None = None
    custom: FunctionWire | None = None
    extra_content: Raw = ABSENT


_decode_reply: Decoder[ReplyWire] = Decoder(ReplyWire)
_decode_calls: Decoder[list[CallWire]] = Decoder(list[CallWire])
_decode_function: Decoder[FunctionWire] = Decoder(FunctionWire)


def decode_reply(data: bytes) -> ReplyWire:
    """Decode; where half of a surrogate pair stands alone, U+FFFD takes its place. Raises `InvalidJSON`."""
    try:
        return _decode_reply(data)
    except InvalidJSON:
        if b"\\ud" not in data and b"\\uD" not in data:
            raise
        return _decode_reply(write_fields(read_fields(data)))


def decode_calls(value: Raw) -> list[CallWire]:
    """Decode `tool_calls`; null, absent and anything but a list of objects is none."""
    try:
        return _decode_calls(value) if bytes(value).startswith(b"[") else []
    except InvalidJSON:
        return []


def decode_function(value: Raw) -> FunctionWire | None:
    """Decode the legacy `function_call`."""
    try:
        return _decode_function(value) if bytes(value).startswith(b"{") else None
    except InvalidJSON:
        return None


def text_of(value: object) -> str:
    """Give a string; anything else is none."""
    return value if isinstance(value, str) else ""


def arguments_of(value: Raw) -> str:
    """Give arguments as their JSON text; some servers send the object itself."""
    data = bytes(value)
    if data.startswith((b"{", b"[")):
        return data.decode(errors="replace")
    if not data.startswith(b'"'):
        return ""
    try:
        return decode_str(value)
    except InvalidJSON:
        return _mended(data)


def _mended(data: bytes) -> str:
    try:
        return decode_str(read_fields(b'{"text":' + data.decode(errors="replace").encode() + b"}")["text"])
    except InvalidJSON:
        return ""


def read_usage(value: Raw) -> tuple[Usage, int] | None:
    """Read `usage` and the tokens written to a cache; `None` where there is none.

    Counts that contradict each other are cut, so that nothing computed from them is negative.
    """
    if not bytes(value).startswith(b"{"):
        return None
    try:
        usage = decode_any(value)
    except InvalidJSON:
        return None
    assert isinstance(usage, dict)
    prompt, completion = _inner(usage, "prompt_tokens_details"), _inner(usage, "completion_tokens_details")
    input_tokens, output_tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    cached = next(
        (
            _count(found)
            for found in (prompt.get("cached_tokens"), usage.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"))
            if found is not None
        ),
        0,
    )
    cached = min(cached, input_tokens)
    written = min(_count(prompt.get("cache_write_tokens")), input_tokens - cached)
    reasoning = min(_count(completion.get("reasoning_tokens")), output_tokens)
    return Usage(input_tokens, output_tokens, cached, reasoning), written


def _inner(usage: dict[str, object], name: str) -> dict[str, object]:
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    """Read a count; servers in JavaScript send floats."""
    return token_count(int(value)) if isinstance(value, int | float) else 0
