"""The table of routes and the OpenAPI document name the same paths and methods."""

from collections.abc import Sequence

import pytest

from freetheai_gateway.app.images import build_images
from freetheai_gateway.app.routes import Services, build_routes
from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.domain.limits import Limits, Standing
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.count_tokens import TokenCounter
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.own_account import OwnAccount
from freetheai_gateway.services.personal_data import Erasure, Kept, PersonalData
from freetheai_gateway.services.reports import NodeReports, NoSiblings
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.settings import default_settings
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import PUBLIC_URL
from freetheai_gateway.testing.ports import StaticKeyLookup
from freetheai_gateway.web.openapi.document import Instance, Object, build
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.pages.site import Promise
from freetheai_gateway.web.routes import Route, Router
from tests.unit.services.governed import Governed
from tests.unit.services.test_accounts import MemoryAccounts
from tests.unit.web.answers import RankedUsage

ASKS_FOR_NO_KEY = {"/v1/images/files/{id}", "/v1/health", "/v1/openapi.json", "/v1", "/", "/healthz"}


def _ignore(_trace: Trace) -> None:
    """Observe nothing."""


async def _no_standings(_account_id: str, _limits: Limits) -> Sequence[Standing]:
    return ()


class NothingPersonal:
    """Implements `PersonalStore` for a table of routes that nobody calls."""

    async def read(self, account: Account, most_requests: int, until: float) -> Kept:
        return Kept(account)

    async def erase(self, erasure: Erasure) -> bool:
        return False

    async def sweep(self, now: float) -> None:
        """Find nothing."""


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    """Build the table as `app` does, over fakes."""
    governed = Governed()
    clock, metrics, accounts = FakeClock(), Metrics(), MemoryAccounts()
    observer = Observer(metrics, Thresholds(), clock)
    services = Services(
        directory=governed.directory,
        authenticator=Authenticator(StaticKeyLookup(), governed.directory),
        completions=governed.completions,
        observer=observer,
        images=build_images(
            default_settings(), governed.directory, governed.admission, governed.ledger, clock=clock, observe=_ignore
        ),
        token_counter=TokenCounter(
            governed.directory, governed.admission, governed.client, MessagesTranslator(), clock
        ),
        lanes=LaneBuilder({}, {}),
        reports=NodeReports(metrics, {}, observer, NoSiblings()),
        usage=RankedUsage(),
        clock=clock,
        gate=OperatorGate(None),
        is_draining=lambda: False,
        max_body_bytes=1024,
        promise=Promise(30, 400, 3600),
        own_account=OwnAccount(governed.directory, RankedUsage(), _no_standings, clock),
        desk=AccountDesk(accounts, clock, "test"),
        personal=PersonalData(accounts, NothingPersonal(), clock, "test"),
    )
    return build_routes(services).api


@pytest.fixture(scope="module")
def paths() -> Object:
    document = build(Instance("Example", "1.2.3", PUBLIC_URL, public_catalog=False))
    described = document["paths"]
    assert isinstance(described, dict)
    return described


def methods_of(routes: list[Route]) -> dict[str, set[str]]:
    """Name each route as the router labels it in logs and metrics."""
    router = Router(routes)
    found = {}
    for route in routes:
        example = f"{route.path}/some/thing" if route.takes_rest else route.path
        name = router.find(example if route.top else f"/v1{example}").name
        found[name] = {method.lower() for method in route.handlers}
    return found


def test_routes_when_compared_with_the_document_then_both_name_the_same(routes: list[Route], paths: Object) -> None:
    """A route that is added must be described, and what is described must be there."""
    assert methods_of(routes) == {path: set(methods) for path, methods in paths.items()}


def test_parameters_when_a_route_takes_them_then_the_document_names_them(routes: list[Route], paths: Object) -> None:
    """Exactly those that stand in the path."""
    for path, methods in paths.items():
        taken = {
            f"{{{route.takes_rest}}}" for route in routes if route.takes_rest and f"{{{route.takes_rest}}}" in path
        }
        for operation in methods.values():
            inside = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert {f"{{{name}}}" for name in inside} == taken


def test_errors_when_a_route_speaks_anthropics_dialect_then_the_document_shows_its_envelope(
    routes: list[Route], paths: Object
) -> None:
    """The dialect of the table decides the form of every refusal that is described."""
    dialects = {f"/v1{route.path}": route.dialect.name for route in routes if not route.takes_rest}
    for path, methods in paths.items():
        anthropic = dialects.get(path) == "anthropic_messages"
        for operation in methods.values():
            references = [each["$ref"] for each in operation["responses"].values() if "$ref" in each]
            assert references
            assert {each.startswith("#/components/responses/Messages") for each in references} == {anthropic}


def test_security_when_a_route_is_public_then_the_document_asks_for_no_key(paths: Object) -> None:
    """An empty list overrides the default of the whole document."""
    keyless = {path for path, methods in paths.items() if methods.get("get", {}).get("security") == []}
    assert keyless == ASKS_FOR_NO_KEY
