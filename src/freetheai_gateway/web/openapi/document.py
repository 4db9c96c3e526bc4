"""Putting the document together from its parts, and filling in what only the running gateway knows.

`document.json` says what the API is and how to authenticate, `paths.json` what each route takes and gives,
`schemas.json` the bodies, `errors.json` the refusals. Added here is what is the same everywhere: refusals that every
route can answer with, their two envelopes, and the headers of every response.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freetheai_gateway.jsonc import Decoder

Object = dict[str, Any]
"""JSON of our own files, whose shape is known."""

_read: Decoder[Object] = Decoder(Object)

ANTHROPIC = "Messages"
"""Begins the names of responses in Anthropic's envelope."""
_EVERYWHERE = {
    "400": "BadRequest",
    "405": "MethodNotAllowed",
    "408": "RequestTimeout",
    "431": "HeadersTooLarge",
    "500": "ServerError",
}
_BEFORE_THE_ROUTE = frozenset({"BadRequest", "RequestTimeout", "HeadersTooLarge", "ServerError"})
"""What the edge may refuse before it knows the route, and thus in OpenAI's envelope."""
_HEADERS = {
    "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
    "Request-Id": {"$ref": "#/components/headers/RequestId"},
    "Server-Timing": {"$ref": "#/components/headers/ServerTiming"},
}
_MESSAGES_ROUTES = "/v1/messages"
_KEYLESS_WHEN_PUBLIC = ("/v1/models/full", "/v1/models/leaderboard")


@dataclass(frozen=True, slots=True)
class Instance:
    """What the document says of the gateway that serves it."""

    title: str
    version: str
    server_url: str
    public_catalog: bool
    """Whether the catalogue can be read without a key."""


def build(instance: Instance) -> Object:
    """Build the whole document."""
    document = _part("document")
    document["info"] |= {"title": instance.title, "version": instance.version}
    document["info"]["description"] = document["info"]["description"].replace("{server}", instance.server_url)
    document["servers"][0]["url"] = instance.server_url
    document["paths"] = paths = _part("paths")
    document["components"] |= {"responses": _error_responses(), "schemas": _part("schemas")}
    for path, methods in paths.items():
        for operation in methods.values():
            _complete(operation, ANTHROPIC if path.startswith(_MESSAGES_ROUTES) else "")
    if instance.public_catalog:
        for path in _KEYLESS_WHEN_PUBLIC:
            paths[path]["get"]["security"] = [{}, *document["security"]]
    return document


def _part(name: str) -> Object:
    return _read(Path(__file__).with_name(f"{name}.json").read_bytes())


def _complete(operation: Object, envelope: str) -> None:
    responses = operation["responses"]
    for status, name in _EVERYWHERE.items():
        responses.setdefault(status, {"$ref": f"#/components/responses/{envelope}{name}"})
    for response in responses.values():
        if "$ref" not in response:
            response["headers"] = _HEADERS | response.get("headers", {})
    operation["responses"] = dict(sorted(responses.items()))


def _error_responses() -> Object:
    responses = {}
    for name, response in _part("errors").items():
        common = response | {"headers": _HEADERS | response.get("headers", {})}
        early = ["Error"] if name in _BEFORE_THE_ROUTE else []
        responses[name] = common | {"content": _json("Error")}
        responses[ANTHROPIC + name] = common | {"content": _json("AnthropicError", *early)}
    return responses


def _json(*schemas: str) -> Object:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}
