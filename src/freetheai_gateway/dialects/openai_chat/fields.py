"""Reading the fields of a client's JSON object one by one, and keeping what is left over as it came.

Errors name the path of the field, such as `messages[3].content`.
"""

from freetheai_gateway.dialects.raw_fields import kind_of
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw, decode_str

_MAX_INTEGER = 2**63 - 1
"""What a JSON reader behind us can be trusted to take."""

_decode_fields: Decoder[Fields] = Decoder(Fields)
_decode_items: Decoder[list[Raw]] = Decoder(list[Raw])
_decode_number: Decoder[int | float] = Decoder(int | float)  # type: ignore[arg-type]


def is_null(value: Raw) -> bool:
    """Whether a value is JSON's null."""
    return bytes(value) == b"null"


def is_nothing(value: Raw) -> bool:
    """Whether a value says nothing: null or an empty array."""
    return is_null(value) or (bytes(value)[:1] == b"[" and not bytes(value)[1:-1].strip())


def wrong_type(path: str, expected: str, value: Raw) -> InvalidRequest:
    """Make the error for a value of another type than the documented one."""
    return InvalidRequest(f"{path} must be {expected}, got {kind_of(value)}.", code="invalid_type", param=path)


class FieldReader:
    """An object's fields, each taken at most once. Nulls and empty arrays count as absent and are left over."""

    __slots__ = ("_left", "path")

    def __init__(self, fields: Fields, path: str = "") -> None:
        self._left = dict(fields)
        self.path = path

    @classmethod
    def of(cls, value: Raw, path: str) -> "FieldReader":
        """Read an object. Raises `InvalidRequest` where it is none."""
        try:
            return cls(_decode_fields(value), path)
        except InvalidJSON:
            raise wrong_type(path, "an object", value) from None

    def path_of(self, name: str) -> str:
        """Give the path of a field, as the client would write it."""
        return f"{self.path}.{name}" if self.path else name

    def kind(self, name: str) -> str:
        """Give the first character of a value's JSON (`"`, `[`, `{`, a digit…); empty where it is absent or null."""
        value = self._left.get(name)
        return "" if value is None or is_null(value) else chr(bytes(value)[0])

    def raw(self, name: str) -> Raw | None:
        """Take a value as its bytes."""
        value = self._left.get(name)
        if value is None or is_null(value):
            return None
        del self._left[name]
        return value

    def text(self, name: str) -> str | None:
        """Take a string."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            return decode_str(value)
        except InvalidJSON:
            raise wrong_type(self.path_of(name), "a string", value) from None

    def number(self, name: str) -> int | float | None:
        """Take a number; a whole one stays an integer."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            number = _decode_number(value)
        except InvalidJSON:
            raise wrong_type(self.path_of(name), "a number", value) from None
        if abs(number) > _MAX_INTEGER:
            path = self.path_of(name)
            raise InvalidRequest(f"{path} is out of range.", param=path)
        return number

    def integer(self, name: str) -> int | None:
        """Take a whole number."""
        value = self._left.get(name)
        number = self.number(name)
        if value is None or number is None:
            return None
        if isinstance(number, float):
            if not number.is_integer():
                raise wrong_type(self.path_of(name), "an integer", value)
            return int(number)
        return number

    def flag(self, name: str) -> bool | None:
        """Take a boolean."""
        value = self.raw(name)
        if value is None:
            return None
        if bytes(value) not in {b"true", b"false"}:
            raise wrong_type(self.path_of(name), "a boolean", value)
        return bytes(value) == b"true"

    def object(self, name: str) -> "FieldReader | None":
        """Take an object."""
        value = self.raw(name)
        return None if value is None else FieldReader.of(value, self.path_of(name))

    def items(self, name: str) -> list[Raw] | None:
        """Take an array."""
        value = self._left.get(name)
        if value is None or is_null(value):
            return None
        try:
            items = _decode_items(value)
        except InvalidJSON:
            raise wrong_type(self.path_of(name), "an array", value) from None
        if items:
            del self._left[name]
        return items

    def require(self, name: str, value: "str | FieldReader | None") -> None:
        """Check that a field that must be there was there."""
        if value is None:
            path = self.path_of(name)
            raise InvalidRequest(f"Missing required field: {path}.", code="missing_required_parameter", param=path)

    def rest(self) -> Fields:
        """Give the fields that nobody took."""
        return self._left
