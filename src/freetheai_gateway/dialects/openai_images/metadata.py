"""Taking out of a picture what its camera and its editor wrote about: place, time, owner, thumbnail, comments.

The pixels' bytes are not touched. How the picture is turned stays, else it would lie on its side; so does its colour
profile. Sources: JPEG (ITU T.81, JFIF, Exif 2.3), PNG (W3C, third edition), WebP container specification.
"""

import re
from collections.abc import Iterator
from struct import error as StructError  # noqa: N812 - its own name says nothing
from struct import pack, unpack_from
from zlib import crc32

_EXIF = b"Exif\x00\x00"
_ORIENTATION = 0x0112
_UPRIGHT, _LAST_ORIENTATION = 1, 8
_SHORT = 3
_MOST_ENTRIES = 512

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_DROPPED_SEGMENTS = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xE2, 0xEE}
"""All APP segments and comments, but for JFIF, colour profile and what tells Adobe's colour transform."""
_PROFILE = b"ICC_PROFILE\x00"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_HEAD = 8
_DROPPED_CHUNKS = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"})
_HAS_EXIF, _HAS_XMP = 0x08, 0x04
"""Flags of VP8X."""


class BrokenPicture(ValueError):
    """The picture is not built as its format says."""


def without_metadata(data: bytes, media_type: str) -> bytes:
    """Write a PNG, JPEG or WebP anew without what is about it. Raises `BrokenPicture`."""
    write = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp}[media_type]
    try:
        return b"".join(write(data))
    except (IndexError, StructError):
        raise BrokenPicture from None


def orientation_of(tiff: bytes) -> int:
    """Read how a picture is turned out of its Exif data (1 to 8); 1 where that does not say."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return _UPRIGHT
    try:
        (start,) = unpack_from(f"{order}I", tiff, 4)
        (count,) = unpack_from(f"{order}H", tiff, start)
        for index in range(min(count, _MOST_ENTRIES)):
            tag, kind, _, value = unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION and kind == _SHORT:
                return value if _UPRIGHT <= value <= _LAST_ORIENTATION else _UPRIGHT
    except StructError:
        return _UPRIGHT
    return _UPRIGHT


def _only_orientation(value: int) -> bytes:
    """Write Exif data that says one thing."""
    return b"MM\x00*" + pack(">IHHHIHHI", 8, 1, _ORIENTATION, _SHORT, 1, value, 0, 0)


def _jpeg(data: bytes) -> Iterator[bytes]:
    segments = list(_segments(data))
    tiffs = (body.removeprefix(_EXIF) for marker, body in segments if marker == _APP1 and body.startswith(_EXIF))
    turned = next((value for tiff in tiffs if (value := orientation_of(tiff)) != _UPRIGHT), None)
    yield data[:2]
    if turned is not None:
        body = _EXIF + _only_orientation(turned)
        yield pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    for marker, body in segments:
        is_profile = marker != 0xE2 or body.startswith(_PROFILE)
        if marker == _SOS:
            yield body
        elif marker not in _DROPPED_SEGMENTS and is_profile:
            yield pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut into segments by their markers; the last is all of the scans up to the end of the picture."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise BrokenPicture
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _SOS:
            yield marker, data[at : _end_of_scans(data, at)]
            return
        (length,) = unpack_from(">H", data, at + 2)
        if length < 2 or marker == _EOI or at + 2 + length > len(data):
            raise BrokenPicture
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _end_of_scans(data: bytes, at: int) -> int:
    """Find what follows the picture's end: some cameras hang a second picture or a film behind it."""
    while True:
        (length,) = unpack_from(">H", data, at + 2)
        found = _NEXT_MARKER.search(data, at + 2 + length)
        if found is None:
            raise BrokenPicture
        at = found.start()
        if data[at + 1] == _EOI:
            return at + 2


def _png(data: bytes) -> Iterator[bytes]:
    chunks = list(_chunks(data))
    tiff = next((data[at + 8 : end - 4] for kind, at, end in chunks if kind == b"eXIf"), b"")
    turned = orientation_of(tiff)
    yield data[:_PNG_HEAD]
    for kind, at, end in chunks:
        if kind not in _DROPPED_CHUNKS:
            yield data[at:end]
        if kind == b"IHDR" and turned != _UPRIGHT:
            body = b"eXIf" + _only_orientation(turned)
            yield pack(">I", len(body) - 4) + body + pack(">I", crc32(body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Cut into chunks: kind, start and end of each, to the last one of the picture."""
    at = _PNG_HEAD
    while True:
        length, kind = unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise BrokenPicture
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def _webp(data: bytes) -> Iterator[bytes]:
    chunks = list(_riff_chunks(data))
    tiff = next((body.removeprefix(_EXIF) for kind, body in chunks if kind == b"EXIF"), b"")
    turned = orientation_of(tiff)
    kept = [(kind, body) for kind, body in chunks if kind not in {b"EXIF", b"XMP "}]
    if turned != _UPRIGHT:
        kept.append((b"EXIF", _only_orientation(turned)))
    parts = []
    for kind, body in kept:
        if kind == b"VP8X":
            flags = body[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if turned != _UPRIGHT else 0)
            body = bytes([flags]) + body[1:]  # noqa: PLW2901 - the same chunk with other flags
        parts.append(kind + pack("<I", len(body)) + body + b"\x00" * (len(body) % 2))
    yield b"RIFF" + pack("<I", 4 + sum(map(len, parts))) + b"WEBP"
    yield from parts


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (size,) = unpack_from("<I", data, 4)
    at, end = 12, 8 + size
    if end > len(data):
        raise BrokenPicture
    while at + 8 <= end:
        kind, length = unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise BrokenPicture
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
