"""The content of a client's message: a string, or a list of parts."""

from collections.abc import Callable

from freetheai_gateway.dialects.openai_chat.fields import FieldReader, wrong_type
from freetheai_gateway.dialects.openai_chat.reasoning import OWN
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
    Source,
    Text,
    UrlSource,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, decode_str

_DATA = "data:"
_BASE64 = ";base64"
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
"""The two others are how the Responses API calls text; clients mix them up."""

_decode_cache: Decoder[dict[str, object]] = Decoder(dict[str, object])


def parse_content(message: FieldReader) -> tuple[Part, ...]:
    """Take `content`: a bare string is marked as such; absent and null are no parts."""
    if message.kind("content") == '"':
        return (Text(message.text("content") or "", as_plain=True),)
    path = message.path_of("content")
    if message.kind("content") not in {"", "["}:
        raise wrong_type(path, "a string or an array of parts", message.raw("content") or Raw())
    return tuple(_part(item, f"{path}[{place}]") for place, item in enumerate(message.items("content") or ()))


def _part(item: Raw, path: str) -> Part:
    if bytes(item).startswith(b'"'):
        return Text(_bare_text(item, path))
    part = FieldReader.of(item, path)
    kind = part.text("type") or ("text" if part.kind("text") else "")
    if kind in _TEXT_TYPES:
        return _text(part, kind)
    read = _READERS.get(kind)
    return Opaque(OWN, kind, item) if read is None else read(part)


def _bare_text(item: Raw, path: str) -> str:
    try:
        return decode_str(item)
    except InvalidJSON:
        raise wrong_type(path, "a part", item) from None


def _text(part: FieldReader, kind: str) -> Text:
    text = part.text("text")
    part.require("text", text)
    native = part.rest()
    if kind != "text":
        native = {**native, "type": Raw(f'"{kind}"'.encode())}
    return Text(text or "", cache=cache_mark(native), native=native)


def _image(part: FieldReader) -> Image:
    path = part.path_of("image_url")
    if part.kind("image_url") == '"':
        url, detail = part.text("image_url"), None
    else:
        image = part.object("image_url")
        part.require("image_url", image)
        assert image is not None
        url, detail = image.text("url"), image.text("detail")
        image.require("url", url)
        path = image.path_of("url")
    native = part.rest()
    return Image(_image_source(url or "", path), detail, cache=cache_mark(native), native=native)


def _image_source(url: str, path: str) -> Source:
    if url[: len(_DATA)].lower() != _DATA:
        return UrlSource(url)
    source = _data_url(url)
    if source is None:
        raise InvalidRequest(f"{path}: a data: URL must hold base64.", param=path)
    return source


def _data_url(url: str) -> Base64Source | None:
    """Split `data:image/png;base64,…`; further parameters stay with the media type, so that nothing is lost."""
    head, comma, data = url.partition(",")
    if not comma or head[: len(_DATA)].lower() != _DATA or head[-len(_BASE64) :].lower() != _BASE64:
        return None
    return Base64Source(head[len(_DATA) : -len(_BASE64)], data)


def _audio(part: FieldReader) -> Audio:
    audio = part.object("input_audio")
    part.require("input_audio", audio)
    assert audio is not None
    data, form = audio.text("data"), audio.text("format")
    audio.require("data", data)
    return Audio(data or "", form or "", native=part.rest())


def _file(part: FieldReader) -> File:
    file = part.object("file")
    part.require("file", file)
    assert file is not None
    data, file_id, filename = file.text("file_data"), file.text("file_id"), file.text("filename")
    source: Source
    if data is not None:
        source = _data_url(data) or Base64Source("", data)
    elif file_id is not None:
        source = FileIdSource(file_id)
    else:
        path = file.path
        raise InvalidRequest(f"{path} needs file_data or file_id.", code="missing_required_parameter", param=path)
    native = part.rest()
    return File(source, filename, cache=cache_mark(native), native=native)


def cache_mark(native: dict[str, Raw]) -> CacheMark | None:
    """Read either spelling of a cache breakpoint; the fields themselves stay native for an upstream of this dialect."""
    if "prompt_cache_breakpoint" in native:
        return CacheMark()
    control = native.get("cache_control")
    if control is None:
        return None
    try:
        ttl = _decode_cache(control).get("ttl")
    except InvalidJSON:
        return None
    return CacheMark(ttl if isinstance(ttl, str) else "")


def _refusal(part: FieldReader) -> Refusal:
    refusal = part.text("refusal") or ""
    return Refusal(refusal, native={**part.rest(), "type": Raw(b'"refusal"')})


_READERS: dict[str, Callable[[FieldReader], Part]] = {
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "refusal": _refusal,
}
