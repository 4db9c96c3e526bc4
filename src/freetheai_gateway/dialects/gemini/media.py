"""Pictures, documents and recordings as parts. Source: Gemini API reference, "Part", and "Files"."""

import re

from freetheai_gateway.dialects.image_header import read_image_header
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    File,
    FileIdSource,
    Image,
    Source,
    TextSource,
    UrlSource,
)
from freetheai_gateway.errors import InvalidRequest

Part = dict[str, object]

_GOOGLE_FILES = ("https://generativelanguage.googleapis.com/", "gs://")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_AUDIO_TYPES = {"pcm16": "audio/pcm", "m4a": "audio/mp4"}
_FILE_TYPES = {
    "csv": "text/csv",
    "gif": "image/gif",
    "heic": "image/heic",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "md": "text/markdown",
    "mp3": "audio/mp3",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webp": "image/webp",
}


def media_part(part: Image | File | Audio) -> Part:
    """Write one attachment; raises `InvalidRequest` for what the model could not get to see."""
    match part:
        case Audio(data=data, format=form):
            return _inline(_AUDIO_TYPES.get(form, f"audio/{form}"), data)
        case Image(source=source):
            return _from_source(source, "")
        case File(source=source, filename=filename):
            return _from_source(source, filename or "")


def _from_source(source: Source, filename: str) -> Part:
    match source:
        case Base64Source(media_type=media_type, data=data):
            return _inline(_media_type(media_type, data, filename), data)
        case UrlSource(url=url):
            return _from_url(url, filename)
        case TextSource(text=text):
            return {"text": f"{filename}:\n{text}" if filename else text}
        case FileIdSource():
            raise _refused("A file id of another vendor can't be used; send the content itself.")


def _from_url(url: str, filename: str) -> Part:
    if url.startswith(_GOOGLE_FILES):
        media_type = _type_by_name(url) or _type_by_name(filename)
        return {"fileData": {**({"mimeType": media_type} if media_type else {}), "fileUri": url}}
    found = _DATA_URL.match(url)
    if found is None:
        raise _refused("This model fetches no addresses; send the picture or file as a data URL in base64.")
    data = url[found.end() :]
    return _inline(_media_type(found[1] or "", data, filename), data)


def _media_type(given: str, data: str, filename: str) -> str:
    """Tell the type, which must be right: of a picture its first bytes say it, whatever the caller says."""
    header = read_image_header(data) if not given or given.startswith("image/") else None
    media_type = header.media_type if header is not None else given or _type_by_name(filename)
    if not media_type:
        raise _refused("The media type of a file is missing; send it as a data URL, or with a file name.")
    return media_type


def _type_by_name(name: str) -> str:
    return _FILE_TYPES.get(name.rpartition(".")[2].lower(), "")


def _inline(media_type: str, data: str) -> Part:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", param="messages")
