"""`/login`, `/login/callback`, `/logout`: a browser's way to Discord and back.

Redirects lead to Discord or to one of our own pages by its name in a table; nothing that was sent decides where to.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from freetheai_gateway.clock import Clock
from freetheai_gateway.errors import GatewayError, LimitExceeded, ProviderUnavailable, whole_seconds
from freetheai_gateway.services.login import DESTINATIONS, HOME, REFUSED, Login
from freetheai_gateway.services.ports import RefusalCounter, StoreFailed
from freetheai_gateway.web.pages.frame import SECURITY
from freetheai_gateway.web.query import read_fields
from freetheai_gateway.web.request import Request, read_body
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.sessions import CSRF_FIELD, Header, SessionGate, database_away

FAILED_A_MINUTE = 10
"""Sign-ins of one address that came to nothing; then it has to wait for the rest of the minute."""
EVERYONE = "*"
"""What all addresses together are counted under."""
ALL_REFUSED_A_MINUTE = 500
"""Codes that Discord did not accept: it bans who sends it 10,000 wrong requests in 10 minutes (Discord's documentation
of rate limits). What it was not asked about does not count, so that nobody can lock others out with it."""
_MOST_FORM_BYTES = 1024
_ONCE = "here"


class LoginRoutes:
    """Handlers over `Login`. Answers are kept by no cache."""

    def __init__(
        self, login: Login, gate: SessionGate, of_address: RefusalCounter, of_all: RefusalCounter, clock: Clock
    ) -> None:
        self._login = login
        self._gate = gate
        self._of_address = of_address
        self._of_all = of_all
        self._clock = clock

    async def begin(self, request: Request, response: Response) -> None:
        """Answer `GET /login?to=…`: off to Discord, with a cookie of this browser's own. Raises `LimitExceeded`."""
        self._check_pace(request.sender())
        fields = read_fields(request.query)
        elsewhere = self._from_elsewhere(request, fields)
        if elsewhere:
            await _redirect(response, elsewhere)
            return
        attempt = self._login.begin(fields.get("to", HOME))
        await _redirect(response, attempt.url, self._gate.cookies.keep_attempt(attempt.secret))

    async def back(self, request: Request, response: Response) -> None:
        """Answer `GET /login/callback`: a new session in the place of whatever the browser had before."""
        sender = request.sender()
        self._check_pace(sender)
        cookies = self._gate.cookies
        fields = read_fields(request.query)
        response.add_headers((cookies.drop(cookies.attempt),))
        try:
            opened = await self._login.finish(
                self._gate.attempt(request), fields.get("state", ""), fields.get("code", "")
            )
            before = self._gate.secret(request)
            if before:
                await self._login.end(before)
        except StoreFailed:
            raise database_away() from None
        except ProviderUnavailable:
            raise  # Discord's fault is nobody's attempt
        except GatewayError as error:
            now = self._clock.monotonic()
            self._of_address.count(sender, now)
            if error.code == REFUSED:
                self._of_all.count(EVERYONE, now)
            raise
        await _redirect(response, opened.destination, cookies.keep_session(opened.secret))

    async def end(self, request: Request, response: Response) -> None:
        """Answer `POST /logout`, a form with the session's token."""
        fields = dict(parse_qsl((await read_body(request, _MOST_FORM_BYTES)).decode("utf-8", "replace")))
        self._gate.check_meant(request, fields.get(CSRF_FIELD, ""))
        try:
            await self._login.end(self._gate.secret(request))
        except StoreFailed:
            raise database_away() from None
        await _redirect(response, "/account", self._gate.cookies.drop(self._gate.cookies.session))

    def _from_elsewhere(self, request: Request, fields: Mapping[str, str]) -> str:
        """Give where to begin instead, where the browser knows us by another name than Discord sends it back to.

        Cookies belong to a name: `localhost` has none of `127.0.0.1`. Once only, because a proxy may rewrite the name.
        """
        host = request.header(b"host").decode("latin-1").lower()
        origin = self._gate.cookies.origin
        if not host or _ONCE in fields or host == origin.partition("://")[2]:
            return ""
        wanted = fields.get("to", HOME)
        return f"{origin}/login?to={wanted if wanted in DESTINATIONS else HOME}&{_ONCE}=1"

    def _check_pace(self, sender: str) -> None:
        now = self._clock.monotonic()
        waits = (self._of_address.blocked(sender, now), self._of_all.blocked(EVERYONE, now))
        wait_s = max((wait for wait in waits if wait is not None), default=None)
        if wait_s is not None:
            raise LimitExceeded(
                f"Too many sign-ins came to nothing; try again in {whole_seconds(wait_s)} s.",
                code="refusals",
                retry_after_s=wait_s,
            )


async def _redirect(response: Response, url: str, *headers: Header) -> None:
    response.cross_origin = ()
    always = ((b"location", url.encode()), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
    await response.send_whole(303, (*always, *SECURITY[:2], *headers), b"")
