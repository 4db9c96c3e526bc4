"""Reading one JSON value of a client's request, with an error that names the place where it stands."""

from typing import TypeVar

from freetheai_gateway.dialects.raw_fields import kind_of
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw

T = TypeVar("T")

_object: Decoder[Fields] = Decoder(Fields)
_list: Decoder[list[Raw]] = Decoder(list[Raw])
_str: Decoder[str] = Decoder(str)
_int: Decoder[int] = Decoder(int)
_float: Decoder[float] = Decoder(float)
_bool: Decoder[bool] = Decoder(bool)
_strings: Decoder[tuple[str, ...]] = Decoder(tuple[str, ...])

_NULL = b"null"


def is_absent(value: Raw | None) -> bool:
    """Tell whether a field is not there or null."""
    return value is None or bytes(value) == _NULL


def object_at(value: Raw, where: str) -> Fields:
    """Read an object; its values stay as they came."""
    return _read(_object, "an object", value, where)


def list_at(value: Raw, where: str) -> list[Raw]:
    """Read an array; its entries stay as they came."""
    return _read(_list, "an array", value, where)


def str_at(value: Raw, where: str) -> str:
    """Read a string."""
    return _read(_str, "a string", value, where)


def optional_int(fields: Fields, name: str) -> int | None:
    """Take an integer out of the fields; absent and null are `None`."""
    return _optional(_int, "an integer", fields, name)


def optional_float(fields: Fields, name: str) -> float | None:
    """Take a number out of the fields."""
    return _optional(_float, "a number", fields, name)


def optional_bool(fields: Fields, name: str) -> bool | None:
    """Take a boolean out of the fields."""
    return _optional(_bool, "a boolean", fields, name)


def optional_strings(fields: Fields, name: str) -> tuple[str, ...]:
    """Take an array of strings out of the fields; absent and null are empty."""
    return _optional(_strings, "an array of strings", fields, name) or ()


def optional_object(fields: Fields, name: str) -> Fields | None:
    """Take an object out of the fields."""
    return _optional(_object, "an object", fields, name)


def required_str(fields: Fields, name: str, where: str) -> str:
    """Take a string that must be there out of the fields of the object at `where`."""
    value = fields.pop(name, None)
    place = f"{where}.{name}"
    if value is None:
        raise InvalidRequest(f"Missing required field: {place}.", code="missing_required_parameter", param=place)
    return str_at(value, place)


def pop_str(fields: Fields, name: str) -> str | None:
    """Take a string out of the fields; what is none stays where it is."""
    value = fields.get(name)
    if value is None or not bytes(value).startswith(b'"'):
        return None
    return _str(fields.pop(name))


def _optional(decode: Decoder[T], expected: str, fields: Fields, name: str) -> T | None:
    value = fields.pop(name, None)
    if value is None or bytes(value) == _NULL:
        return None
    return _read(decode, expected, value, name)


def _read(decode: Decoder[T], expected: str, value: Raw, where: str) -> T:
    try:
        return decode(value)
    except InvalidJSON:
        raise InvalidRequest(
            f"{where} must be {expected}, got {kind_of(value)}.", code="invalid_type", param=where
        ) from None
