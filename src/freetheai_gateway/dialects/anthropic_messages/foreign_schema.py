"""JSON Schemas of other dialects, put into the subset that Messages takes.

Source: Anthropic documentation, "Structured outputs", limitations of schemas.
"""

from collections.abc import Mapping

from freetheai_gateway.dialects.tool_schema import ANY_OBJECT
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, encode

_MAX_DEPTH = 64
_UNSUPPORTED = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "pattern",
        "uniqueItems",
    }
)
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})
_NAMED_SCHEMAS = frozenset({"$defs", "definitions", "properties"})

_decode_object: Decoder[dict[str, object]] = Decoder(dict[str, object])


def output_schema(schema: Raw | None) -> Raw:
    """Give the schema of an answer without the keywords that are refused; objects are closed, as is demanded."""
    try:
        return Raw(encode(_subset(_decode_object(schema or ANY_OBJECT), 0)))
    except InvalidJSON:
        return ANY_OBJECT


def _subset(schema: object, depth: int) -> object:
    if isinstance(schema, list):
        return [_subset(entry, depth + 1) for entry in schema]
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    kept = {key: _value(key, value, depth) for key, value in schema.items() if _is_supported(key, value)}
    if schema.get("type") == "object" or "properties" in schema:
        kept["additionalProperties"] = False
    return kept


def _value(key: str, value: object, depth: int) -> object:
    """Names of properties and definitions are the caller's own: below them, not among them, schemas begin."""
    if key in _NAMED_SCHEMAS and isinstance(value, Mapping):
        return {name: _subset(entry, depth + 1) for name, entry in value.items()}
    if key in {"const", "default", "enum", "examples", "required"}:
        return value
    return _subset(value, depth + 1)


def _is_supported(key: str, value: object) -> bool:
    if key == "minItems":
        return value in {0, 1} if isinstance(value, int) else False
    if key == "format":
        return isinstance(value, str) and value in _FORMATS
    return key not in _UNSUPPORTED
