"""The OpenAPI document against the server that serves it: schemathesis makes up requests, right and wrong ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from freetheai_gateway.ids import new_key
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.web.openapi.document import Instance, Object, build
from tests.e2e.configuration import ABOVE, MODEL, PLAIN, SLASHES, STARTER, UNSET
from tests.e2e.gateway import Gateway, Key
from tests.e2e.wire import call, chat_body

EXAMPLES = {"get": 6, "post": 30}
CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PATHS: dict[str, dict[str, Object]] = build(Instance("", "", "", public_catalog=False))["paths"]
OPERATIONS = sorted((path, method) for path, methods in PATHS.items() for method in methods)
ENDS_THE_KEY = {("/v1/account/key", "post"), ("/v1/account", "delete")}
"""Asked by the tests of accounts and of signing in, with keys that nobody else needs."""
ASK_FOR_A_KEY = [(path, method) for path, method in OPERATIONS if "security" not in PATHS[path][method]]
PER_MINUTE = 10
"""Of the tier that this suite calls Starter."""
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
MODELS = (None, PLAIN, MODEL, MODEL, ABOVE, UNSET, SLASHES)
"""What stands in for a made-up id, which is hardly ever one of the catalogue's; `None` leaves it."""
PLAYS = (
    "plain",
    "plain",
    "tools",
    "status?code=500",
    "status?code=429&retry_after=2",
    "status?code=400&form=int_code",
    "cut-before-head",
    "bad-json",
    "cut-mid-stream",
    "error-first",
)
AnyCase = Case[Any]
AnyOperation = APIOperation[Any, Any, Any, Any]
ours = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who tries an API that they know from its document; without a key of their own they make some up."""

    url: str
    key: Key | None
    api: BaseSchema
    session: requests.Session

    def operation(self, path: str, method: str) -> AnyOperation:
        """Find an operation."""
        return self.api[path][method.upper()]

    def try_one(self, case: AnyCase) -> int:
        """Send a request; the answer must be a documented one, and no 500. Returns the status."""
        headers = self.key.bearer if self.key else None
        response = case.call(self.url, session=self.session, headers=headers, timeout=10)
        assert response.status_code != 500
        case.validate_response(response, checks=CONFORMS)
        return response.status_code


@pytest.fixture(scope="module")
def callers(shared: Gateway) -> Iterator[Mapping[str, Caller]]:
    """Give callers whose accounts no other test counts on."""
    keys: dict[str, Key | None] = {**shared.create_keys({"no limits": None, "tier 1": STARTER}), "made up": None}
    apis = {made_up: read_document(shared, makes_up_keys=made_up) for made_up in (False, True)}
    with requests.Session() as session:
        yield {name: Caller(shared.url, key, apis[key is None], session) for name, key in keys.items()}


def read_document(gateway: Gateway, *, makes_up_keys: bool) -> BaseSchema:
    """Read the document from the server."""
    config = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": makes_up_keys}})
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json", config=config)


def made_up(operation: AnyOperation) -> st.SearchStrategy[AnyCase]:
    """Make up requests that fit the description, and, where there is anything to get wrong, some that do not."""
    right = operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body or operation.query or operation.headers:
        return st.one_of(right, operation.as_strategy(GenerationMode.NEGATIVE))
    return right


def name_model(case: AnyCase, model: str | None) -> None:
    """Put a model of the catalogue in the place of a made-up one, where the request names any."""
    if model is None:
        return
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body = {**case.body, "model": model}
    if "id" in case.path_parameters:
        case.path_parameters = {"id": model}


def test_document_when_read_then_it_is_valid_openapi(gateway: Gateway) -> None:
    """By the specification's own schema, at its own address, below `/v1` and in the form of this server."""
    read_document(gateway, makes_up_keys=True).validate()
    reply = call(gateway, "GET", "/v1/openapi.json", headers={"origin": "https://page.example"})
    assert reply.body == call(gateway, "GET", "/openapi.json").body
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["access-control-allow-origin"] == "*"
    servers = reply.json()["servers"]
    assert isinstance(servers, list)
    assert [server["url"] for server in servers] == [gateway.url]


@pytest.fixture(params=["no limits", "tier 1", "made up"])
def caller(request: pytest.FixtureRequest, callers: Mapping[str, Caller]) -> Caller:
    return callers[request.param]


@pytest.mark.parametrize(("path", "method"), [each for each in OPERATIONS if each not in ENDS_THE_KEY])
def test_operation_when_tried_with_made_up_requests_then_every_answer_is_documented(
    upstream: ScriptedUpstream, caller: Caller, path: str, method: str
) -> None:
    """Status, content type, headers and body are as described, whoever asks; and none of them is a 500."""

    @settings(ours, max_examples=EXAMPLES[method])
    @given(made_up(caller.operation(path, method)), st.sampled_from(MODELS), st.sampled_from(PLAYS))
    def try_many(case: AnyCase, model: str | None, play: str) -> None:
        upstream.play("scripted", play)
        name_model(case, model)
        caller.try_one(case)

    try_many()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(("model", "status"), [(ABOVE, 403), (UNSET, 503), (PLAIN, 429)])
def test_refusal_when_provoked_then_it_is_documented_on_either_route(
    callers: Mapping[str, Caller], path: str, model: str, status: int
) -> None:
    """What made-up requests seldom meet: tier, set-up and limits, each in the envelope of its route."""
    caller = callers["tier 1"]
    operation = caller.operation(path, "post")
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hi."}]}
    seen = [caller.try_one(operation.Case(body=body, media_type="application/json")) for _ in range(PER_MINUTE + 1)]
    assert status in seen


@pytest.mark.parametrize(("path", "method"), ASK_FOR_A_KEY)
@pytest.mark.parametrize("presented", [{}, {"authorization": f"Bearer {new_key()}"}, {"x-api-key": new_key()}])
def test_operation_when_it_asks_for_a_key_then_there_is_no_answer_without(
    gateway: Gateway, path: str, method: str, presented: Mapping[str, str]
) -> None:
    """What the document says of security holds: no key and an unknown one are refused, in either header."""
    reply = call(gateway, method.upper(), path.format(id=PLAIN), body=chat_body(PLAIN), headers=presented)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("path", "method"), sorted(set(OPERATIONS) - set(ASK_FOR_A_KEY)))
def test_operation_when_it_asks_for_no_key_then_it_answers_without(gateway: Gateway, path: str, method: str) -> None:
    """Public routes, those that only a direct neighbour may read, and those whose address alone is the right."""
    assert call(gateway, method.upper(), path.format(id=PLAIN)).status == (404 if "{" in path else 200)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_path_when_called_with_another_method_then_405_names_those_it_has(
    gateway: Gateway, key: Key, path: str
) -> None:
    """As `Allow` says and the document describes."""
    for method in sorted(METHODS - set(PATHS[path])):
        reply = call(gateway, method.upper(), path.format(id=PLAIN), key=key, body=chat_body(PLAIN))
        assert reply.status == 405, (method, path)
        allowed = {name.strip().lower() for name in reply.headers["allow"].split(",")}
        assert set(PATHS[path]) <= allowed <= {*PATHS[path], "head", "options"}
