"""Content blocks of a client's request, read into neutral parts. Source: Anthropic API reference, "Messages".

What a block has beyond the neutral meaning stays in the part's `native`, so that it can be written again as it came.
A block that only Anthropic runs or knows is kept whole (`Opaque`). One that others can be told in neutral words, though
not exactly, is told so and kept whole beside it, under `WHOLE`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from freetheai_gateway.dialects import signatures
from freetheai_gateway.dialects.anthropic_messages.json_values import (
    is_absent,
    list_at,
    object_at,
    pop_str,
    required_str,
    str_at,
)
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.domain.conversation import (
    Base64Source,
    CacheMark,
    File,
    FileIdSource,
    Image,
    Opaque,
    Part,
    RedactedThinking,
    Source,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    UrlSource,
)
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw, decode_str

WHOLE = "*"
"""In `native`: the whole block as it came; for its own dialect it stands in the place of everything else."""


class _CacheControl(msgspec.Struct, forbid_unknown_fields=True, tag="ephemeral"):
    ttl: str = ""


_cache_control: Decoder[_CacheControl] = Decoder(_CacheControl)


def read_content(value: Raw, where: str) -> tuple[Part, ...]:
    """Read a message's content: a string, or a list of blocks. Raises `InvalidRequest`."""
    if bytes(value).startswith(b'"'):
        return (Text(str_at(value, where), as_plain=True),)
    blocks = list_at(value, where)
    return _with_call_signatures([read_block(block, f"{where}[{index}]") for index, block in enumerate(blocks)])


def read_cache(fields: Fields) -> CacheMark | None:
    """Take `cache_control` out of the fields; one of an unknown form stays where it is."""
    value = fields.get("cache_control")
    if value is None:
        return None
    try:
        found = _cache_control(value)
    except InvalidJSON:
        return None
    del fields["cache_control"]
    return CacheMark(found.ttl)


def read_block(raw: Raw, where: str, readers: Mapping[str, "_Reader"] | None = None) -> Part:
    """Read one block; `readers` names the types that are understood at this place."""
    fields = object_at(raw, where)
    kind = required_str(fields, "type", where)
    reader = (_READERS if readers is None else readers).get(kind)
    part = reader(fields, where, raw) if reader is not None else None
    return part if part is not None else Opaque(MESSAGES, kind, raw)


def _with_call_signatures(parts: list[Part]) -> tuple[Part, ...]:
    """Give tool calls the signatures that stood in an empty thinking block before them (`signatures.TOOL_CALL`)."""
    out: list[Part] = []
    waiting: str | None = None
    for part in parts:
        if isinstance(part, Thinking) and part.vendor == signatures.TOOL_CALL:
            waiting = part.signature
            continue
        if isinstance(part, ToolCall) and waiting is not None:
            out.append(replace(part, signature=waiting))
            waiting = None
        else:
            out.append(part)
    return tuple(out)


# --- one reader per type; `None` = of a form that only this dialect understands -------------------------------

_Reader = Callable[[Fields, str, Raw], Part | None]


def _text(fields: Fields, where: str, _raw: Raw) -> Part:
    return Text(required_str(fields, "text", where), read_cache(fields), native=fields)


def _image(fields: Fields, where: str, _raw: Raw) -> Part | None:
    source = _source(fields, where)
    return None if source is None else Image(source, cache=read_cache(fields), native=fields)


def _document(fields: Fields, where: str, raw: Raw) -> Part | None:
    source = _source(dict(fields), where)
    if source is None:
        return _document_of_blocks(fields, raw)
    del fields["source"]
    return File(source, pop_str(fields, "title"), read_cache(fields), fields)


def _document_of_blocks(fields: Fields, raw: Raw) -> Part | None:
    source = object_at(fields["source"], "source")
    content = source.get("content")
    text = None if content is None else _text_of(content)
    return None if text is None else File(TextSource(text), pop_str(fields, "title"), native={WHOLE: raw})


