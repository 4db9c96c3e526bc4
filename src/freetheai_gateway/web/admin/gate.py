"""Who may use the admin API."""

import hmac
from hashlib import sha256

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.audit import ADMIN
from freetheai_gateway.errors import LimitExceeded, Unauthenticated, whole_seconds
from freetheai_gateway.services.ports import RefusalCounter
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.sessions import SessionGate


class AdminGate:
    """Lets the holder of `server.admin_token` in, and operators who are signed in.

    An address that guesses wrong too often may not even try. Either way in may be closed: `None`.
    """

    def __init__(
        self, token: str | None, guesses: RefusalCounter, clock: Clock, sessions: SessionGate | None = None
    ) -> None:
        self._digest = _digest(token) if token else None
        self._guesses = guesses
        self._clock = clock
        self._sessions = sessions

    async def actor(self, request: Request) -> str:
        """Name who acts, for the audit list.

        Raises `Unauthenticated`, `AccessDenied` for whoever is signed in and no operator or did not mean it, and
        `LimitExceeded` for a guessing address.
        """
        sessions = self._sessions
        sends_token = any(name in {b"authorization", b"x-api-key"} for name, _ in request.headers)
        if sessions is not None and not sends_token and sessions.secret(request):
            return (await sessions.operator(request)).actor
        return self._holder(request)

    def _holder(self, request: Request) -> str:
        sender, now = request.sender(), self._clock.monotonic()
        wait_s = self._guesses.blocked(sender, now)
        if wait_s is not None:
            raise LimitExceeded(
                f"Wrong admin tokens came from this address too often; try again in {whole_seconds(wait_s)} s.",
                code="refusals",
                retry_after_s=wait_s,
            )
        try:
            token = presented_key(request.headers)
        except Unauthenticated:  # two headers that differ
            token = ""
        if token is not None and self._digest is not None and hmac.compare_digest(_digest(token), self._digest):
            return ADMIN
        if token is not None:
            self._guesses.count(sender, now)
        raise Unauthenticated(
            'This is the admin API. Send the token of server.admin_token as "Authorization: Bearer …".',
            code="invalid_admin_token",
            headers=((b"www-authenticate", b"Bearer"),),
        )


def _digest(token: str) -> bytes:
    """Digests are compared, so that not even the token's length can be measured."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
