"""Schemas of tools, put into the form that OpenAI and Anthropic both take.

Both refuse a choice (`anyOf`, `oneOf`, `allOf`) at the top ("input_schema does not support oneOf, allOf, or anyOf at
the top level"), which MCP servers and unions of Zod and pydantic have: its branches become one object. OpenAI also
refuses an object without `properties` and an array without `items`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, encode

Schema = dict[str, object]

ANY_OBJECT = Raw(b'{"type":"object","properties":{}}')

_CHOICES = ("allOf", "anyOf", "oneOf")
_NAMED_SCHEMAS = frozenset({"$defs", "definitions", "properties"})
_VALUES = frozenset({"const", "default", "enum", "examples", "required"})
_MAX_DEPTH = 64
_MAX_REMEMBERED_BYTES = 4096

_decode_object: Decoder[Schema] = Decoder(Schema)


def object_schema(schema: Raw | None) -> Raw:
    """Give the schema of an object; one that is of this form passes as it came."""
    fields = _read(schema)
    if fields is None:
        return ANY_OBJECT
    if fields.get("type") == "object" and not any(name in fields for name in _CHOICES):
        return schema or ANY_OBJECT
    return Raw(encode(_one_object(fields)))


def complete_schema(schema: Raw | None) -> Raw:
    """Give the schema of an object in which no `properties` and no `items` are missing."""
    if schema is None:
        return ANY_OBJECT
    data = bytes(schema)
    return Raw(_remembered(data) if len(data) <= _MAX_REMEMBERED_BYTES else _complete(data))


def _complete(schema: bytes) -> bytes:
    fields = _read(Raw(schema))
    if fields is None:
        return bytes(ANY_OBJECT)
    written = _completed(_one_object(fields), 0)
    return encode(written) if written != fields else schema


_remembered = lru_cache(maxsize=512)(_complete)
"""An agent sends the same tools with every request; looking through them took two thirds of rendering it."""


def _read(schema: Raw | None) -> Schema | None:
    try:
        return _decode_object(schema) if schema is not None else None
    except InvalidJSON:
        return None


def _one_object(root: Schema) -> Schema:
    """Join the branches of a choice at the top: what one of them needs is optional, what all need is not."""
    branches = {name: [_followed(branch, root) for branch in _dicts(root.get(name))] for name in _CHOICES}
    properties = _joined([root, *(branch for found in branches.values() for branch in found)])
    required = _names(root) + [name for branch in branches["allOf"] for name in _names(branch)]
    for choice in ("anyOf", "oneOf"):
        first, *others = branches[choice] or [{}]
        required += [name for name in _names(first) if all(name in _names(other) for other in others)]
    kept = {name: value for name, value in root.items() if name not in {*_CHOICES, "properties", "required"}}
    written: Schema = {**kept, "type": "object"}
    if properties or "properties" in root:
        written["properties"] = properties
    known = [name for name in dict.fromkeys(required) if name in properties]
    if known or "required" in root:
        written["required"] = known
    return written


def _joined(schemas: Iterable[Schema]) -> Schema:
    """Give all properties; one that differs between branches may be either."""
    found: dict[str, list[object]] = {}
    for schema in schemas:
        properties = schema.get("properties")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            known = found.setdefault(name, [])
            if value not in known:
                known.append(value)
    return {name: values[0] if len(values) == 1 else {"anyOf": values} for name, values in found.items()}


def _followed(branch: Schema, root: Schema) -> Schema:
    """Follow a branch that is a reference to a definition of the same schema."""
    steps = str(branch.get("$ref", "")).split("/")
    if len(steps) != 3 or steps[0] != "#" or steps[1] not in _NAMED_SCHEMAS:
        return branch
    named = root.get(steps[1])
    target = named.get(steps[2]) if isinstance(named, dict) else None
    return target if isinstance(target, dict) else branch


def _completed(schema: object, depth: int) -> object:
    if isinstance(schema, list):
        return [_completed(entry, depth + 1) for entry in schema]
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    written = {name: _value(name, value, depth) for name, value in schema.items()}
    if schema.get("type") == "object" and depth == 0:
        written.setdefault("properties", {})
    if schema.get("type") == "array" and "prefixItems" not in schema:
        written.setdefault("items", {})
    return written


def _value(name: str, value: object, depth: int) -> object:
    """Names of properties and definitions are the caller's own: below them, not among them, schemas begin."""
    if name in _NAMED_SCHEMAS and isinstance(value, Mapping):
        return {key: _completed(entry, depth + 1) for key, entry in value.items()}
    return value if name in _VALUES else _completed(value, depth + 1)


def _dicts(value: object) -> list[Schema]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _names(schema: Schema) -> list[str]:
    value = schema.get("required")
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
