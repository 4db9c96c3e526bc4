"""JSON Schemas, put into the subset of OpenAPI 3.0 that `parameters` and `responseSchema` take.

Source: Gemini API reference, "Schema". Anything outside the subset is an error 400 there, so what can be said in
other words is (`$ref`, `allOf`, `oneOf`, `const`, lists of types), and the rest is left out: a looser schema still
tells the model what to write.

Schemas come from clients: depth, references and their number are bounded, and what is beyond the bounds becomes a
plain object.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from freetheai_gateway.jsonc import InvalidJSON, Raw, decode_any, encode

Schema = dict[str, object]

MAX_DEPTH = 32
MAX_NODES = 4_000
"""Schemas that one tool's may grow to when its references are written out."""

ALLOWED = frozenset(
    {
        *("type", "format", "title", "description", "nullable", "enum", "items", "maxItems", "minItems"),
        *("properties", "required", "minProperties", "maxProperties", "minLength", "maxLength", "minimum", "maximum"),
        *("pattern", "example", "anyOf", "propertyOrdering", "default"),
    }
)

_CUT: Mapping[str, object] = {"type": "object"}
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_SIZES = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_FORMATS = {
    "string": frozenset({"enum", "date-time"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
_TOLD_BY = (
    ("object", ("properties", "required", "minProperties", "maxProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems")),
    ("string", ("pattern", "minLength", "maxLength")),
    ("number", ("minimum", "maximum")),
)
"""A schema without a type is of the type that one of its keywords is about."""
_LABELS = ("title", "description", "default", "example")
_SAYS_NOTHING = frozenset({*_LABELS, "required", "not", "examples", "$comment", "if", "then", "else", "$schema"})
_MAX_INT64 = 2**63 - 1


def parameters(schema: Raw | None) -> Schema | None:
    """Give the parameters of a function; `None` where it has none, as an empty object is refused."""
    written = _Subset(_decoded(schema)).write()
    if "anyOf" in written:
        written = _united(written)
    return written if written.get("type") == "object" and "properties" in written else None


def response_schema(schema: Raw | None) -> Schema:
    """Give the schema of an answer."""
    return _Subset(_decoded(schema)).write() or dict(_CUT)


def _decoded(schema: Raw | None) -> Schema:
    try:
        value = {} if schema is None else decode_any(schema)
    except InvalidJSON:
        return {}
    return value if isinstance(value, dict) else {}


def _united(schema: Schema) -> Schema:
    """Make one object of alternatives: the parameters of a function may not be a choice."""
    branches = [branch for branch in _dicts(schema["anyOf"]) if branch.get("type") == "object"]
    properties: Schema = {}
    for branch in branches:
        properties = {**_dict(branch.get("properties")), **properties}
    always = [set(_strings(branch.get("required"))) for branch in branches]
    required = [name for name in properties if always and all(name in names for names in always)]
    united: Schema = {"type": "object", **_labels(schema)}
    if properties:
        united["properties"] = properties
    if required:
        united["required"] = required
    return united


class _Subset:
    """Writes one root schema. References are followed from the root, each at most once on a way down."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._left = MAX_NODES

    def write(self) -> Schema:
        return self._write(self._root, frozenset(), 0)

    def _write(self, given: object, followed: frozenset[str], depth: int) -> Schema:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            return dict(_CUT)
        if not isinstance(given, dict):
            return {}
        schema, followed = self._flat(given, followed, depth)
        types = _types(schema)
        is_nullable = schema.get("nullable") is True or "null" in types or _lists_null(schema)
        variants = self._variants(schema, [name for name in types if name in _TYPES])
        if variants is None:
            written = self._plain(schema, followed, depth)
        else:
            is_nullable = is_nullable or any(map(_is_null, variants))
            written = self._choice(schema, [v for v in variants if not _is_null(v)], followed, depth)
        return {**written, "nullable": True} if is_nullable else written

    def _flat(self, schema: Schema, followed: frozenset[str], depth: int) -> tuple[Schema, frozenset[str]]:
        """Put what `$ref` and `allOf` point to in their place; a reference into itself is cut to an object."""
        while isinstance(reference := schema.get("$ref"), str):
            self._left -= 1
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            if reference in followed or self._left < 0:
                return {**beside, **_CUT}, followed
            followed |= {reference}
            schema = _merged(self._target(reference), beside)
        parts = _dicts(schema.get("allOf"))
        own = {key: value for key, value in schema.items() if key != "allOf"}
        if not parts:
            return own, followed
        whole: Schema = {}
        for part in parts:
            self._left -= 1
            if self._left < 0 or depth > MAX_DEPTH:
                return dict(_CUT), followed
            flat, followed = self._flat(part, followed, depth + 1)
            whole = _merged(whole, flat)
        return _merged(whole, own), followed

    def _target(self, reference: str) -> Schema:
        place: object = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and key.isascii() and key.isdigit() and len(key) <= 4:
                place = place[int(key)] if int(key) < len(place) else None
            else:
                place = _dict(place).get(key)
        return _dict(place) if reference.startswith("#") else {}

    @staticmethod
    def _variants(schema: Schema, types: list[str]) -> list[Schema] | None:
        """List what the schema lets choose from, each with what stands beside the choice; `None` = there is none."""
        branches = _dicts(schema.get("anyOf")) or _dicts(schema.get("oneOf"))
        beside = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf", "nullable", *_LABELS}}
        if branches and not any(branch.keys() <= _SAYS_NOTHING for branch in branches):
            return [branch if _is_null(branch) else _merged(beside, branch) for branch in branches]
        if len(types) > 1:
            return [{**beside, "type": name} for name in types]
        return None

    def _choice(self, schema: Schema, variants: list[Schema], followed: frozenset[str], depth: int) -> Schema:
        branches: list[Schema] = []
        for variant in variants:
            branch = self._write(variant, followed, depth + 1)
            if not branch:
                return _labels(schema)
            if branch not in branches:
                branches.append(branch)
        if len(branches) == 1:
            return {**branches[0], **_labels(schema)}
        return {**_labels(schema), "anyOf": branches} if branches else _labels(schema)

    def _plain(self, schema: Schema, followed: frozenset[str], depth: int) -> Schema:
        kind = next((name for name in _types(schema) if name in _TYPES), None) or _told_type(schema)
        written = _labels(schema)
        values = _enum(schema, kind)
        if values:
            return {"type": "string", **written, "enum": values}
        if kind is None:
            return written
        written = {"type": kind, **written, **_limits(schema, kind)}
        if kind == "object":
            written.update(self._object(schema, followed, depth))
        elif kind == "array":
            written["items"] = self._items(schema, followed, depth)
        return written

    def _object(self, schema: Schema, followed: frozenset[str], depth: int) -> Schema:
        properties = {
            name: self._write(value, followed, depth + 1) for name, value in _dict(schema.get("properties")).items()
        }
        if not properties:
            return {}
        written: Schema = {"properties": properties}
        for key in ("required", "propertyOrdering"):
            names = [name for name in dict.fromkeys(_strings(schema.get(key))) if name in properties]
            if names:
                written[key] = names
        return written

    def _items(self, schema: Schema, followed: frozenset[str], depth: int) -> Schema:
        """Write `items`, which an array must have; entries of a tuple become alternatives."""
        items = schema.get("items")
        entries = items if isinstance(items, list) else schema.get("prefixItems")
        if isinstance(entries, list) and entries:
            return self._choice({}, _dicts(entries), followed, depth)
        return self._write(items, followed, depth + 1)


# --- readings of one schema -----------------------------------------------------------------------------------


def _dict(value: object) -> Schema:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[Schema]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _strings(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _merged(first: Schema, second: Schema) -> Schema:
    """Join two schemas that hold both; the second wins where only one can."""
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**_dict(first["properties"]), **_dict(second["properties"])}
    if "required" in first and "required" in second:
        merged["required"] = [*_strings(first["required"]), *_strings(second["required"])]
    return merged


def _types(schema: Schema) -> list[str]:
    given = schema.get("type")
    names = [given] if isinstance(given, str) else _strings(given)
    return list(dict.fromkeys(name.lower() for name in names))


def _is_null(schema: Schema) -> bool:
    """Tell whether only null fits."""
    return _types(schema) == ["null"] or ("const" in schema and schema["const"] is None) or schema.get("enum") == [None]


def _lists_null(schema: Schema) -> bool:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return isinstance(values, list) and None in values


def _told_type(schema: Schema) -> str | None:
    return next((kind for kind, keywords in _TOLD_BY if any(key in schema for key in keywords)), None)


def _labels(schema: Schema) -> Schema:
    labels = {key: schema[key] for key in ("title", "description") if isinstance(schema.get(key), str)}
    return labels | {key: schema[key] for key in ("default", "example") if schema.get(key) is not None}


def _enum(schema: Schema, kind: str | None) -> list[str]:
    """List the values as strings, as only those may be listed; of booleans the type says enough."""
    given = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(given, list) or kind in {"array", "object", "boolean"}:
        return []
    return list(dict.fromkeys(filter(None, map(_as_text, given))))


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value).decode()


def _limits(schema: Schema, kind: str) -> Schema:
    sizes = {key: schema[key] for key in _SIZES.get(kind, ()) if _is_size(schema.get(key))}
    if kind in {"number", "integer"}:
        sizes |= {key: schema[key] for key in ("minimum", "maximum") if _is_number(schema.get(key))}
    if kind == "string" and isinstance(schema.get("pattern"), str):
        sizes["pattern"] = schema["pattern"]
    if _is_among(schema.get("format"), _FORMATS.get(kind, ())):
        sizes["format"] = schema["format"]
    return sizes


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INT64


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_INT64


def _is_among(value: object, allowed: Iterable[str]) -> bool:
    return isinstance(value, str) and value in allowed
