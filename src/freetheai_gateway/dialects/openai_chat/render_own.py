"""Turns that came in this dialect, written as they came."""

from freetheai_gateway.dialects.openai_chat.parse_messages import CALL_PREFIX
from freetheai_gateway.dialects.openai_chat.render_calls import own_call, own_content, own_result, sent_name
from freetheai_gateway.dialects.openai_chat.render_parts import Json, PartWriter, with_native
from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Role,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from freetheai_gateway.jsonc import Decoder, Fields, Raw

_decode_fields: Decoder[Fields] = Decoder(Fields)


def own_messages(turns: tuple[Turn, ...], writer: PartWriter) -> list[Json]:
    """Write all turns. Results go directly behind the calls that they answer, whatever stood between."""
    messages: list[Json] = []
    others: list[Json] = []
    for turn in turns:
        if turn.role is Role.ASSISTANT:
            messages += others
            others.clear()
            messages.append(_assistant(turn, writer))
            continue
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        messages += [own_result(result, writer) for result in results]
        rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        if rest or not results:
            others.append(_message(turn, own_content(rest, writer)))
    return messages + others


def _message(turn: Turn, content: object) -> Json:
    message: Json = {"role": turn.role.value}
    if content is not None:
        message["content"] = content
    if turn.name is not None:
        message["name"] = turn.name
    return with_native(message, turn.native)


def _assistant(turn: Turn, writer: PartWriter) -> Json:
    content: list[Part] = []
    calls: list[Json | Raw] = []
    more: Json = {}
    for part in turn.parts:
        match part:
            case Thinking() | RedactedThinking():
                pass  # its fields are among the native ones of the message
            case Refusal(text=text, native=native) if "type" not in native:
                more["refusal"] = text
            case ToolCall(native=native) if "function_call" in native:
                more["function_call"] = _legacy(part)
            case ToolCall():
                calls.append(own_call(part))
            case Opaque(kind=kind, raw=raw) if kind.startswith(CALL_PREFIX):
                calls.append(raw)
            case _:
                content.append(part)
    if calls:
        more["tool_calls"] = calls
    return _message(turn, own_content(tuple(content), writer)) | more


def _legacy(call: ToolCall) -> Json:
    extra = dict(_decode_fields(call.native["function_call"]))
    return {**extra, "name": sent_name(call.name), "arguments": call.arguments}
