"""`GET /v1/account` and `POST /v1/account/key`: what the account page asks, with the reader's own key."""

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import ProviderUnavailable, ReadOnlyKey, Unauthenticated
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.accounts import AccountDesk, UnknownKey
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.own_account import OwnAccount
from freetheai_gateway.services.ports import StoreFailed
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

_PRIVATE = (b"cache-control", b"no-store")


class AccountRoutes:
    """Reads for every account; replaces a key only where nobody else vouches for who the holder is."""

    def __init__(self, authenticator: Authenticator, own: OwnAccount, desk: AccountDesk) -> None:
        self._authenticator = authenticator
        self._own = own
        self._desk = desk

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/account`."""
        caller = await self._caller(request, response)
        try:
            body = await self._own.describe(caller)
        except StoreFailed:
            raise _away() from None
        await response.send_whole(200, (JSON, _PRIVATE), encode(body))

    async def replace_key(self, request: Request, response: Response) -> None:
        """Answer `POST /v1/account/key`: a new key in the place of the presented one, which is refused from now on."""
        caller = await self._caller(request, response)
        if caller.account.discord_id is not None:
            raise ReadOnlyKey("This account belongs to a Discord identity; run /resetkey there.")
        try:
            issued = await self._desk.rotate_key(caller.key_id, reason="by its holder")
        except UnknownKey:
            raise Unauthenticated("This key was replaced already.") from None
        except StoreFailed:
            raise _away() from None
        self._authenticator.forget()
        body = {"object": "api_key", "id": issued.key.id, "prefix": issued.key.prefix, "key": issued.secret}
        await response.send_whole(200, (JSON, _PRIVATE), encode(body))

    async def _caller(self, request: Request, response: Response) -> Caller:
        key = presented_key(request.headers)
        response.trace.caller = caller = await self._authenticator.caller(key, request.sender)
        return caller


def _away() -> ProviderUnavailable:
    return ProviderUnavailable(
        "The database is away; try again in a moment.", code="database_unavailable", retry_after_s=2
    )
