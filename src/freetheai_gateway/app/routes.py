"""The table of routes: which path is answered by what, in which dialect errors are told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from freetheai_gateway.app.images import ImageServices, image_routes
from freetheai_gateway.app.login import SignIn
from freetheai_gateway.app.pages import Pages, PageServices
from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_embeddings import OpenAIEmbeddings
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.count_tokens import TokenCounter
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.own_account import OwnAccount
from freetheai_gateway.services.personal_data import PersonalData
from freetheai_gateway.services.ports import UsageStore
from freetheai_gateway.services.reports import NodeReports
from freetheai_gateway.web.account import AccountRoutes, Owners, Paces, ReplaceKey
from freetheai_gateway.web.asgi import Complain
from freetheai_gateway.web.catalogue import CatalogueRoutes
from freetheai_gateway.web.completions import CompletionRoute, CountTokensRoute
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.health import HealthRoutes, ProbeRoutes
from freetheai_gateway.web.metrics import MetricsRoute
from freetheai_gateway.web.models import ModelRoutes
from freetheai_gateway.web.openapi.route import OpenAPIRoute
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.pages.site import Promise
from freetheai_gateway.web.routes import Route

EXPORTS_A_MINUTE, LISTS_A_MINUTE = 5, 30
"""Of one account: everything that is kept, and pages of its requests."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the handlers need."""

    directory: Directory
    authenticator: Authenticator
    completions: Completions
    images: ImageServices
    token_counter: TokenCounter
    observer: Observer
    lanes: LaneBuilder
    reports: NodeReports
    usage: UsageStore
    clock: Clock
    gate: OperatorGate
    is_draining: Callable[[], bool]
    max_body_bytes: int
    promise: Promise
    own_account: OwnAccount
    desk: AccountDesk
    personal: PersonalData
    sign_in: SignIn | None = None
    replace_key: ReplaceKey | None = None
    has_admin_token: bool = True
    crowd: Crowd = field(default_factory=Crowd)


@dataclass(frozen=True, slots=True)
class Table:
    """All routes: those of the API, those of the pages, and who shows errors to browsers."""

    api: list[Route]
    pages: list[Route]
    complain: Complain


def build_routes(services: Services) -> Table:
    """Build all routes; a new one is one more entry here and one handler in `web`."""
    chat, messages, responses = OpenAIChat(), AnthropicMessages(), OpenAIResponses()
    embeddings = OpenAIEmbeddings()
    health = HealthRoutes(services.directory, services.observer, services.usage, services.clock, services.reports)
    pages = _pages(services, health)
    count = CountTokensRoute(services.authenticator, services.token_counter, services.max_body_bytes, services.crowd)
    api = [
        Route("/chat/completions", {"POST": _completion(chat, services)}, chat),
        Route("/messages", {"POST": _completion(messages, services)}, messages),
        Route("/messages/count_tokens", {"POST": count}, messages),
        Route("/responses", {"POST": _completion(responses, services)}, responses),
        Route("/embeddings", {"POST": _completion(embeddings, services, ModelKind.EMBEDDING)}, embeddings),
        *image_routes(services.images, services.authenticator, services.max_body_bytes, services.crowd, chat),
        *_catalogue_routes(services, pages, chat),
        *_account_routes(services, pages, chat),
        *_public_routes(services, health, pages, chat),
    ]
    return Table(api, pages.routes(chat), pages.complain)


def _completion(dialect: Dialect, services: Services, kind: ModelKind = ModelKind.CHAT) -> CompletionRoute:
    return CompletionRoute(
        dialect,
        services.authenticator,
        services.completions,
        max_body_bytes=services.max_body_bytes,
        kind=kind,
        crowd=services.crowd,
    )


def _pages(services: Services, health: HealthRoutes) -> Pages:
    return Pages(
        PageServices(
            directory=services.directory,
            observer=services.observer,
            lanes=services.lanes,
            usage=services.usage,
            clock=services.clock,
            facts=health.body,
            promise=services.promise,
            sign_in=services.sign_in,
            has_admin_token=services.has_admin_token,
        )
    )


def _account_routes(services: Services, pages: Pages, dialect: Dialect) -> list[Route]:
    sessions = None if services.sign_in is None else services.sign_in.gate
    owners = Owners(services.authenticator, sessions, services.replace_key)
    paces = Paces(RefusalGuard(limit=EXPORTS_A_MINUTE), RefusalGuard(limit=LISTS_A_MINUTE), services.clock)
    account = AccountRoutes(owners, services.own_account, services.desk, services.personal, paces)
    return [
        Route("/account", {"GET": pages.account_or(account.show), "DELETE": account.erase}, dialect),
        Route("/account/requests", {"GET": account.requests}, dialect),
        Route("/account/export", {"GET": account.export}, dialect),
        Route("/account/key", {"POST": account.replace_key}, dialect),
    ]


def _catalogue_routes(services: Services, pages: Pages, dialect: Dialect) -> list[Route]:
    models = ModelRoutes(services.directory, services.authenticator)
    catalogue = CatalogueRoutes(
        services.directory,
        services.authenticator,
        services.observer,
        services.lanes,
        usage=services.usage,
        clock=services.clock,
    )
    return [
        Route("/models", {"GET": pages.models_or(models.list_models)}, dialect),
        Route("/models/full", {"GET": catalogue.full}, dialect),
        Route("/models/leaderboard", {"GET": catalogue.leaderboard}, dialect),
        Route("/models", {"GET": pages.model_or(models.show_model)}, dialect, takes_rest="id"),
    ]


def _public_routes(services: Services, health: HealthRoutes, pages: Pages, dialect: Dialect) -> list[Route]:
    probes = ProbeRoutes(services.gate, services.is_draining)
    return [
        Route("/health", {"GET": health.health}, dialect),
        Route("/openapi.json", {"GET": OpenAPIRoute(services.directory)}, dialect),
        Route("/", {"GET": health.base_url}, dialect),
        Route("/", {"GET": pages.home_or(health.base_url)}, dialect, top=True),
        Route("/healthz", {"GET": probes.alive}, dialect, top=True),
        Route("/readyz", {"GET": probes.ready}, dialect, top=True),
        Route("/metrics", {"GET": MetricsRoute(services.reports.families, services.gate)}, dialect, top=True),
    ]
