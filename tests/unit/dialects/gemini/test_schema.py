"""JSON Schemas in Gemini's subset: what is kept, what is said in other words, what is left out."""

from collections.abc import Iterator

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.dialects.gemini import schema as subset
from freetheai_gateway.dialects.gemini.schema import ALLOWED, MAX_NODES, parameters, response_schema
from freetheai_gateway.jsonc import encode_raw

Schema = dict[str, object]


def written(schema: object) -> Schema:
    """Write a schema as that of one argument, and have the official SDK judge it."""
    found = parameters(encode_raw({"type": "object", "properties": {"x": schema}}))
    assert found is not None
    check(found)
    properties = found["properties"]
    assert isinstance(properties, dict)
    argument = properties["x"]
    assert isinstance(argument, dict)
    return argument


def check(schema: Schema) -> None:
    """Judge by the SDK's type, which forbids unknown fields, and by the documented keywords."""
    types.Schema.model_validate(schema)
    for inner in schemas_in(schema):
        assert inner.keys() <= ALLOWED
        assert inner.get("type") != "array" or "items" in inner
        assert inner.get("properties") != {}
        required, properties = inner.get("required", []), inner.get("properties", {})
        assert isinstance(required, list)
        assert isinstance(properties, dict)
        assert set(required) <= properties.keys()


def schemas_in(schema: Schema) -> Iterator[Schema]:
    """Walk a schema and all in it."""
    yield schema
    properties, items, choice = schema.get("properties", {}), schema.get("items"), schema.get("anyOf", [])
    assert isinstance(properties, dict)
    assert isinstance(choice, list)
    for inner in (*properties.values(), *choice, *([] if items is None else [items])):
        yield from schemas_in(inner)


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "string", "minLength": 1, "pattern": "^a"}, {"type": "string", "minLength": 1, "pattern": "^a"}),
        ({"type": "STRING", "format": "uri"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "integer", "format": "int64", "exclusiveMinimum": 0}, {"type": "integer", "format": "int64"}),
        ({"type": "number", "minimum": 0.5, "multipleOf": 2}, {"type": "number", "minimum": 0.5}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"const": "fixed"}, {"type": "string", "enum": ["fixed"]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "string", "enum": ["1", "2"]}),
        ({"type": "string", "enum": ["a", "", "a", None]}, {"type": "string", "enum": ["a"], "nullable": True}),
        ({"type": "boolean", "const": True}, {"type": "boolean"}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": True, "uniqueItems": True}, {"type": "array", "items": {}}),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}, {"type": "object"}),
        (
            {"properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"anyOf": [{"type": "string"}, {}]}, {}),
        ({"not": {"type": "string"}}, {}),
        (True, {}),
    ],
)
def test_schema_of_an_argument_when_written_then_is_in_the_subset(given_schema: object, expected: Schema) -> None:
    """One keyword after the other that the subset lacks or words differently."""
    assert written(given_schema) == expected


def test_bug_109_schema_of_a_tool_server_then_loses_what_is_refused() -> None:
    """Keywords that generators of schemas add everywhere, also as names of arguments, which stay."""
    found = parameters(
        encode_raw(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": "x",
                "type": "object",
                "additionalProperties": False,
                "propertyNames": {"pattern": "^[a-z]+$"},
                "patternProperties": {"^x": {}},
                "properties": {
                    "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string", "const": "t"}},
                    "const": {"type": "string", "examples": ["a"], "default": "b"},
                },
                "required": ["tags", "gone"],
                "if": {"properties": {"tags": {}}},
                "then": {"required": ["const"]},
            }
        )
    )
    assert found == {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": "string", "enum": ["t"]}},
            "const": {"type": "string", "default": "b"},
        },
        "required": ["tags"],
    }


@pytest.mark.parametrize(
    "nothing",
    [None, {}, {"type": "object"}, {"type": "object", "properties": {}}, {"type": "string"}, [], True, {"anyOf": [{}]}],
)
def test_parameters_when_there_are_none_then_are_left_out(nothing: object) -> None:
    """An empty object at the root is an error there."""
    assert parameters(None if nothing is None else encode_raw(nothing)) is None


def test_schema_when_it_refers_then_is_written_in_place() -> None:
    """References, escapes in them, and what stands beside them."""
    found = parameters(
        encode_raw(
            {
                "type": "object",
                "properties": {
                    "a": {"$ref": "#/$defs/a~1b%20c", "description": "own"},
                    "b": {"$ref": "#/properties/a"},
                    "c": {"$ref": "https://example.com/elsewhere"},
                },
                "$defs": {"a/b c": {"type": "string", "description": "theirs", "maxLength": 3}},
            }
        )
    )
    argument = {"type": "string", "description": "own", "maxLength": 3}
    assert found == {"type": "object", "properties": {"a": argument, "b": argument, "c": {}}}


def test_schema_when_it_refers_to_itself_then_is_cut_to_an_object() -> None:
    """A tree, and a reference to the root."""
    node = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}
    found = parameters(encode_raw({"$ref": "#/$defs/node", "$defs": {"node": node}}))
    children = {"type": "array", "items": {"type": "object"}}
    assert found == {"type": "object", "properties": {"children": children}}
    to_root = parameters(encode_raw({"type": "object", "properties": {"again": {"$ref": "#"}}}))
    assert to_root is not None
    check(to_root)


