"""Pictures from outside: base64 and data URLs within bounds, the real type and size read from the bytes.

Nothing is decoded to pixels: a PNG of ten kilobytes may unpack to gigabytes, so its header alone decides.
"""

import binascii
import re

import msgspec

from freetheai_gateway.dialects.image_header import read_image_header
from freetheai_gateway.dialects.openai_images.metadata import BrokenPicture, without_metadata
from freetheai_gateway.domain.base64_pieces import decode_pieces
from freetheai_gateway.domain.images import Picture, Size
from freetheai_gateway.errors import InvalidRequest, RequestTooLarge

_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*);base64,", re.IGNORECASE)
_SCANNED_BYTES = 196_608
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_RIFF_HEADER_BYTES = 8
_TAIL_BYTES = 4_096
"""Some writers leave padding behind a JPEG's or PNG's end."""


class PictureRules(msgspec.Struct, frozen=True):
    """What may be sent in: bytes and pixels of one picture, and how many of them."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 25_000_000
    max_count: int = 16
    strips_metadata: bool = False
    """Whether place, time and the like are taken out of pictures before they go on."""


def read_text_picture(text: str, rules: PictureRules, param: str) -> Picture:
    """Read a data URL, or base64 alone. Raises `InvalidRequest`, `RequestTooLarge`."""
    match = _DATA_URL.match(text[:200])
    if match is None and text[:5].lower() == "data:":
        raise InvalidRequest(f"{param} is not a base64 data URL.", code="invalid_image", param=param)
    start = match.end() if match is not None else 0
    if (len(text) - start) * 3 // 4 > rules.max_bytes + 2:
        raise _too_large(rules, param)
    try:
        data = b"".join(decode_pieces(text[start:].strip()))
    except ValueError:
        raise InvalidRequest(
            f"{param} is not valid base64; it may have been cut off. Send data:image/png;base64,… as a whole.",
            code="invalid_image",
            param=param,
        ) from None
    return read_picture(data, rules, param)


def read_picture(data: bytes, rules: PictureRules, param: str) -> Picture:
    """Check the bytes of a picture. Raises `InvalidRequest`, `RequestTooLarge`."""
    if len(data) > rules.max_bytes:
        raise _too_large(rules, param)
    picture = find_picture(data)
    if picture is None:
        raise InvalidRequest(f"{param} is not a PNG, JPEG or WebP picture.", code="invalid_image", param=param)
    if picture.size.pixels > rules.max_pixels:
        raise RequestTooLarge(
            f"{param} has {picture.size.pixels} pixels ({picture.size}); at most {rules.max_pixels} are taken.",
            code="image_too_large",
            param=param,
            details={"limit": rules.max_pixels},
        )
    if not _is_whole(picture):
        raise InvalidRequest(f"{param} ends before the picture does.", code="invalid_image", param=param)
    return _stripped(picture, param) if rules.strips_metadata else picture


def _stripped(picture: Picture, param: str) -> Picture:
    try:
        return Picture(without_metadata(picture.data, picture.media_type), picture.media_type, picture.size)
    except BrokenPicture:
        raise InvalidRequest(
            f"{param} is not built as its format says; save it anew.", code="invalid_image", param=param
        ) from None


def find_picture(data: bytes) -> Picture | None:
    """Read type and size; `None` where the bytes are no PNG, JPEG or WebP with a size."""
    header = read_image_header(binascii.b2a_base64(data[:_SCANNED_BYTES], newline=False).decode())
    if header is None or header.media_type not in _TYPES or not header.width or not header.height:
        return None
    return Picture(data, header.media_type, Size(header.width, header.height))


def _is_whole(picture: Picture) -> bool:
    data = picture.data
    match picture.media_type:
        case "image/png":
            return _PNG_END in data[-_TAIL_BYTES:]
        case "image/jpeg":
            return _JPEG_END in data[-_TAIL_BYTES:]
        case _:
            return len(data) >= _RIFF_HEADER_BYTES + int.from_bytes(data[4:8], "little")


def _too_large(rules: PictureRules, param: str) -> RequestTooLarge:
    return RequestTooLarge(
        f"{param} is larger than {rules.max_bytes} bytes.",
        code="image_too_large",
        param=param,
        details={"limit": rules.max_bytes},
    )
