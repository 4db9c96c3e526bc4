"""Schemas of tools that one vendor takes and another refuses."""

import pytest

from freetheai_gateway.app.dialects import UPSTREAMS
from freetheai_gateway.dialects.protocol import DialectName, Target
from freetheai_gateway.dialects.tool_schema import ANY_OBJECT, complete_schema, object_schema
from freetheai_gateway.domain.conversation import Conversation, Role, Text, Tool, Turn
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.jsonc import Raw, decode_any, encode

Json = dict[str, object]
TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}


def _object(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required}


def _written(schema: object, *, complete: bool = False) -> object:
    raw = Raw(encode(schema))
    return decode_any(complete_schema(raw) if complete else object_schema(raw))


@pytest.mark.parametrize("choice", ["anyOf", "oneOf"])
def test_choice_when_it_stands_at_the_top_then_its_branches_become_one_object(choice: str) -> None:
    """What every branch needs stays required; what differs between them may be either."""
    branches = [_object(["id", "kind"], id=TEXT, kind=TEXT), _object(["path", "kind"], path=TEXT, kind=NUMBER)]
    assert _written({"description": "d", choice: branches}) == {
        "description": "d",
        "type": "object",
        "properties": {"id": TEXT, "kind": {"anyOf": [TEXT, NUMBER]}, "path": TEXT},
        "required": ["kind"],
    }


def test_choice_when_it_only_says_what_is_required_then_the_properties_stay() -> None:
    """How MCP servers say "one of these three"."""
    schema = {**_object(["a"], a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert _written(schema) == _object(["a"], a=TEXT, b=TEXT)


def test_all_of_when_its_parts_are_references_then_all_their_needs_are_joined() -> None:
    defs = {"One": _object(["a"], a=TEXT), "Two": _object(["b"], b=NUMBER)}
    schema = {"$defs": defs, "allOf": [{"$ref": "#/$defs/One"}, {"$ref": "#/$defs/Two"}, {"$ref": "#/$defs/None"}, 7]}
    assert _written(schema) == {"$defs": defs, **_object(["a", "b"], a=TEXT, b=NUMBER)}


def test_schema_when_it_is_in_form_already_then_its_bytes_pass() -> None:
    schema = Raw(b'{ "type":"object", "properties":{"a":{"type":"array","items":{}}} }')
    assert bytes(object_schema(schema)) == bytes(complete_schema(schema)) == bytes(schema)
    assert object_schema(None) == complete_schema(None) == ANY_OBJECT
    assert object_schema(Raw(b"7")) == complete_schema(Raw(b'"x"')) == ANY_OBJECT


def test_schema_when_parts_are_missing_then_they_are_added_where_schemas_stand_and_nowhere_else() -> None:
    """A property may be called `type`, and an example may look like a schema."""
    assert _written({"type": "object"}, complete=True) == {"type": "object", "properties": {}}
    looks = {"type": "array"}
    schema = _object([], type={"type": "array"}, both={"anyOf": [{"type": "array"}, TEXT], "default": looks})
    assert _written(schema, complete=True) == _object(
        [],
        type={"type": "array", "items": {}},
        both={"anyOf": [{"type": "array", "items": {}}, TEXT], "default": looks},
    )


def test_schema_without_end_is_bounded() -> None:
    deep = b'{"items":' * 300 + b"{}" + b"}" * 300
    assert complete_schema(Raw(deep))


@pytest.mark.parametrize(
    ("upstream", "client"),
    [
        (DialectName.ANTHROPIC_MESSAGES, "openai_chat"),
        (DialectName.OPENAI_CHAT, "anthropic_messages"),
        (DialectName.OPENAI_RESPONSES, "anthropic_messages"),
    ],
)
def test_tool_when_its_schema_is_a_choice_then_each_upstream_gets_an_object(upstream: DialectName, client: str) -> None:
    schema = Raw(encode({"anyOf": [_object(["a"], a=TEXT), _object(["b"], b=TEXT)]}))
    conversation = Conversation("m", (Turn(Role.USER, (Text("Hi."),)),), (Tool("f", "d", schema),), dialect=client)
    body = UPSTREAMS[upstream].render(conversation, Target("m", Quirks(), 4096)).body
    assert encode({"type": "object", "properties": {"a": TEXT, "b": TEXT}}) in body
    assert b"anyOf" not in body
