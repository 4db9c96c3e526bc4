"""Parts of a conversation as content parts of a chat message."""

from collections.abc import Mapping

from freetheai_gateway.dialects.image_header import read_image_header
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    CacheMark,
    File,
    FileIdSource,
    Image,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    TextSource,
    UrlSource,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, Fields

Json = dict[str, object]

_decode_fields: Decoder[Fields] = Decoder(Fields)

_FILE_NAMES = {"application/pdf": "document.pdf", "text/plain": "document.txt"}
_FILE_ID_DIALECTS = frozenset({DialectName.OPENAI_CHAT.value, DialectName.OPENAI_RESPONSES.value})


class PartWriter:
    """Writes content parts and notes what can't be said.

    `own`: the conversation came in this dialect. `tool_id_length`: as in `domain.pools.Quirks`.
    """

    def __init__(self, dialect: str, tool_id_length: int = 0) -> None:
        self.own = dialect == DialectName.OPENAI_CHAT
        self.tool_id_length = tool_id_length
        self._knows_file_ids = dialect in _FILE_ID_DIALECTS
        self._dropped: dict[str, None] = {}

    @property
    def dropped(self) -> tuple[str, ...]:
        """What was left out, each name once."""
        return tuple(self._dropped)

    def drop(self, name: str) -> None:
        """Note that something is left out."""
        self._dropped[name] = None

    def native(self, native: Native) -> Native:
        """Give the fields of a part that only this dialect knows."""
        return native if self.own else {}

    def note_cache(self, mark: CacheMark | None) -> None:
        """Note a cache breakpoint that can't be said: other dialects' are no matter of this one."""
        if mark is not None and not self.own:
            self.drop("cache_control")

    def part(self, part: Part) -> Json | None:
        """Write one content part; `None` where this dialect has none for it."""
        match part:
            case Text():
                return self.text(part)
            case Image():
                return self._image(part)
            case Audio():
                audio = {"data": part.data, "format": part.format}
                return {"type": "input_audio", "input_audio": audio, **self.native(part.native)}
            case File():
                return self._file(part)
            case Refusal():
                return {"type": "refusal", "refusal": part.text, **self.native(part.native)}
            case _:
                return self._opaque(part)

    def _opaque(self, part: Part) -> Json | None:
        if not isinstance(part, Opaque):
            return None
        if part.dialect == DialectName.OPENAI_CHAT:
            return dict(_decode_fields(part.raw))
        self.drop(part.kind)
        return None

    def text(self, part: Text) -> Json:
        """Write a text part."""
        self.note_cache(part.cache)
        return {"type": "text", "text": part.text, **self.native(part.native)}

    def _image(self, part: Image) -> Json:
        self.note_cache(part.cache)
        match part.source:
            case Base64Source(media_type=media_type, data=data):
                url = f"data:{media_type or _sniffed(data)};base64,{data}"
            case UrlSource(url=url):
                pass
            case FileIdSource() | TextSource():
                raise InvalidRequest(
                    "An image by file_id can't be given to this model; send its bytes or a URL.", param="messages"
                )
        image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
        return {"type": "image_url", "image_url": image, **self.native(part.native)}

    def _file(self, part: File) -> Json:
        self.note_cache(part.cache)
        name = part.filename
        match part.source:
            case TextSource(text=text):
                return {"type": "text", "text": f"{name}:\n{text}" if name else text}
            case Base64Source(media_type=media_type, data=data):
                file = {"file_data": f"data:{media_type};base64,{data}" if media_type else data}
                if not self.own:
                    name = name or _FILE_NAMES.get(media_type, "document")
            case FileIdSource(file_id=file_id) if self._knows_file_ids:
                file = {"file_id": file_id}
            case FileIdSource() | UrlSource():
                raise InvalidRequest(
                    "A document by URL or file_id can't be given to this model; send its bytes.", param="messages"
                )
        if name is not None:
            file["filename"] = name
        return {"type": "file", "file": file, **self.native(part.native)}


def _sniffed(data: str) -> str:
    header = read_image_header(data)
    return header.media_type if header is not None else "image/png"


def with_native(message: Json, native: Mapping[str, object]) -> Json:
    """Add fields that only this dialect knows; what was written from the neutral meaning stands."""
    return {**native, **message}
