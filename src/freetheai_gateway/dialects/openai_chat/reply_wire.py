"""A chat reply or chunk as servers send it: only what is needed is typed, and that leniently."""

import msgspec

from freetheai_gateway.dialects.openai_chat.wire import ABSENT
from freetheai_gateway.jsonc import InvalidJSON, Raw, ReplyDecoder, decode_str, read_fields


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
    error: Raw = ABSENT


class ReplyWire(msgspec.Struct, gc=False, rename={"form": "object"}):
    """A whole reply or one chunk."""

    id: object = ""
    model: object = ""
    created: object = 0
    form: object = ""
    choices: list[ChoiceWire] | None = None
    usage: Raw = ABSENT
    x_groq: Raw = ABSENT
    base_resp: Raw = ABSENT
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


decode_reply: ReplyDecoder[ReplyWire] = ReplyDecoder(ReplyWire)
_decode_calls: ReplyDecoder[list[CallWire]] = ReplyDecoder(list[CallWire])
_decode_function: ReplyDecoder[FunctionWire] = ReplyDecoder(FunctionWire)


def decode_calls(value: Raw) -> list[CallWire]:
    """Decode `tool_calls`; null, absent and anything but objects is none. TGI streams one object and no list."""
    data = bytes(value)
    try:
        if data.startswith(b"{"):
            return _decode_calls(b"[" + data + b"]")
        return _decode_calls(value) if data.startswith(b"[") else []
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
