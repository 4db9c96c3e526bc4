"""Base64 in pieces is base64."""

from base64 import b64encode

import pytest

from freetheai_gateway.domain.base64_pieces import PIECE_CHARACTERS, decode_pieces, encode_pieces, encoded_length

SIZES = [0, 1, 2, 3, 4, 98_303, 98_304, 98_305, 300_000]


@pytest.mark.parametrize("size", SIZES)
def test_pieces_when_joined_then_they_are_the_whole(size: int) -> None:
    """Whatever remains at the end of a piece."""
    data = bytes(number % 251 for number in range(size))
    pieces = list(encode_pieces(data))
    assert b"".join(pieces) == b64encode(data)
    assert all(len(piece) <= PIECE_CHARACTERS for piece in pieces)
    assert encoded_length(size) == len(b64encode(data))
    assert b"".join(decode_pieces(b64encode(data).decode())) == data


def test_text_when_it_is_wrapped_then_the_line_ends_are_left_out() -> None:
    """MIME wraps at 76 characters."""
    text = b64encode(bytes(200_000)).decode()
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    assert b"".join(decode_pieces(lines)) == bytes(200_000)


@pytest.mark.parametrize(
    "wrong", ["AAA", "AA=A", "A\u00e9==", "A*==", "AA==AAAA", "A" * (PIECE_CHARACTERS - 2) + "==AAAA"]
)
def test_text_when_it_is_no_base64_then_it_is_refused(wrong: str) -> None:
    """Also where the padding ends a piece."""
    with pytest.raises(ValueError):
        list(decode_pieces(wrong))
