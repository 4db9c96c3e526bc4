"""Who is signed in, by cookie; and that a request which changes something was meant by them.

The cookie is `__Host-…`, Secure, HttpOnly and SameSite=Lax where the instance is reached over https. Over plain http
only an address of this machine itself can sign people in: browsers keep no Secure cookie there.

A browser sends cookies with requests that other sites make, so whatever changes something also needs a token of the
session, which only our own pages are given, and where the browser says which origin asks, it must be ours.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from freetheai_gateway.errors import AccessDenied, ProviderUnavailable, Unauthenticated
from freetheai_gateway.services.login import ATTEMPT_S, SESSION_S, Login, Visitor
from freetheai_gateway.services.ports import StoreFailed
from freetheai_gateway.web.request import Request

CSRF_HEADER = b"x-csrf-token"
CSRF_FIELD = "csrf"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST_ATTEMPT = 100
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names and the attributes of the two cookies. `origin` is what a browser calls our pages' origin."""

    origin: str
    is_secure: bool

    @property
    def session(self) -> str:
        """Name of the cookie that says who is signed in."""
        return self._named("session")

    @property
    def attempt(self) -> str:
        """Name of the cookie of a sign-in that is under way."""
        return self._named("login")

    def keep(self, name: str, value: str, seconds: float) -> Header:
        """Make the header that sets a cookie."""
        secure = "; Secure" if self.is_secure else ""
        text = f"{name}={value}; Path=/; Max-Age={int(seconds)}; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode()

    def keep_session(self, secret: str) -> Header:
        """Make the header that signs a browser in."""
        return self.keep(self.session, secret, SESSION_S)

    def keep_attempt(self, secret: str) -> Header:
        """Make the header that begins a sign-in."""
        return self.keep(self.attempt, secret, ATTEMPT_S)

    def drop(self, name: str) -> Header:
        """Make the header that takes a cookie away."""
        return self.keep(name, "", 0)

    def _named(self, what: str) -> str:
        return f"{'__Host-' if self.is_secure else ''}freetheai-{what}"


def cookies_for(public_url: str) -> Cookies | None:
    """Decide how cookies are set under an address; `None` where none may be: plain http over a network."""
    parts = urlsplit(public_url)
    is_secure = parts.scheme == "https"
    if not is_secure and not _is_loopback(parts.hostname or ""):
        return None
    return Cookies(f"{parts.scheme}://{parts.netloc}".lower(), is_secure)


def read_cookie(request: Request, name: str) -> str:
    """Read a cookie; empty where it is absent, or sent twice, so that nobody can slip another one under."""
    found = [
        value.strip()
        for header, line in request.headers
        if header == b"cookie"
        for each, is_pair, value in (part.partition("=") for part in line.decode("latin-1").split(";"))
        if is_pair and each.strip() == name
    ]
    return found[0] if len(found) == 1 else ""


class SessionGate:
    """Finds who is signed in, and refuses what they did not mean."""

    def __init__(self, login: Login, cookies: Cookies) -> None:
        self._login = login
        self.cookies = cookies

    def secret(self, request: Request) -> str:
        """Read what the session's cookie holds; empty where it can be none of ours."""
        value = read_cookie(request, self.cookies.session)
        return value if _TOKEN.fullmatch(value) else ""

    def attempt(self, request: Request) -> str:
        """Read what the cookie of a sign-in holds."""
        return read_cookie(request, self.cookies.attempt)[:_LONGEST_ATTEMPT]

    async def visitor(self, request: Request) -> Visitor | None:
        """Find who is signed in. Raises `ProviderUnavailable` where the database is away."""
        secret = self.secret(request)
        if not secret:
            return None
        try:
            return await self._login.visitor(secret)
        except StoreFailed:
            raise database_away() from None

    async def acting(self, request: Request) -> Visitor:
        """Find who asks; a request that changes something must be meant. Raises `Unauthenticated`, `AccessDenied`."""
        visitor = await self.visitor(request)
        if visitor is None:
            raise Unauthenticated("You are not signed in, or no longer. Sign in again.", code="signed_out")
        if request.method not in _SAFE:
            self.check_meant(request, request.header(CSRF_HEADER).decode("latin-1"))
        return visitor

    async def operator(self, request: Request) -> Visitor:
        """Find the operator who asks. Raises `Unauthenticated`, `AccessDenied`."""
        visitor = await self.acting(request)
        if not self._login.is_operator(visitor):
            raise AccessDenied("Only operators may do this: discord.operators names them.", code="not_an_operator")
        return visitor

    def is_operator(self, visitor: Visitor) -> bool:
        """Whether someone who is signed in is an operator."""
        return self._login.is_operator(visitor)

    def csrf_token(self, request: Request) -> str:
        """Give the token that this session's pages send with what changes something."""
        return _csrf(self.secret(request))

    def check_meant(self, request: Request, token: str) -> None:
        """Raise `AccessDenied` unless our own page sent this, with this session's token."""
        secret = self.secret(request)
        origin = request.header(b"origin").decode("latin-1").lower()
        site = request.header(b"sec-fetch-site")
        is_ours = origin in {"", self.cookies.origin} and site in {b"", b"same-origin"}
        if not is_ours or not secret or not hmac.compare_digest(token.encode(), _csrf(secret).encode()):
            raise AccessDenied("This was not sent by a page of ours. Reload the page and try again.", code="csrf")


def _csrf(secret: str) -> str:
    return urlsafe_b64encode(hmac.digest(secret.encode(), b"csrf", sha256)).rstrip(b"=").decode()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def database_away() -> ProviderUnavailable:
    """Say to a person at a page that nobody can be looked up right now."""
    return ProviderUnavailable(
        "The database is away; try again in a moment.", code="database_unavailable", retry_after_s=2
    )
