"""The OpenAPI 3.1 document of the admin API, made of the table of its routes and the structs that they name."""

from collections.abc import Sequence

import msgspec

from freetheai_gateway import __version__
from freetheai_gateway.web.admin.table import DEFAULT_LIMIT, MAX_LIMIT, AdminRoute

Object = dict[str, object]

_QUERY: dict[str, tuple[str, Object]] = {
    "limit": ("Rows of a page.", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
    "cursor": ("`next_cursor` of the page before.", {"type": "string"}),
    "search": ("Part of a name, or a whole id or Discord id.", {"type": "string"}),
    "account": ("Id of an account.", {"type": "string"}),
    "by": (
        "What a row sums.",
        {"type": "string", "enum": ["day", "model", "provider", "account"], "default": "day"},
    ),
    "since": ("First UTC day: `2026-11-23`, or `7d` for a week back.", {"type": "string"}),
    "reason": ("Why; the audit list keeps it.", {"type": "string"}),
}
_ERROR: Object = {
    "description": "Refused; `error.message` says why.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object"}}}
        }
    },
}


def build(base: str, routes: Sequence[AdminRoute]) -> Object:
    """Build the whole document."""
    kinds = [kind for route in routes for kind in (route.answer, route.body) if kind is not None]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Object]] = {}
    for route in routes:
        paths.setdefault(f"{base}/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API",
            "version": __version__,
            "description": "Operators only: with the token of `server.admin_token`, or signed in with Discord, where "
            "every write needs the session's token in `X-CSRF-Token`. Every write may give a `reason`.",
        },
        "security": [{"admin_token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"admin_token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: AdminRoute) -> Object:
    operation: Object = {
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *(_query_parameter(name) for name in route.query)],
        "responses": {str(route.status): _answer(route), "default": _ERROR},
    }
    if route.body is not None:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": required, "content": _json(_reference(route.body))}
    return operation


def _path_parameters(route: AdminRoute) -> list[Object]:
    names = [segment[1:-1] for segment in route.segments if segment.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameter(name: str) -> Object:
    description, schema = _QUERY[name]
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _answer(route: AdminRoute) -> Object:
    schema = _reference(route.answer)
    if route.is_list:
        schema = {
            "type": "object",
            "required": ["object", "data", "next_cursor"],
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": schema},
                "next_cursor": {"type": ["string", "null"]},
            },
        }
    return {"description": route.summary, "content": _json(schema)}


def _reference(kind: type) -> Object:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _json(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}
