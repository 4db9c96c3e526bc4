"""Reading the few top-level request fields that the gateway itself needs, with errors that name the field."""

from collections.abc import Mapping

from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, InvalidJSON, Raw, decode_str, read_fields

_KINDS = {
    b"{": "an object",
    b"[": "an array",
    b'"': "a string",
    b"t": "a boolean",
    b"f": "a boolean",
    b"n": "null",
}
MAX_MODEL_LENGTH = 256


def read_object(body: bytes) -> Fields:
    """Split a request body into its fields; raises `InvalidRequest` where it is no JSON object."""
    if not body.strip():
        raise InvalidRequest("The request body is empty; a JSON object is expected.", code="invalid_json")
    try:
        return read_fields(body)
    except InvalidJSON as error:
        raise InvalidRequest(f"The request body is not a JSON object: {error}.", code="invalid_json") from None


def kind_of(value: Raw) -> str:
    """Name the JSON type of a value, as in "got a string"."""
    return _KINDS.get(bytes(value)[:1], "a number")


def read_model(fields: Mapping[str, Raw]) -> str:
    """Read `model`, a string that is not empty."""
    value = require(fields, "model")
    try:
        model = decode_str(value)
    except InvalidJSON:
        raise _wrong_type("model", "a string", value) from None
    if not model:
        raise InvalidRequest("model is empty.", code="missing_required_parameter", param="model")
    if len(model) > MAX_MODEL_LENGTH:
        raise InvalidRequest(f"model is longer than {MAX_MODEL_LENGTH} characters.", param="model")
    return model


def require_list(fields: Mapping[str, Raw], name: str) -> None:
    """Check that a field is an array with at least one entry."""
    value = require(fields, name)
    if not bytes(value).startswith(b"["):
        raise _wrong_type(name, "an array", value)
    if not bytes(value)[1:-1].strip():
        raise InvalidRequest(f"{name} is empty; at least one message is needed.", param=name)


def read_flag(fields: Mapping[str, Raw], name: str) -> bool:
    """Read a boolean that may be absent or null."""
    value = fields.get(name)
    if value is None or bytes(value) in {b"null", b"false"}:
        return False
    if bytes(value) == b"true":
        return True
    raise _wrong_type(name, "a boolean", value)


def require(fields: Mapping[str, Raw], name: str) -> Raw:
    """Give a field that must be there and not null."""
    value = fields.get(name)
    if value is None or bytes(value) == b"null":
        raise InvalidRequest(f"Missing required field: {name}.", code="missing_required_parameter", param=name)
    return value


def _wrong_type(name: str, expected: str, value: Raw) -> InvalidRequest:
    return InvalidRequest(f"{name} must be {expected}, got {kind_of(value)}.", code="invalid_type", param=name)
