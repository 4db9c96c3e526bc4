"""Media type and size of a picture, read from the first bytes of its base64 text; nothing is decoded further.

Sources: PNG (W3C, IHDR), GIF89a, JPEG (ITU T.81, SOF markers), WebP container specification.
"""

import binascii
from dataclasses import dataclass

_SCANNED_CHARACTERS = 262_144
"""JPEG metadata (a thumbnail, a colour profile) stands before the size; beyond this it is not looked for."""
_FIRST_CHARACTERS = 64
_SIZELESS_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """`width` and `height` in pixels; 0 where they were not found."""

    media_type: str
    width: int = 0
    height: int = 0


def read_image_header(base64_text: str) -> ImageHeader | None:
    """Read the header; `None` where it is none of PNG, JPEG, GIF and WebP, or no base64."""
    first = _decoded(base64_text, _FIRST_CHARACTERS)
    if first.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageHeader("image/png", _big(first[16:20]), _big(first[20:24]))
    if first.startswith((b"GIF87a", b"GIF89a")):
        return ImageHeader("image/gif", _little(first[6:8]), _little(first[8:10]))
    if first.startswith(b"RIFF") and first[8:12] == b"WEBP":
        return _webp(first)
    if first.startswith(b"\xff\xd8\xff"):
        return _jpeg(_decoded(base64_text, _SCANNED_CHARACTERS))
    return None


def _decoded(text: str, limit: int) -> bytes:
    usable = min(limit, len(text)) // 4 * 4
    try:
        return binascii.a2b_base64(text[:usable])
    except (binascii.Error, ValueError):
        return b""


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _webp(data: bytes) -> ImageHeader:
    match data[12:16]:
        case b"VP8X":
            return ImageHeader("image/webp", _little(data[24:27]) + 1, _little(data[27:30]) + 1)
        case b"VP8L":
            bits = _little(data[21:25])
            return ImageHeader("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            return ImageHeader("image/webp", _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF)
    return ImageHeader("image/webp")


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZE_MARKERS:
            return ImageHeader("image/jpeg", _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7]))
        at += 1 if marker == 0xFF else 2 if marker in _SIZELESS_MARKERS else 2 + _big(data[at + 2 : at + 4])
    return ImageHeader("image/jpeg")
