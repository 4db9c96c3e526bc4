"""Parts of messages and of tool results.

`input_text`, `input_image`, `input_file`, `input_audio`, `output_text`, `refusal`. Source: OpenAI API reference,
"Responses", input and output content.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from freetheai_gateway.dialects.openai_responses.fields import native_of, read_entry, take_object, take_str
from freetheai_gateway.dialects.openai_responses.marks import CONTENT
from freetheai_gateway.dialects.openai_responses.reasoning import OWN
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    CacheMark,
    File,
    FileIdSource,
    Image,
    Opaque,
    Part,
    Refusal,
    Role,
    Source,
    Text,
    UrlSource,
)
from freetheai_gateway.jsonc import Fields, InvalidJSON, Raw, decode_str, encode_raw

ContentPart = Text | Image | File | Audio | Refusal | Opaque

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL | re.IGNORECASE)
_BREAKPOINT = "prompt_cache_breakpoint"
_TEXT_TYPES = frozenset({"input_text", "output_text", "text"})


def text_type(role: Role) -> str:
    """Name the type that text has in a message of this role."""
    return "output_text" if role is Role.ASSISTANT else "input_text"


def read_content(entries: Iterable[Raw], role: Role) -> list[ContentPart]:
    """Read the parts of a message's content or of a tool's output."""
    return [_read_part(entry, role) for entry in entries]


def _read_part(entry: Raw, role: Role) -> ContentPart:
    if bytes(entry).startswith(b'"'):
        return _read_bare_text(entry)
    fields = read_entry(entry)
    kind = take_str(fields, "type") if fields is not None else None
    if fields is not None and kind is not None:
        part = _read_known(kind, fields, role)
        if part is not None:
            return part
    return Opaque(OWN, CONTENT + (kind or "unknown"), entry)


def _read_bare_text(entry: Raw) -> ContentPart:
    try:
        return Text(decode_str(entry))
    except InvalidJSON:
        return Opaque(OWN, CONTENT + "unknown", entry)


def _read_known(kind: str, fields: Fields, role: Role) -> ContentPart | None:
    if kind in _TEXT_TYPES:
        return _read_text(kind, fields, role)
    reader = _READERS.get(kind)
    return reader(fields) if reader is not None else None


def _read_text(kind: str, fields: Fields, role: Role) -> Text | None:
    text = take_str(fields, "text")
    if text is None:
        return None
    cache = _take_cache_mark(fields)
    native = native_of(fields)
    if kind != text_type(role):
        native["type"] = encode_raw(kind)
    return Text(text, cache, native=native)


def _read_image(fields: Fields) -> Image | None:
    url, file_id = take_str(fields, "image_url"), None
    if url is None:
        file_id = take_str(fields, "file_id")
    if url is None and file_id is None:
        return None
    source = _source_of_url(url) if url is not None else FileIdSource(file_id or "")
    detail, cache = take_str(fields, "detail"), _take_cache_mark(fields)
    return Image(source, detail, cache, native_of(fields))


def _read_file(fields: Fields) -> File | None:
    source = _take_file_source(fields)
    if source is None:
        return None
    filename, cache = take_str(fields, "filename"), _take_cache_mark(fields)
    return File(source, filename, cache, native_of(fields))


def _take_file_source(fields: Fields) -> Source | None:
    data = take_str(fields, "file_data")
    if data is not None:
        source = _source_of_url(data)
        return source if isinstance(source, Base64Source) else Base64Source("", data)
    url = take_str(fields, "file_url")
    if url is not None:
        return UrlSource(url)
    file_id = take_str(fields, "file_id")
    return FileIdSource(file_id) if file_id is not None else None


def _read_audio(fields: Fields) -> Audio | None:
    audio = take_object(fields, "input_audio")
    if audio is None:
        return None
    data, form = take_str(audio, "data"), take_str(audio, "format")
    if data is None or form is None:
        return None
    return Audio(data, form, native_of(fields))


def _read_refusal(fields: Fields) -> Refusal | None:
    text = take_str(fields, "refusal")
    return Refusal(text, native_of(fields)) if text is not None else None


_READERS: Mapping[str, Callable[[Fields], ContentPart | None]] = {
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
    "refusal": _read_refusal,
}


def _source_of_url(url: str) -> Base64Source | UrlSource:
    match = _DATA_URL.fullmatch(url)
    return Base64Source(match.group(1), match.group(2)) if match else UrlSource(url)


def _take_cache_mark(fields: Fields) -> CacheMark | None:
    value = fields.get(_BREAKPOINT)
    mark = read_entry(value) if value is not None else None
    if mark is None or take_str(mark, "mode") != "explicit":
        return None
    ttl = take_str(mark, "ttl")
    if mark:
        return None
    del fields[_BREAKPOINT]
    return CacheMark(ttl or "")


# --- writing --------------------------------------------------------------------------------------------------


def write_part(part: Part, role: Role, *, with_cache: bool) -> dict[str, object] | Raw | None:
    """Write one part; `None` for what is no part of a message's content. `with_cache`: breakpoints may be sent."""
    match part:
        case Text(text=text, cache=cache, native=native):
            written: dict[str, object] = {"type": text_type(role), "text": text, **native_of(native)}
        case Refusal(text=text, native=native):
            return {"type": "refusal", "refusal": text, **native_of(native)}
        case Image(cache=cache):
            written = _write_image(part)
        case File(cache=cache):
            written = _write_file(part)
        case Audio(data=data, format=form, native=native):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}, **native_of(native)}
        case Opaque(raw=raw):
            return raw
        case _:
            return None
    if cache is not None and with_cache:
        written[_BREAKPOINT] = {"mode": "explicit"} | ({"ttl": cache.ttl} if cache.ttl else {})
    return written


def _write_image(image: Image) -> dict[str, object]:
    written: dict[str, object] = {"type": "input_image", **native_of(image.native)}
    if isinstance(image.source, FileIdSource):
        written["file_id"] = image.source.file_id
    else:
        written["image_url"] = _url_of(image.source)
    if image.detail is not None:
        written["detail"] = image.detail
    return written


def _write_file(file: File) -> dict[str, object]:
    written: dict[str, object] = {"type": "input_file", **native_of(file.native)}
    match file.source:
        case FileIdSource(file_id=file_id):
            written["file_id"] = file_id
        case UrlSource(url=url):
            written["file_url"] = url
        case source:
            written["file_data"] = _url_of(source)
    if file.filename is not None:
        written["filename"] = file.filename
    return written


def _url_of(source: Source) -> str:
    match source:
        case Base64Source(media_type="", data=data):
            return data
        case Base64Source(media_type=media_type, data=data):
            return f"data:{media_type};base64,{data}"
        case UrlSource(url=url):
            return url
        case _:
            return ""
