"""The JSON codec at its hostile edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.jsonc import Decoder, InvalidJSON, decode_any, read_fields, write_fields


def test_read_fields_keeps_values_as_their_bytes() -> None:
    """Numbers, spacing inside values and escapes come out as they went in."""
    body = b'{"a": 1.50, "b":[ 1,2 ], "c":"\\u00e9"}'
    assert {name: bytes(value) for name, value in read_fields(body).items()} == {
        "a": b"1.50",
        "b": b"[ 1,2 ]",
        "c": b'"\\u00e9"',
    }


def test_read_fields_when_a_key_is_doubled_then_the_last_wins() -> None:
    """The gateway and the upstream must read the same value."""
    assert write_fields(read_fields(b'{"model":"a","model":"b"}')) == b'{"model":"b"}'


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        (rb'"x\ud83dy"', rb'"x\ufffdy"'),
        (rb'"\ude00"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\uD83D\uDE00"', rb'"\uD83D\uDE00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
    ],
)
def test_read_fields_replaces_lone_surrogates_only(given_text: bytes, expected: bytes) -> None:
    """Halves become U+FFFD, whole pairs and escaped backslashes stay."""
    assert bytes(read_fields(b'{"a":' + given_text + b"}")["a"]) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":}',
        b'{"a":"\xff"}',
        b"\x00",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":nan}',
        b"null",
    ],
)
def test_read_fields_when_the_body_is_broken_then_invalid_json(body: bytes) -> None:
    """Nothing else is ever raised, whatever is wrong."""
    with pytest.raises(InvalidJSON):
        read_fields(body)


def test_read_fields_skips_a_byte_order_mark() -> None:
    """Windows clients send one."""
    assert read_fields(b'\xef\xbb\xbf{"a":1}').keys() == {"a"}


@given(st.binary(max_size=200))
def test_decoders_when_fed_anything_raise_invalid_json_or_return(data: bytes) -> None:
    """The one error type holds for random bytes too."""
    for decode in (decode_any, Decoder(dict[str, int]), read_fields):
        try:
            decode(data)
        except InvalidJSON:
            continue
