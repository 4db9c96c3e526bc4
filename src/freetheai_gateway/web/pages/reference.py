"""The OpenAPI document laid out for reading: operations with their parameters, bodies and answers as flat rows.

A viewer from elsewhere was weighed: the smallest of the well-kept ones is several times the size of any page here and
needs inline styles, which the pages' Content-Security-Policy forbids (docs/decisions).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
MAX_DEPTH = 4
"""Levels of nesting that are shown; deeper objects are named and not opened."""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of a body or a parameter; `depth` is how far it is indented."""

    name: str
    type: str
    required: bool
    description: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented status."""

    status: str
    description: str

    @property
    def is_error(self) -> bool:
        """Whether it tells of a failure."""
        return self.status[:1] in {"4", "5"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    needs_key: bool
    parameters: Sequence[FieldRow]
    body: Sequence[FieldRow]
    answers: Sequence[Answer]


def read_operations(document: Object) -> list[Operation]:
    """Read every operation of a document, in its order."""
    return [
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(document: Object, path: str, method: str, operation: Object) -> Operation:
    content = _resolve(document, operation.get("requestBody", {})).get("content", {})
    media: Object = next(iter(content.values()), {})
    schema = media.get("schema", {})
    security = operation.get("security", document.get("security", []))
    return Operation(
        anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '') or 'root'}",
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        needs_key=bool(security) and {} not in security,
        parameters=[_parameter(_resolve(document, each)) for each in operation.get("parameters", [])],
        body=list(_fields(document, schema, 0)),
        answers=[
            Answer(status, _resolve(document, answer).get("description", ""))
            for status, answer in operation["responses"].items()
        ],
    )


def _parameter(parameter: Object) -> FieldRow:
    return FieldRow(
        name=parameter["name"],
        type=f"{parameter['in']}, {_type_name(parameter.get('schema', {}))}",
        required=parameter.get("required", False),
        description=parameter.get("description", ""),
    )


def _fields(document: Object, schema: Object, depth: int) -> Iterator[FieldRow]:
    schema = _resolve(document, schema)
    if depth > MAX_DEPTH:
        return
    required = schema.get("required", [])
    for name, inner in schema.get("properties", {}).items():
        resolved = _resolve(document, inner)
        description = inner.get("description") or resolved.get("description", "")
        yield FieldRow(name, _type_name(resolved), name in required, description, depth)
        yield from _fields(document, resolved.get("items", resolved), depth + 1)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _fields(document, part, depth)


def _type_name(schema: Object) -> str:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        return ("one of " if len(values) > 1 else "") + ", ".join(str(value) for value in values)
    kind = schema.get("type")
    if kind == "array":
        return f"array of {_type_name(schema.get('items', {}))}"
    if kind:
        return " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return " or ".join(dict.fromkeys(_type_name(part) for part in parts)) or "any"


def _resolve(document: Object, value: Object) -> Object:
    """Follow a reference within the document."""
    while "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value