def _search_result(fields: Fields, where: str, raw: Raw) -> Part | None:
    del where
    content = fields.get("content")
    text = None if content is None else _text_of(content)
    return None if text is None else File(TextSource(text), pop_str(fields, "title"), native={WHOLE: raw})


def _mid_conversation_system(fields: Fields, where: str, raw: Raw) -> Part | None:
    del where
    content = fields.get("content")
    text = None if content is None else _text_of(content)
    return None if text is None else Text(text, native={WHOLE: raw})


def _tool_reference(fields: Fields, where: str, raw: Raw) -> Part:
    return Text(f"The tool {required_str(fields, 'tool_name', where)} is available.", native={WHOLE: raw})


def _thinking(fields: Fields, where: str, _raw: Raw) -> Part:
    text = required_str(fields, "thinking", where)
    signature = pop_str(fields, "signature") or ""
    vendor, payload = _origin(signature)
    return Thinking(text, payload or None, vendor, native=fields)


def _redacted_thinking(fields: Fields, where: str, _raw: Raw) -> Part:
    vendor, data = _origin(required_str(fields, "data", where))
    return RedactedThinking(data, vendor, fields)


def _origin(signature: str) -> tuple[str, str]:
    """Tell whose signature it is; one that is empty is nobody's."""
    return signatures.read(signature) or (MESSAGES if signature else "", signature)


def _tool_use(fields: Fields, where: str, _raw: Raw) -> Part:
    arguments = fields.pop("input", None)
    return ToolCall(
        id=required_str(fields, "id", where),
        name=required_str(fields, "name", where),
        arguments="{}" if arguments is None else bytes(arguments).decode(),
        cache=read_cache(fields),
        native=fields,
    )


def _tool_result(fields: Fields, where: str, _raw: Raw) -> Part:
    call_id = required_str(fields, "tool_use_id", where)
    is_error = bytes(fields.get("is_error", Raw(b""))) == b"true"
    if is_error:
        del fields["is_error"]
    parts: tuple[Part, ...] = ()
    content = fields.get("content")
    if content is not None and not is_absent(content):
        parts = _result_content(content, f"{where}.content")
        if parts:
            del fields["content"]
    return ToolResult(call_id, parts, is_error, cache=read_cache(fields), native=fields)


def _result_content(content: Raw, where: str) -> tuple[Part, ...]:
    if bytes(content).startswith(b'"'):
        return (Text(str_at(content, where), as_plain=True),)
    blocks = list_at(content, where)
    return tuple(read_block(block, f"{where}[{index}]", _IN_RESULTS) for index, block in enumerate(blocks))


_IN_RESULTS: Mapping[str, _Reader] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}

_READERS: Mapping[str, _Reader] = {
    **_IN_RESULTS,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "mid_conv_system": _mid_conversation_system,
}


# --- sources --------------------------------------------------------------------------------------------------


def _source(fields: Fields, where: str) -> Source | None:
    """Take `source` out of the fields where it is of a known form; `None`, and left there, where it is not."""
    place = f"{where}.source"
    value = fields.get("source", Raw(b"null"))
    source = object_at(value, place)
    kind = required_str(source, "type", place)
    found: Source | None = None
    match kind:
        case "base64":
            media_type = required_str(source, "media_type", place)
            found = Base64Source(media_type, required_str(source, "data", place))
        case "url":
            found = UrlSource(required_str(source, "url", place))
        case "file":
            found = FileIdSource(required_str(source, "file_id", place))
        case "text":
            text = required_str(source, "data", place)
            found = TextSource(text, pop_str(source, "media_type") or "text/plain")
    if found is None or source:
        return None
    del fields["source"]
    return found


def _text_of(content: Raw) -> str | None:
    """Read a string or a list of text blocks as one text; `None` where anything else is among them."""
    if bytes(content).startswith(b'"'):
        return decode_str(content)
    texts = []
    for index, block in enumerate(list_at(content, "content")):
        part = read_block(block, f"content[{index}]", {"text": _text})
        if not isinstance(part, Text):
            return None
        texts.append(part.text)
    return "\n".join(texts)
