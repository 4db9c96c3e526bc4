"""`/account` and `/admin`: forms whose scripts ask the API, as whoever is signed in, or with a key or a token.

A key or a token stays in the browser. Without signing in neither page sets a cookie.
"""

from freetheai_gateway.services.login import Visitor
from freetheai_gateway.web.pages.frame import Frame
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.sessions import SessionGate

Values = dict[str, object]


class ToolPages:
    """What they show depends on who is signed in; `sessions` is absent where nobody can. No cache keeps them."""

    def __init__(self, frame: Frame, sessions: SessionGate | None = None, *, has_token: bool = True) -> None:
        self._frame = frame
        self._sessions = sessions
        self._has_token = has_token

    async def account(self, request: Request, response: Response) -> None:
        """Answer `GET /account`."""
        await self._send(request, response, "account.html")

    async def admin(self, request: Request, response: Response) -> None:
        """Answer `GET /admin`."""
        await self._send(request, response, "admin.html")

    async def _send(self, request: Request, response: Response, template: str) -> None:
        visitor = None if self._sessions is None else await self._sessions.visitor(request)
        values = self._values(request, visitor)
        await self._frame.send(request, response, template, values, is_private=visitor is not None)

    def _values(self, request: Request, visitor: Visitor | None) -> Values:
        sessions = self._sessions
        signed_in: Values = {"visitor": None, "csrf": "", "is_operator": False}
        if sessions is not None and visitor is not None:
            signed_in = {
                "visitor": visitor,
                "csrf": sessions.csrf_token(request),
                "is_operator": sessions.is_operator(visitor),
            }
        return {"can_sign_in": sessions is not None, "has_token": self._has_token, **signed_in}
