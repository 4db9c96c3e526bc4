"""Base64 of what is large, in pieces of a fraction of a millisecond each, so that a caller can let others run between.

Two megabytes take 3 ms in one piece, in which an event loop serves nobody. RFC 4648, section 4. No I/O.
"""

import binascii
from collections.abc import Iterator

PIECE_CHARACTERS = 128 * 1024
_PIECE_BYTES = PIECE_CHARACTERS // 4 * 3
_SPACES = ("\n", "\r", " ", "\t")


def encoded_length(size: int) -> int:
    """Tell how many characters so many bytes become."""
    return -(-size // 3) * 4


def encode_pieces(data: bytes) -> Iterator[bytes]:
    """Encode, piece by piece; joined they are the whole text."""
    view = memoryview(data)
    for at in range(0, len(data), _PIECE_BYTES):
        yield binascii.b2a_base64(view[at : at + _PIECE_BYTES], newline=False)


def decode_pieces(text: str) -> Iterator[bytes]:
    """Decode, piece by piece; joined they are all bytes. Raises `ValueError` where it is not base64 in full.

    White space is left out, as in what is wrapped at 76 characters.
    """
    if any(space in text for space in _SPACES):
        text = "".join(text.split())
    for at in range(0, len(text), PIECE_CHARACTERS):
        piece = text[at : at + PIECE_CHARACTERS]
        if piece.endswith("=") and at + PIECE_CHARACTERS < len(text):
            raise ValueError("padding before the end")
        yield binascii.a2b_base64(piece, strict_mode=True)
