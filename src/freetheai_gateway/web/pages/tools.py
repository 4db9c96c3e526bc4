"""`/account` and `/admin`: forms whose scripts ask the API, with a key or a token that stays in the browser.

No page here sets a cookie, so that there is no session to steal, to fix or to ride on.
"""

from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response


class ToolPages:
    """The same for everyone who opens them."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def account(self, request: Request, response: Response) -> None:
        """Answer `GET /account`."""
        await self._frame.send(request, response, "account.html")

    async def admin(self, request: Request, response: Response) -> None:
        """Answer `GET /admin`."""
        await self._frame.send(request, response, "admin.html")
