"""Neutral parts, written as content blocks of a Messages request.

Written for the same dialect, a part takes its `native` fields with it; from another dialect it is put into what
Messages knows, and what cannot be said is left out (`None`) or, where leaving it out would change the meaning,
refused.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass

from freetheai_gateway.dialects import custom_tools
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.read_blocks import WHOLE
from freetheai_gateway.dialects.image_header import read_image_header
from freetheai_gateway.dialects.tool_names import flat_name, safe
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
    RedactedThinking,
    Refusal,
    Source,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
    UrlSource,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, encode

Block = dict[str, object]

RAW_ARGUMENTS = "_raw"
"""Holds arguments that are no JSON object, because a tool's input must be one."""

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml"})
_PDF = "application/pdf"
_PDF_BEGINNING = "JVBERi0"
"""What `%PDF-` is in base64: clients leave the media type out."""
_VISIBLE = re.compile(r"\S")
_decode_object: Decoder[dict[str, object]] = Decoder(dict[str, object])


@dataclass(slots=True)
class Writer:
    """Writes blocks. `own`: they came in this dialect; `dropped` collects what was left out.

    `id_of_call` and `id_of_result` put tool ids into the form that the API accepts.
    """

    own: bool
    dropped: set[str]
    id_of_call: Callable[[str], str] = safe
    id_of_result: Callable[[str], str] = safe

    def block(self, part: Part) -> Block | Raw | None:
        """Write one part; `None` where nothing is left of it."""
        native: Native = {} if isinstance(part, Opaque) or not self.own else part.native
        if WHOLE in native:
            return native[WHOLE]
        written = self._write(part)
        if isinstance(written, dict):
            cache = getattr(part, "cache", None)
            if cache is not None:
                written["cache_control"] = cache_control(cache)
            written.update(native)
        return written

    def blocks(self, parts: tuple[Part, ...]) -> list[Block | Raw]:
        """Write several parts."""
        written = (self.block(part) for part in parts)
        return [block for block in written if block is not None]

    def _write(self, part: Part) -> Block | Raw | None:
        match part:
            case Text(text=text) | Refusal(text=text):
                return {"type": "text", "text": text} if is_visible(text) else None
            case ToolCall():
                return self._tool_use(part)
            case ToolResult():
                return self._tool_result(part)
            case Thinking() | RedactedThinking():
                return self._reasoning(part)
            case Opaque():
                return self._opaque(part)
        return self._attachment(part)

    def _attachment(self, part: Image | File | Audio) -> Block:
        match part:
            case Image(source=source):
                return {"type": "image", "source": self._image_source(source)}
            case File():
                return self._document(part)
            case Audio():
                raise _refused("This model takes no audio input.")

    def _reasoning(self, part: Thinking | RedactedThinking) -> Block | None:
        if part.vendor != MESSAGES:
            self.dropped.add("thinking")
            return None
        if isinstance(part, RedactedThinking):
            return {"type": "redacted_thinking", "data": part.data}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}

    def _opaque(self, part: Opaque) -> Raw | None:
        if part.dialect == MESSAGES:
            return part.raw
        self.dropped.add(part.kind)
        return None

    def _tool_use(self, part: ToolCall) -> Block:
        name = part.name if self.own else safe(flat_name(part.name, part.namespace))
        return {"type": "tool_use", "id": self.id_of_call(part.id), "name": name, "input": tool_input(part)}

    def _tool_result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self.id_of_result(part.call_id)}
        if len(part.parts) == 1 and isinstance(part.parts[0], Text) and part.parts[0].as_plain:
            block["content"] = part.parts[0].text
        elif inner := self.blocks(tuple(found for found in part.parts if not isinstance(found, ToolResult | ToolCall))):
            block["content"] = inner
        if part.is_error:
            block["is_error"] = True
        return block

    def _document(self, part: File) -> Block:
        block: Block = {"type": "document", "source": self._document_source(part.source)}
        if part.filename is not None:
            block["title"] = part.filename
        return block

    def _image_source(self, source: Source) -> Block:
        if isinstance(source, Base64Source) and not self.own:
            header = read_image_header(source.data)
            media_type = header.media_type if header is not None else source.media_type
            if media_type not in _IMAGE_TYPES:
                raise _refused("An image must be JPEG, PNG, GIF or WebP.")
            return {"type": "base64", "media_type": media_type, "data": source.data}
        return self._source(source)

    def _document_source(self, source: Source) -> Block:
        if not isinstance(source, Base64Source) or self.own:
            return self._source(source)
        if source.media_type == _PDF or (not source.media_type and source.data.startswith(_PDF_BEGINNING)):
            return self._source(Base64Source(_PDF, source.data))
        if not source.media_type.startswith("text/") and source.media_type not in _TEXT_TYPES:
            raise _refused("A file must be a PDF or plain text.")
        return self._source(TextSource(_decoded_text(source.data)))

    def _source(self, source: Source) -> Block:
        match source:
            case Base64Source(media_type=media_type, data=data):
                return {"type": "base64", "media_type": media_type, "data": data}
            case UrlSource(url=url):
                return {"type": "url", "url": url}
            case TextSource(text=text, media_type=media_type):
                return {"type": "text", "media_type": media_type if self.own else "text/plain", "data": text}
            case FileIdSource(file_id=file_id):
                if not self.own:
                    raise _refused("A file id of another vendor can't be used; send the content itself.")
                return {"type": "file", "file_id": file_id}


def is_visible(text: str) -> bool:
    """Tell whether a text has more than blanks; the API refuses those that have not."""
    return _VISIBLE.search(text) is not None


def cache_control(mark: CacheMark) -> Block:
    """Write a cache breakpoint."""
    return {"type": "ephemeral", "ttl": mark.ttl} if mark.ttl else {"type": "ephemeral"}


def tool_input(call: ToolCall) -> Raw:
    """Write arguments as the object that `input` must be."""
    if call.kind is ToolKind.CUSTOM:
        return Raw(custom_tools.as_arguments(call.arguments).encode(errors="replace"))
    text = call.arguments.encode(errors="replace")
    if not text.strip():
        return Raw(b"{}")
    try:
        _decode_object(text)
    except InvalidJSON:
        return Raw(encode({RAW_ARGUMENTS: text.decode(errors="replace")}))
    return Raw(text)


def _decoded_text(data: str) -> str:
    try:
        return b64decode(data, validate=True).decode(errors="replace")
    except ValueError:
        raise _refused("A file's data is not base64.") from None


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", param="messages")