def test_schema_with_all_of_then_is_one_object() -> None:
    """All parts hold at once, so their properties and requirements come together."""
    first = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    found = written({"allOf": [first, {"$ref": "#/$defs/x"}, {"properties": {"b": {"type": "number"}}}], "title": "T"})
    assert found == {
        "type": "object",
        "title": "T",
        "properties": {"a": {"type": "string"}, "b": {"type": "number"}},
        "required": ["a"],
    }


def test_schema_with_several_types_then_offers_each_with_its_own_keywords() -> None:
    """What is about arrays stands at the array only; null becomes a mark."""
    found = written({"type": ["string", "array", "null"], "items": {"type": "integer"}, "description": "d"})
    assert found == {
        "description": "d",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
        "nullable": True,
    }


def test_schema_with_alternatives_of_requirements_only_then_keeps_the_object() -> None:
    """Such alternatives can't be said; the object's own properties can."""
    properties = {"a": {"type": "string"}, "b": {"type": "string"}}
    found = written({"type": "object", "properties": properties, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert found == {"type": "object", "properties": properties}


def test_schema_with_alternatives_beside_properties_then_says_both_in_each() -> None:
    """Nothing may stand beside `anyOf` but labels."""
    found = written(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "oneOf": [{"properties": {"b": {"type": "string"}}}, {"properties": {"c": {"type": "number"}}}],
        }
    )
    assert found["anyOf"] == [
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "number"}}},
    ]


def test_parameters_when_they_are_a_choice_then_become_one_object() -> None:
    """What every alternative requires stays required."""
    a, b, c = ({"type": "string"}, {"type": "number"}, {"type": "boolean"})
    found = parameters(
        encode_raw(
            {
                "description": "d",
                "anyOf": [
                    {"type": "object", "properties": {"a": a, "b": b}, "required": ["a", "b"]},
                    {"type": "object", "properties": {"a": a, "c": c}, "required": ["a"]},
                ],
            }
        )
    )
    assert found == {
        "type": "object",
        "description": "d",
        "properties": {"a": a, "b": b, "c": c},
        "required": ["a"],
    }


def test_schema_that_doubles_with_every_reference_then_stays_bounded() -> None:
    """A few lines that would stand for billions of schemas."""
    names = [f"d{level}" for level in range(30)]
    defs: Schema = {
        name: {"type": "object", "properties": {side: {"$ref": f"#/$defs/{inner}"} for side in "lr"}}
        for name, inner in zip(names, [*names[1:], "leaf"], strict=True)
    }
    found = parameters(encode_raw({"$ref": "#/$defs/d0", "$defs": {**defs, "leaf": {"type": "string"}}}))
    assert found is not None
    assert sum(1 for _ in schemas_in(found)) <= 2 * MAX_NODES


@pytest.mark.parametrize("keyword", ["items", "allOf", "anyOf", "properties"])
def test_schema_that_is_too_deep_then_is_cut(keyword: str) -> None:
    """Nesting comes from the client and ends in an object."""
    schema: Schema = {"type": "string"}
    for _ in range(300):
        nested: dict[str, Schema] = {
            "items": {"type": "array", "items": schema},
            "allOf": {"allOf": [schema]},
            "anyOf": {"anyOf": [schema, {"type": "number"}]},
            "properties": {"type": "object", "properties": {"p": schema}},
        }
        schema = nested[keyword]
    written(schema)


def test_schema_of_an_answer_then_is_in_the_subset_too() -> None:
    """For models that know `responseSchema` only; any type may be at the root there."""
    found = response_schema(encode_raw({"type": "array", "items": {"const": 1}, "$schema": "x"}))
    assert found == {"type": "array", "items": {"type": "string", "enum": ["1"]}}
    assert response_schema(None) == {"type": "object"}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keywords = st.sampled_from(
    [
        *sorted(ALLOWED),
        *("$ref", "$defs", "$schema", "allOf", "oneOf", "const", "not", "if", "prefixItems", "additionalProperties"),
        *("exclusiveMinimum", "uniqueItems", "examples", "nullable", "made-up"),
    ]
)
words = st.sampled_from(["object", "array", "string", "number", "null", "integer", "any", "#", "#/$defs/a", "a"])
anything = st.recursive(
    scalars | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(words, max_size=3)
        | st.dictionaries(keywords | st.just("a"), inner, max_size=5)
    ),
    max_leaves=25,
)
objects = st.dictionaries(keywords, anything, max_size=6)


@settings(max_examples=300, deadline=None)
@given(objects)
def test_any_schema_when_written_then_holds_allowed_keywords_only(schema: Schema) -> None:
    """Whatever a client calls a schema; the SDK's type agrees."""
    check(response_schema(encode_raw(schema)))
    found = parameters(encode_raw(schema))
    if found is not None:
        check(found)
        assert found["type"] == "object"
        assert found["properties"]


def test_allowed_keywords_are_known_to_the_sdk() -> None:
    """The documented list and the official type do not drift apart."""
    known = {field.alias or name for name, field in types.Schema.model_fields.items()}
    assert known >= subset.ALLOWED
