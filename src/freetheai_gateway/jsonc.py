"""The only JSON codec of the package: msgspec, with one error type and no surprises at the edges.

Every decode of bytes from outside goes through here, so that what a hostile body can do (bad syntax, invalid
UTF-8, lone surrogates, nesting without end, numbers out of range) ends in `InvalidJSON` and in nothing else.
"""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

Raw = msgspec.Raw
"""A JSON value kept as the bytes it came in."""

Fields = dict[str, msgspec.Raw]
"""The top-level fields of a JSON object, each value kept as its bytes; of duplicate keys the last wins."""

_BOM = b"\xef\xbb\xbf"
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rb"\\\\|" + _HIGH + _LOW + rb"|" + _HIGH + rb"|" + _LOW)
_ESCAPE_LENGTH = 6
_REPLACEMENT = rb"\ufffd"


class InvalidJSON(ValueError):
    """The bytes are not JSON, or not of the expected type; the text never quotes the input's values."""


class Decoder(Generic[T]):
    """A reusable decoder of one type; cheaper than a look-up of the type at every call."""

    __slots__ = ("_decode",)

    def __init__(self, kind: type[T]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, data: bytes | bytearray | memoryview | msgspec.Raw | str) -> T:
        """Decode; raises `InvalidJSON`."""
        try:
            return self._decode(data)
        except RecursionError:
            raise InvalidJSON("the JSON is nested too deeply") from None
        except UnicodeDecodeError as error:
            raise InvalidJSON(f"the JSON is not UTF-8 at byte {error.start}") from None
        except msgspec.MsgspecError as error:
            raise InvalidJSON(str(error)) from None


class ReplyDecoder(Decoder[T]):
    """Decodes what an upstream sent: half of a surrogate pair that stands alone, which is no failure, is U+FFFD."""

    __slots__ = ()

    def __call__(self, data: bytes | bytearray | memoryview | msgspec.Raw | str) -> T:
        """Decode; raises `InvalidJSON`."""
        try:
            return self._decode(data)
        except (RecursionError, UnicodeDecodeError, msgspec.MsgspecError):
            if isinstance(data, str):
                return super().__call__(data)
            return super().__call__(_without_lone_surrogates(bytes(data)))


encode = msgspec.json.Encoder().encode
decode_any: Decoder[object] = Decoder(object)
decode_str: Decoder[str] = Decoder(str)
_decode_fields: Decoder[Fields] = Decoder(Fields)


def encode_raw(value: object) -> msgspec.Raw:
    """Encode a value so that it can stand beside fields that were kept as bytes."""
    return msgspec.Raw(encode(value))


def read_fields(body: bytes) -> Fields:
    """Split a JSON object that a client sent into its top-level fields, the values untouched.

    A byte order mark is skipped and lone surrogate escapes become U+FFFD (Python, Go and Rust readers behind us
    refuse them). Raises `InvalidJSON`, also where a value holds bytes that are not UTF-8.
    """
    body = body.removeprefix(_BOM)
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise InvalidJSON(f"the JSON is not UTF-8 at byte {error.start}") from None
    return _decode_fields(_without_lone_surrogates(body))


def write_fields(fields: Mapping[str, object]) -> bytes:
    """Join top-level fields again; values kept as bytes are written as they came."""
    return encode(fields)


def _without_lone_surrogates(data: bytes) -> bytes:
    return _ESCAPES.sub(_replace_lone_surrogate, data) if rb"\ud" in data or rb"\uD" in data else data


def _replace_lone_surrogate(match: re.Match[bytes]) -> bytes:
    found = match.group()
    return _REPLACEMENT if len(found) == _ESCAPE_LENGTH else found
