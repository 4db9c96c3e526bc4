"""The table of pages, and the two addresses that serve programs and people alike."""

from dataclasses import dataclass

from freetheai_gateway.app.login import SignIn
from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import GatewayError, NotFound
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import UsageStore
from freetheai_gateway.web.pages.assets import serve_asset
from freetheai_gateway.web.pages.documents import DocumentPages
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.pages.history import History
from freetheai_gateway.web.pages.models import CataloguePages
from freetheai_gateway.web.pages.negotiation import Page, PageOr
from freetheai_gateway.web.pages.playground import PlaygroundPage
from freetheai_gateway.web.pages.site import Promise, SitePages
from freetheai_gateway.web.pages.status import HealthFacts, StatusPages
from freetheai_gateway.web.pages.tools import ToolPages
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Handler, Route


@dataclass(frozen=True, slots=True)
class PageServices:
    """What the pages need."""

    directory: Directory
    observer: Observer
    lanes: LaneBuilder
    usage: UsageStore
    clock: Clock
    facts: HealthFacts
    promise: Promise
    sign_in: SignIn | None = None
    has_admin_token: bool = True


class Pages:
    """Every page of the instance, as handlers."""

    def __init__(self, services: PageServices) -> None:
        self._frame = frame = Frame(services.directory)
        self._site = SitePages(
            frame,
            services.directory,
            services.facts,
            usage=services.usage,
            clock=services.clock,
            promise=services.promise,
        )
        self._documents = DocumentPages(frame, services.directory)
        self._catalogue = CataloguePages(frame, services.directory, services.observer, services.lanes, services.clock)
        history = History(services.usage, services.observer.thresholds, services.clock)
        self._status = StatusPages(frame, services.directory, services.facts, history, services.clock)
        self._playground = PlaygroundPage(frame, services.directory)
        self._sign_in = services.sign_in
        sessions = None if services.sign_in is None else services.sign_in.gate
        self._tools = ToolPages(frame, sessions, has_token=services.has_admin_token)

    def home_or(self, api: Handler) -> Handler:
        """Serve `/`: the home page to browsers, what the base URL says to everyone else."""
        return PageOr(self._page(self._site.home), api)

    def account_or(self, api: Handler) -> Handler:
        """Serve `/account`."""
        return PageOr(self._page(self._tools.account), api)

    def models_or(self, api: Handler) -> Handler:
        """Serve `/models`."""
        return PageOr(self._page(self._catalogue.show), api)

    def model_or(self, api: Handler) -> Handler:
        """Serve `/models/{id}`."""
        return PageOr(self._page(self._catalogue.detail), api)

    async def complain(self, request: Request, response: Response, error: GatewayError) -> None:
        """Show an error that no page showed itself: no such address, a wrong method, a fault of ours."""
        shown = NotFound("There is nothing at this address.") if isinstance(error, NotFound) else error
        await self._frame.send_error(request, response, shown)

    def routes(self, dialect: Dialect) -> list[Route]:
        """List the pages that have an address of their own."""
        pages = {
            "/docs": self._documents.show,
            "/docs/reference": self._documents.reference,
            "/setup": self._documents.guides,
            "/status": self._status.show,
            "/status/feed.xml": self._status.feed,
            "/playground": self._playground.show,
            "/admin": self._tools.admin,
            "/privacy": self._site.privacy,
            "/llms.txt": self._site.llms_text,
        }
        sign_in = [] if self._sign_in is None else self._sign_in.routes(dialect, self._page)
        return [
            *sign_in,
            *(Route(path, {"GET": self._page(handler)}, dialect, top=True) for path, handler in pages.items()),
            Route("/setup", {"GET": self._page(self._documents.guide)}, dialect, top=True, takes_rest="client"),
            Route("/assets", {"GET": serve_asset}, dialect, top=True, takes_rest="name"),
        ]

    def _page(self, handler: Handler) -> Handler:
        return Page(self._frame, handler)
