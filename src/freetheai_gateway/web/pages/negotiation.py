"""Who gets a page and who gets JSON, where one address serves both (design section 5)."""

from freetheai_gateway.errors import GatewayError
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Handler

_API = "/v1"


def wants_page(request: Request) -> bool:
    """Whether a browser asks: HTML is accepted by name, no key is presented, and the address is not the API's."""
    if request.header(b"authorization") or request.header(b"x-api-key"):
        return False
    return not _is_under_api(request) and b"text/html" in request.header(b"accept").lower()


def _is_under_api(request: Request) -> bool:
    return request.path == _API or request.path.startswith(_API + "/")


class Page:
    """A handler whose errors are pages too."""

    def __init__(self, frame: Frame, handler: Handler) -> None:
        self._frame = frame
        self._handler = handler

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer with the page, or with the page of what went wrong."""
        try:
            await self._handler(request, response)
        except GatewayError as error:
            if response.started:
                raise
            await self._frame.send_error(request, response, error)


class PageOr:
    """Serves a page to browsers and the API's answer to everyone else."""

    def __init__(self, page: Handler, api: Handler) -> None:
        self._page = page
        self._api = api

    async def __call__(self, request: Request, response: Response) -> None:
        """Decide by the request's headers."""
        if wants_page(request):
            await self._page(request, response)
            return
        if not _is_under_api(request):
            response.add_headers(((b"vary", b"accept"),))
        await self._api(request, response)
