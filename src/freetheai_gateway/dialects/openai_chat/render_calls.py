"""Tool calls and their results as chat messages."""

from hashlib import sha256

from freetheai_gateway.dialects.custom_tools import as_arguments
from freetheai_gateway.dialects.openai_chat.reasoning import write_thought
from freetheai_gateway.dialects.openai_chat.render_parts import Json, PartWriter
from freetheai_gateway.dialects.tool_names import MAX_NAME_LENGTH, flat_name, safe
from freetheai_gateway.domain.conversation import Audio, File, Image, Part, Text, ToolCall, ToolKind, ToolResult
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, encode

MAX_CALL_ID_LENGTH = 40
ERROR_MARK = "ERROR: "
NO_OUTPUT = "(no output)"

_decode_object: Decoder[Fields] = Decoder(Fields)


def sent_name(name: str, namespace: str = "") -> str:
    """Give the name that the upstream is to know a tool by."""
    return safe(flat_name(name, namespace), MAX_NAME_LENGTH)


def sent_id(call_id: str, length: int = 0) -> str:
    """Give the id that the upstream is to know a call of another dialect by; `length` as in `domain.pools.Quirks`."""
    if not length:
        return safe(call_id, MAX_CALL_ID_LENGTH)
    if len(call_id) == length and call_id.isascii() and call_id.isalnum():
        return call_id
    return sha256(call_id.encode(errors="replace")).hexdigest()[:length]


def own_call(call: ToolCall) -> Json:
    """Write a call that came in this dialect."""
    body = "input" if call.kind is ToolKind.CUSTOM else "arguments"
    kind = call.kind.value
    inner: Json = {"name": sent_name(call.name), body: call.arguments}
    native: Json = dict(call.native)
    if native.pop(kind, None) is not None:
        inner = {**_decode_object(call.native[kind]), **inner}
    return {"id": call.id, "type": kind, kind: inner, **native}


def foreign_call(call: ToolCall, writer: PartWriter, *, signed: bool) -> Json:
    """Write a call that came in another dialect: every tool is a function of JSON arguments here."""
    arguments = as_arguments(call.arguments) if call.kind is ToolKind.CUSTOM else json_arguments(call.arguments)
    function = {"name": sent_name(call.name, call.namespace), "arguments": arguments}
    written: Json = {"id": sent_id(call.id, writer.tool_id_length), "type": "function", "function": function}
    if signed and call.signature is not None:
        written["extra_content"] = write_thought(call.signature)
    return written


def json_arguments(arguments: str) -> str:
    """Give arguments that every server can parse: what is no JSON object is wrapped in one, nothing is `{}`."""
    if not arguments.strip():
        return "{}"
    try:
        _decode_object(arguments)
    except InvalidJSON:
        return encode({"_raw": arguments}).decode()
    return arguments


def own_result(result: ToolResult, writer: PartWriter) -> Json:
    """Write a result that came in this dialect; of a legacy `function` message, the same again."""
    message: Json = {"role": "tool", "tool_call_id": result.call_id}
    native = dict(result.native)
    if "role" in native:
        message = {"role": native.pop("role")}
    content = own_content(result.parts, writer)
    if content is not None:
        message["content"] = content
    return {**native, **message}


def own_content(parts: tuple[Part, ...], writer: PartWriter) -> str | list[Json] | None:
    """Write content as it came: a bare string, a list, or nothing (then it is null or absent)."""
    if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].as_plain:
        return parts[0].text
    return [written for part in parts if (written := writer.part(part)) is not None] or None


def foreign_result(result: ToolResult, writer: PartWriter, attached: list[Json]) -> Json:
    """Write a result of another dialect as text; its pictures and files are put to `attached`, to be sent after it."""
    writer.note_cache(result.cache)
    lines = []
    for part in result.parts:
        if isinstance(part, Text):
            writer.note_cache(part.cache)
            lines.append(part.text)
        elif (written := writer.part(part)) is None:
            continue
        elif written["type"] == "text":
            lines.append(str(written["text"]))
        else:
            attached.append(written)
            lines.append(f"[{_noun(part)} {len(attached)} attached below]")
    text = "\n".join(line for line in lines if line.strip()) or NO_OUTPUT
    return tool_message(result.call_id, ERROR_MARK + text if result.is_error else text, writer)


def tool_message(call_id: str, text: str, writer: PartWriter) -> Json:
    """Write a tool message."""
    return {"role": "tool", "tool_call_id": sent_id(call_id, writer.tool_id_length), "content": text}


def _noun(part: Part) -> str:
    match part:
        case Image():
            return "image"
        case File():
            return "file"
        case Audio():
            return "audio"
        case _:
            return "part"
