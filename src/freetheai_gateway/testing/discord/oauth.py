"""The fake's OAuth2: the authorize page, single-use codes with PKCE, tokens that expire and can be revoked.

As Discord documents it (topics "OAuth2"): the redirect address must be one that was registered, letter by letter; the
token route takes forms only; a challenge is S256 of a verifier of 43 characters or more.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import compare_digest, token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from freetheai_gateway.clock import Clock

CLIENT_SECRET = "client-secret-of-the-fake"  # noqa: S105 - of the fake only
CODE_LIVES_S = 60.0
TOKEN_LIVES_S = 604_800.0
_SCOPES = frozenset({"identify", "email", "guilds", "guilds.members.read"})
_SHORTEST_VERIFIER, _LONGEST_VERIFIER = 43, 128
_CHALLENGE_LENGTH = 43
_FORM = b"application/x-www-form-urlencoded"

Answer = tuple[int, dict[str, Any]]


class Refused(Exception):
    """What the authorize page says in the place of a form: the application is set up wrongly, or lies."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person is asked to allow."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str
    challenge: str


@dataclass(slots=True)
class _Code:
    consent: Consent
    user_id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Grant:
    user_id: str
    scopes: frozenset[str]
    expires_at: float


class FakeOAuth:
    """One application's side of it. `redirect_uris` are those that were registered on the developer pages."""

    def __init__(self, application_id: str, clock: Clock) -> None:
        self.redirect_uris: set[str] = set()
        self.revoked = 0
        """How many tokens were given up."""
        self._application_id = application_id
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._grants: dict[str, _Grant] = {}

    @property
    def live_tokens(self) -> int:
        """How many tokens would still open something."""
        now = self._clock.wall()
        return sum(grant.expires_at > now for grant in self._grants.values())

    def read(self, query: str) -> Consent:
        """Read what a browser was sent with. Raises `Refused`."""
        pairs = parse_qsl(query, keep_blank_values=True)
        given = dict(pairs)
        if len(given) != len(pairs):
            raise Refused("a parameter stands twice")
        if given.get("client_id") != self._application_id:
            raise Refused("Unknown Application")
        if given.get("redirect_uri") not in self.redirect_uris:
            raise Refused("Invalid OAuth2 redirect_uri")
        if given.get("response_type") != "code":
            raise Refused("response_type must be code")
        scopes = frozenset(given.get("scope", "").split())
        if not scopes or not scopes <= _SCOPES:
            raise Refused("invalid scope")
        challenge = given.get("code_challenge", "")
        if given.get("code_challenge_method", "S256") != "S256" or len(challenge) not in {0, _CHALLENGE_LENGTH}:
            raise Refused("only S256 challenges")
        return Consent(given["redirect_uri"], scopes, given.get("state", ""), challenge)

    def allow(self, consent: Consent, user_id: str) -> str:
        """Let a person say yes; gives where their browser goes then."""
        code = token_urlsafe(24)
        self._codes[code] = _Code(consent, user_id, self._clock.wall() + CODE_LIVES_S)
        return f"{consent.redirect_uri}?{urlencode({'code': code, 'state': consent.state})}"

    @staticmethod
    def deny(consent: Consent) -> str:
        """Let a person say no; gives where their browser goes then."""
        answer = {"error": "access_denied", "error_description": "denied", "state": consent.state}
        return f"{consent.redirect_uri}?{urlencode(answer)}"

    def token(self, headers: Mapping[bytes, bytes], body: bytes) -> Answer:
        """Answer the token route: a code is good once, whatever comes of it."""
        if headers.get(b"content-type", b"").partition(b";")[0] != _FORM:
            return 400, {"error": "invalid_request"}
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if not self._is_client(headers, form):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != "authorization_code":
            return 400, {"error": "unsupported_grant_type"}
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at <= self._clock.wall() or not _fits(code.consent, form):
            return 400, {"error": "invalid_grant", "error_description": 'Invalid "code" in request.'}
        token = token_urlsafe(24)
        self._grants[token] = _Grant(code.user_id, code.consent.scopes, self._clock.wall() + TOKEN_LIVES_S)
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIVES_S),
            "refresh_token": token_urlsafe(24),
            "scope": " ".join(sorted(code.consent.scopes)),
        }

    def revoke(self, headers: Mapping[bytes, bytes], body: bytes) -> Answer:
        """Answer the revocation route: every token of that authorization is dead."""
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if headers.get(b"content-type", b"").partition(b";")[0] != _FORM:
            return 400, {"error": "invalid_request"}
        if not self._is_client(headers, form):
            return 401, {"error": "invalid_client"}
        self.revoked += self._grants.pop(form.get("token", ""), None) is not None
        return 200, {}

    def user_of(self, headers: Mapping[bytes, bytes], scope: str) -> str | None:
        """Find whose token a request brings; `None` where it opens nothing of this scope."""
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        grant = self._grants.get(token)
        is_good = grant is not None and kind == "Bearer" and grant.expires_at > self._clock.wall()
        return grant.user_id if is_good and grant is not None and scope in grant.scopes else None

    def _is_client(self, headers: Mapping[bytes, bytes], form: Mapping[str, str]) -> bool:
        given = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
        kind, _, credentials = headers.get(b"authorization", b"").partition(b" ")
        if kind == b"Basic":
            try:
                given = unquote(b64decode(credentials).decode())
            except (BadBase64, UnicodeDecodeError):
                return False
        return compare_digest(given.encode(), f"{self._application_id}:{CLIENT_SECRET}".encode())


def _fits(consent: Consent, form: Mapping[str, str]) -> bool:
    if form.get("redirect_uri") != consent.redirect_uri:
        return False
    verifier = form.get("code_verifier", "")
    if not consent.challenge:
        return not verifier
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return _SHORTEST_VERIFIER <= len(verifier) <= _LONGEST_VERIFIER and compare_digest(digest, consent.challenge)
