"""What several vendors refuse of tools: a choice of one that is not offered, and schemas of some forms."""

from collections.abc import Iterable, Iterator

from freetheai_gateway.testing.voices.voice import Object, objects

_CHOICES = ("anyOf", "oneOf", "allOf", "enum", "not")


def not_offered(chosen: Iterable[object], offered: Iterable[object]) -> list[str]:
    """Name what is chosen and not offered."""
    known = set(map(str, offered))
    return [f"tool_choice: tool {name} not found in tools" for name in map(str, chosen) if name not in known]


def schema_faults(place: str, schema: object, *, complete: bool) -> Iterator[str]:
    """Check the schema of a tool's input; `complete`: no `properties` and no `items` may be missing (OpenAI)."""
    if not isinstance(schema, dict):
        yield f"{place}: a schema must be an object"
        return
    if schema.get("type") != "object":
        yield f"{place}: schema must have type object"
    yield from (f"{place}: no {name} at the top level" for name in _CHOICES if name in schema)
    if complete and "properties" not in schema:
        yield f"{place}: object schema missing properties"
    if complete:
        yield from _without_items(place, schema)


def _without_items(place: str, schema: Object) -> Iterator[str]:
    if schema.get("type") == "array" and "items" not in schema:
        yield f"{place}: array schema missing items"
    properties = schema.get("properties")
    inner = objects(list(properties.values())) if isinstance(properties, dict) else []
    for child in [*inner, *objects([schema.get("items")]), *objects(schema.get("anyOf"))]:
        yield from _without_items(place, child)
