"""The document by itself: whole, filled in, and consistent."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import freetheai_gateway
from freetheai_gateway import errors
from freetheai_gateway.dialects.anthropic_messages.errors import render_error as in_anthropics_form
from freetheai_gateway.dialects.openai_chat.errors import render_error as in_openais_form
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.domain.health import Status
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.testing.offers import PUBLIC_URL, make_offer
from freetheai_gateway.web.openapi.document import Instance, Object, build
from freetheai_gateway.web.openapi.route import OpenAPIRoute
from tests.unit.web.answers import ask

INSTANCE = Instance(title="Example", version="1.2.3", server_url=PUBLIC_URL, public_catalog=False)
_read: Decoder[Object] = Decoder(Object)


@pytest.fixture(scope="module")
def document() -> Object:
    return build(INSTANCE)


def nodes(value: object) -> Iterator[Object]:
    """Walk every object of the document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def every_error() -> list[type[GatewayError]]:
    """Find every class of the tree that a client can be shown."""
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GatewayError)]
    return [each for each in classes if each is not errors.ClientCanceled]


def test_document_when_built_then_name_version_and_address_are_those_of_the_instance(document: Object) -> None:
    """A client that was generated from it calls the right server."""
    assert document["openapi"].startswith("3.1.")
    assert (document["info"]["title"], document["info"]["version"]) == ("Example", "1.2.3")
    assert document["servers"] == [{"url": PUBLIC_URL, "description": "This server"}]
    assert f"`{PUBLIC_URL}/v1`" in document["info"]["description"]
    assert "{server}" not in document["info"]["description"]


def test_references_when_followed_then_each_leads_somewhere_and_nothing_is_unused(document: Object) -> None:
    """No dangling `$ref`, no component that nobody needs."""
    used = {node["$ref"] for node in nodes(document) if "$ref" in node}
    there = {f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named}
    schemes = {f"#/components/securitySchemes/{name}" for name in document["components"]["securitySchemes"]}
    only_in_messages_form = re.compile(r"#/components/responses/(Messages)?\w+")
    unused = there - schemes - used
    assert used <= there
    assert {name for name in unused if not only_in_messages_form.fullmatch(name)} == set()
    required = {name for node in nodes(document) for entry in node.get("security", []) for name in entry}
    assert required == set(document["components"]["securitySchemes"])


def test_operations_when_listed_then_each_has_a_name_of_its_own_and_every_common_refusal(document: Object) -> None:
    """Generated clients make a function of each name."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations:
        assert {"200", "400", "405", "408", "431", "500"} <= set(operation["responses"])
        assert set(operation["tags"]) <= tags
        assert operation["summary"]


def test_responses_when_described_then_each_carries_the_ids(document: Object) -> None:
    """Every response has them, so every description does."""
    inline = [node for node in nodes(document["paths"]) if "description" in node and "headers" in node]
    assert inline
    for response in (*inline, *document["components"]["responses"].values()):
        assert {"X-Request-Id", "Request-Id", "Server-Timing"} <= set(response["headers"])


@pytest.mark.parametrize("kind", every_error())
def test_error_when_rendered_then_its_status_and_type_are_described(kind: type[GatewayError], document: Object) -> None:
    """In both envelopes, on a route that completes; a new class of error must be added to the document."""
    schemas = document["components"]["schemas"]
    error = kind("Sorry.", retry_after_s=5)
    ours = _read(in_openais_form(error, "req_1"))["error"]
    described = schemas["Error"]["properties"]["error"]
    assert ours["type"] in described["properties"]["type"]["enum"]
    assert set(described["required"]) <= set(ours) <= set(described["properties"])
    theirs = _read(in_anthropics_form(error, "req_1"))
    described = schemas["AnthropicError"]["properties"]
    assert set(theirs) == set(described)
    assert theirs["error"]["type"] in described["error"]["properties"]["type"]["enum"]
    assert set(theirs["error"]["details"]) <= set(described["error"]["properties"]["details"]["properties"])
    if kind is not errors.NotFound:
        assert str(kind.status) in document["paths"]["/v1/chat/completions"]["post"]["responses"]


def test_words_when_the_domain_has_a_fixed_set_then_the_schema_has_the_same(document: Object) -> None:
    """Kinds of models and states of health."""
    schemas = document["components"]["schemas"]
    assert schemas["CatalogueEntry"]["properties"]["kind"]["enum"] == [kind.value for kind in ModelKind]
    assert schemas["Status"]["enum"] == [status.value for status in Status]


@pytest.mark.parametrize("path", ["/v1/models/full", "/v1/models/leaderboard"])
def test_catalogue_when_it_is_public_then_no_key_is_asked_for(path: str) -> None:
    """What the configuration decides is told as it is."""
    closed = build(INSTANCE)["paths"][path]["get"]
    opened = build(Instance("Example", "1.2.3", PUBLIC_URL, public_catalog=True))["paths"][path]["get"]
    assert "security" not in closed
    assert opened["security"] == [{}, {"bearer": []}, {"apiKey": []}]


async def test_route_when_asked_then_it_answers_everyone_and_follows_a_reload() -> None:
    """Public, open to pages of every origin, and made for the offer of now."""
    directory = Directory(make_offer())
    route = OpenAPIRoute(directory)
    first = await ask(route, "/v1/openapi.json")
    assert first.status == 200
    assert first.headers[b"access-control-allow-origin"] == b"*"
    assert first.headers[b"cache-control"] == b"public, max-age=300"
    document = _read(first.body)
    assert document["info"]["version"] == freetheai_gateway.__version__
    assert document["info"]["title"] == "Example"
    directory.offer = make_offer(site=type(directory.offer.site)(name="Renamed", public_url=PUBLIC_URL))
    assert _read((await ask(route, "/v1/openapi.json")).body)["info"]["title"] == "Renamed"


def test_parts_when_read_by_people_then_they_stay_short() -> None:
    """The files are written by hand."""
    folder = Path(freetheai_gateway.__file__).parent / "web" / "openapi"
    assert {part.name: part.read_text().count("\n") > 800 for part in folder.glob("*.json")} == {
        "document.json": False,
        "errors.json": False,
        "paths.json": False,
        "schemas.json": False,
    }
