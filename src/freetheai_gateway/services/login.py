"""Signing in to the pages with Discord: from a browser's attempt to a session, and from a session to who it is.

OAuth 2.0 authorization code with PKCE (RFC 7636) and a state that only the browser that began can send. Nothing is kept
of an attempt but the browser's own cookie: `state` and the code's challenge are digests of it, so that an attempt costs
the database nothing, and whoever has not got the cookie can make neither. A session keeps the digest of the attempt
that it came from, which is unique: one attempt gives one session, on whichever node.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Protocol

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, ApiKey, is_paused
from freetheai_gateway.errors import AccessDenied, AccountPaused, InvalidRequest, ProviderUnavailable
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.membership import Membership

ATTEMPT_S = 600.0
"""From the first redirect until Discord must have sent the browser back."""
SESSION_S = 43_200.0
"""Half a day; a session is never prolonged."""
DESTINATIONS: Mapping[str, str] = {
    "account": "/account",
    "admin": "/admin",
    "models": "/models",
    "playground": "/playground",
}
"""Where one may go after signing in. A name is looked up here and nothing else is ever redirected to."""
HOME = "account"
REFUSED = "login_refused"
"""The code of an error that Discord was asked about; it tires of too many."""

_ATTEMPT = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([a-z]{1,20})")
_LONGEST_CODE = 512


class IdentityFailed(Exception):
    """Discord did not say who it is. `refused`: it said that the code is not good."""

    def __init__(self, *, refused: bool) -> None:
        super().__init__("the code was refused" if refused else "Discord did not answer")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a code belongs to. `member` is absent where they are not in the server, or Discord did not say."""

    discord_id: str
    name: str
    member: Applicant | None = None


class Identities(Protocol):
    """What Discord is asked."""

    def authorize_url(self, state: str, challenge: str) -> str:
        """Give where the browser is sent."""
        ...

    async def identify(self, code: str, verifier: str) -> Identity:
        """Trade a code for who it belongs to; whatever token comes with it is given up. Raises `IdentityFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is kept: `digest` of its secret, `login` of the attempt."""

    digest: bytes
    login: bytes
    discord_id: str
    name: str
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in: the session, the account of the Discord id, and its key in force."""

    session: Session
    account: Account | None = None
    key: ApiKey | None = None

    @property
    def actor(self) -> str:
        """How the audit list names them."""
        return f"discord:{self.session.discord_id}"


class SessionStore(Protocol):
    """Sessions of all nodes."""

    async def open(self, session: Session) -> bool:
        """Keep a session; `False` where its attempt was used already."""
        ...

    async def find(self, digest: bytes, now: float) -> Visitor | None:
        """Find who a session belongs to; `None` where it is unknown, ended or expired."""
        ...

    async def close(self, digest: bytes) -> None:
        """End a session."""
        ...

    async def account_of(self, discord_id: str) -> Account | None:
        """Read the account of a Discord id."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """A sign-in that begins: `secret` is for the browser's cookie, `url` is where the browser goes. Has no `repr`."""

    secret: str
    url: str


@dataclass(frozen=True, slots=True, repr=False)
class SignedIn:
    """A new session: `secret` is for the browser's cookie and exists nowhere else. Has no `repr` for that."""

    secret: str
    destination: str


class Login:
    """Signs people in who have an account, and operators."""

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        membership: Membership,
        *,
        directory: Directory,
        operators: frozenset[str],
        clock: Clock,
    ) -> None:
        self._store = store
        self._identities = identities
        self._membership = membership
        self._directory = directory
        self._operators = operators
        self._clock = clock

    def begin(self, wanted: str) -> Attempt:
        """Begin to sign in; `wanted` names where to go afterwards, and what is no such name means the account."""
        name = wanted if wanted in DESTINATIONS else HOME
        verifier = token_urlsafe(32)
        secret = f"{verifier}.{int(self._clock.wall())}.{name}"
        return Attempt(secret, self._identities.authorize_url(_state_of(secret), _digest(verifier)))

    async def finish(self, secret: str, state: str, code: str) -> SignedIn:
        """Make a session of what Discord sent the browser back with. Raises a `GatewayError` that says why not."""
        attempt = _ATTEMPT.fullmatch(secret)
        now = self._clock.wall()
        if attempt is None or not 0 <= now - int(attempt[2]) <= ATTEMPT_S:
            raise _failed("This sign-in was begun in another browser, or too long ago.")
        if not compare_digest(state.encode("utf-8", "surrogatepass"), _state_of(secret).encode()):
            raise _failed("This answer belongs to another sign-in.")
        if not 0 < len(code) <= _LONGEST_CODE:
            raise _failed("Discord did not let you in.")
        identity = await self._identify(code, attempt[1])
        await self._check(identity, now)
        new = token_urlsafe(32)
        session = Session(
            session_digest(new),
            sha256(secret.encode()).digest(),
            identity.discord_id,
            identity.name,
            now,
            now + SESSION_S,
        )
        if not await self._store.open(session):
            raise _failed("This sign-in was used already.")
        return SignedIn(new, DESTINATIONS.get(attempt[3], DESTINATIONS[HOME]))

    async def visitor(self, secret: str) -> Visitor | None:
        """Find who a cookie belongs to; `None` where nobody is signed in by it, or no longer."""
        now = self._clock.wall()
        visitor = await self._store.find(session_digest(secret), now)
        if visitor is None:
            return None
        account = visitor.account
        if account is None:
            return visitor if self.is_operator(visitor) else None
        return None if is_paused(account, now) else visitor

    async def end(self, secret: str) -> None:
        """End a session, on every node."""
        await self._store.close(session_digest(secret))

    def is_operator(self, visitor: Visitor) -> bool:
        """Whether `discord.operators` names them now."""
        return visitor.session.discord_id in self._operators

    async def _identify(self, code: str, verifier: str) -> Identity:
        try:
            return await self._identities.identify(code, verifier)
        except IdentityFailed as failed:
            if failed.refused:
                raise InvalidRequest("Discord did not accept this sign-in. Start again.", code=REFUSED) from None
            raise ProviderUnavailable(
                "Discord does not answer right now; try again in a moment.",
                code="discord_unavailable",
                retry_after_s=5,
            ) from None

    async def _check(self, identity: Identity, now: float) -> None:
        """Take over what Discord says of a member, and refuse who may not sign in."""
        account = await self._store.account_of(identity.discord_id)
        if account is not None and identity.member is not None:
            account = await self._membership.refresh(account, self._ranked(account, identity.member))
        if account is None and identity.discord_id not in self._operators:
            where = self._directory.offer.site.where
            raise AccessDenied(f"You have no account yet. Run /signup{where}, then sign in.", code="no_account")
        if account is not None and is_paused(account, now):
            why = f": {account.pause_reason.rstrip('.')}" if account.pause_reason else ""
            raise AccountPaused(f"Your account is paused{why}. Ask the operator to restore it.")

    def _ranked(self, account: Account, member: Applicant) -> Applicant:
        """Give a member the tier of their roles; subscriptions are not told here, so where they count it stays."""
        if self._membership.rules.sku_tiers:
            return replace(member, tier=account.role_tier)
        return self._membership.ranked(member)


def session_digest(secret: str) -> bytes:
    """Digest a session's secret; 256 random bits need neither salt nor a slow hash."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _state_of(secret: str) -> str:
    return _digest(f"state {secret}")


def _digest(text: str) -> str:
    """SHA-256 in base64url without padding, which for a verifier is its S256 challenge (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def _failed(why: str) -> InvalidRequest:
    return InvalidRequest(f"{why} Start again.", code="login_failed")
