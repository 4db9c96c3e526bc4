"""Reading JSON values of a request level by level, with errors that name the place.

What is read is taken out of its object; what stays is of this dialect only and is kept as `native`.
"""

from collections.abc import Mapping
from typing import TypeVar

from freetheai_gateway.dialects.raw_fields import kind_of
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw, decode_str

T = TypeVar("T")

_MARK = "."
_MAX_INTEGER = 2**63 - 1

_decode_fields: Decoder[Fields] = Decoder(Fields)
_decode_list: Decoder[list[Raw]] = Decoder(list[Raw])
_decode_int: Decoder[int] = Decoder(int)
_decode_float: Decoder[float] = Decoder(float)
_decode_bool: Decoder[bool] = Decoder(bool)


def read_entry(value: Raw) -> Fields | None:
    """Split an entry of an array into its fields; `None` where it is no object."""
    return _try(_decode_fields, value) if bytes(value).startswith(b"{") else None


def read_list(value: Raw | None) -> list[Raw] | None:
    """Split an array; `None` where it is none."""
    return _try(_decode_list, value) if value is not None and bytes(value).startswith(b"[") else None


def require_entries(value: Raw, where: str) -> list[Raw]:
    """Split an array that must be one; raises `InvalidRequest`."""
    return _must(_decode_list, value, where, "an array")


def take_str(fields: Fields, name: str) -> str | None:
    """Take a string out; anything else stays."""
    value = fields.get(name)
    if value is None or not bytes(value).startswith(b'"'):
        return None
    text = _try(decode_str, value)
    if text is not None:
        del fields[name]
    return text


def take_bool(fields: Fields, name: str) -> bool | None:
    """Take a boolean out; anything else stays."""
    value = fields.get(name)
    flag = _try(_decode_bool, value) if value is not None else None
    if flag is not None:
        del fields[name]
    return flag


def take_object(fields: Fields, name: str) -> Fields | None:
    """Take an object out; anything else stays."""
    value = fields.get(name)
    entry = read_entry(value) if value is not None else None
    if entry is not None:
        del fields[name]
    return entry


def require_str(fields: Fields, name: str, where: str) -> str:
    """Take a string that must be there out; raises `InvalidRequest`."""
    value = fields.pop(name, None)
    place = f"{where}.{name}"
    if value is None or bytes(value) == b"null":
        raise InvalidRequest(f"Missing required field: {place}.", code="missing_required_parameter", param=place)
    return _must(decode_str, value, place, "a string")


def optional_str(fields: Fields, name: str) -> str | None:
    """Take a top-level string out; raises `InvalidRequest` for another type."""
    return _optional(fields, name, decode_str, "a string")


def optional_int(fields: Fields, name: str) -> int | None:
    """Take a top-level integer out; raises `InvalidRequest` for another type or one of more than 64 bits."""
    value = _optional(fields, name, _decode_int, "an integer")
    if value is not None and abs(value) > _MAX_INTEGER:
        raise InvalidRequest(f"{name} is out of range.", param=name)
    return value


def optional_float(fields: Fields, name: str) -> float | None:
    """Take a top-level number out; raises `InvalidRequest` for another type."""
    return _optional(fields, name, _decode_float, "a number")


def optional_bool(fields: Fields, name: str) -> bool | None:
    """Take a top-level boolean out; raises `InvalidRequest` for another type."""
    return _optional(fields, name, _decode_bool, "a boolean")


def optional_object(fields: Fields, name: str) -> Fields | None:
    """Take a top-level object out; raises `InvalidRequest` for another type."""
    return _optional(fields, name, _decode_fields, "an object")


def native_of(fields: Mapping[str, Raw]) -> Fields:
    """Keep fields less the marks (`marks`): when reading none is let in, when writing none goes out."""
    return {name: value for name, value in fields.items() if not name.startswith(_MARK)}


def _optional(fields: Fields, name: str, decode: Decoder[T], expected: str) -> T | None:
    value = fields.pop(name, None)
    return None if value is None else _must(decode, value, name, expected)


def _must(decode: Decoder[T], value: Raw, where: str, expected: str) -> T:
    try:
        return decode(value)
    except InvalidJSON:
        raise InvalidRequest(
            f"{where} must be {expected}, got {kind_of(value)}.", code="invalid_type", param=where
        ) from None


def _try(decode: Decoder[T], value: Raw) -> T | None:
    try:
        return decode(value)
    except InvalidJSON:
        return None
