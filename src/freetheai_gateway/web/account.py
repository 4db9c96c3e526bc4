"""`/v1/account` and what is below it: what members ask about themselves, with their own key or signed in.

A key reads. It changes something only where nobody else vouches for who its holder is: an account with a Discord
identity is changed by whoever is signed in as that identity.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from freetheai_gateway.clock import Clock, rfc3339
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.errors import (
    AccessDenied,
    InvalidRequest,
    LimitExceeded,
    ReadOnlyKey,
    Unauthenticated,
    whole_seconds,
)
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.services.accounts import AccountDesk, UnknownAccount, UnknownKey
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.key_desk.gates import Refused
from freetheai_gateway.services.login import Visitor
from freetheai_gateway.services.own_account import OwnAccount
from freetheai_gateway.services.personal_data import PersonalData
from freetheai_gateway.services.ports import InvalidCursor, Page, RefusalCounter, StoreFailed
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.query import read_fields
from freetheai_gateway.web.request import Request, read_body
from freetheai_gateway.web.response import JSON, Response
from freetheai_gateway.web.sessions import SessionGate, database_away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freetheai_gateway.services.key_desk.desk import Issued

_PRIVATE = (b"cache-control", b"no-store")
_MOST_BYTES = 4_096
_DEFAULT_ROWS, _MOST_ROWS = 25, 100
_CONFIRMED = "erase"
_MOMENT = re.compile(r"<t:(\d{1,12}):R>")

ReplaceKey = Callable[[str, str], Awaitable["Issued"]]
"""Replaces the key of a Discord id under the rules of `/resetkey`; takes the id and a name. Raises `Refused`."""


class _Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    confirm: str = ""


_read_confirmation: Decoder[_Confirmation] = Decoder(_Confirmation)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose account is asked about. `visitor` is there where they are signed in, and not by a key."""

    account: Account
    key_id: str | None
    key_prefix: str
    visitor: Visitor | None = None

    def must_vouch(self, hint: str) -> None:
        """Raise `ReadOnlyKey` where a key alone is not enough."""
        if self.visitor is None and self.account.discord_id is not None:
            raise ReadOnlyKey(f"This account belongs to a Discord identity; {hint}.")


@dataclass(frozen=True, slots=True)
class Owners:
    """Who vouches for owners: keys always; sessions, and what replaces keys for them, where people can sign in."""

    authenticator: Authenticator
    sessions: "SessionGate | None" = None
    replace_key: ReplaceKey | None = None


@dataclass(frozen=True, slots=True)
class Paces:
    """How often one account may ask for what reads much of the database."""

    exports: RefusalCounter
    lists: RefusalCounter
    clock: Clock

    def check(self, counter: RefusalCounter, account_id: str) -> None:
        """Count a request. Raises `LimitExceeded` where there were too many."""
        now = self.clock.monotonic()
        wait_s = counter.blocked(account_id, now)
        if wait_s is not None:
            raise LimitExceeded(
                f"You asked for this often just now; try again in {whole_seconds(wait_s)} s.",
                code="refusals",
                retry_after_s=wait_s,
            )
        counter.count(account_id, now)


class AccountRoutes:
    """Handlers over what the services know of one account."""

    def __init__(
        self, owners: Owners, own: OwnAccount, desk: AccountDesk, personal: PersonalData, paces: Paces
    ) -> None:
        self._paces = paces
        self._owners = owners
        self._own = own
        self._desk = desk
        self._personal = personal

    async def show(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/account`."""
        owner = await self._owner(request, response)
        with _translated():
            body = await self._own.describe(owner.account, owner.key_id, owner.key_prefix)
        await _send(response, body)

    async def requests(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/account/requests?limit=…&cursor=…`."""
        owner = await self._owner(request, response)
        page = _page(request)
        self._paces.check(self._paces.lists, owner.account.id)
        with _translated():
            body = await self._own.requests(owner.account, page)
        await _send(response, body)

    async def export(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/account/export`: everything that is kept about the owner, as a file."""
        owner = await self._owner(request, response)
        self._paces.check(self._paces.exports, owner.account.id)
        with _translated():
            body = await self._personal.export(owner.account.id)
        response.add_headers(((b"content-disposition", b'attachment; filename="my-data.json"'),))
        await _send(response, body)

    async def replace_key(self, request: Request, response: Response) -> None:
        """Answer `POST /v1/account/key`: a new key in the place of the old one, which is refused from now on."""
        owner = await self._owner(request, response)
        owner.must_vouch("run /resetkey there, or sign in")
        with _translated():
            key_id, prefix, secret = await self._replaced(owner)
        self._owners.authenticator.forget()
        await _send(response, {"object": "api_key", "id": key_id, "prefix": prefix, "key": secret})

    async def erase(self, request: Request, response: Response) -> None:
        """Answer `DELETE /v1/account`: everything that says whose it was is gone when this is answered."""
        owner = await self._owner(request, response)
        owner.must_vouch("sign in to erase it")
        body = await read_body(request, _MOST_BYTES)
        try:
            confirmed = _read_confirmation(body or b"{}").confirm == _CONFIRMED
        except InvalidJSON:
            confirmed = False
        if not confirmed:
            raise InvalidRequest('Send {"confirm": "erase"}: this can\'t be undone.', param="confirm")
        with _translated():
            audit_id = await self._personal.erase(owner.account.id)
        self._owners.authenticator.forget()
        sessions = self._owners.sessions
        if owner.visitor is not None and sessions is not None:
            response.add_headers((sessions.cookies.drop(sessions.cookies.session),))
        await _send(response, {"object": "account", "id": owner.account.id, "erased": True, "audit_id": audit_id})

    async def _replaced(self, owner: _Owner) -> tuple[str, str, str]:
        """Give id, prefix and text of the new key."""
        if owner.visitor is not None:
            assert self._owners.replace_key is not None
            session = owner.visitor.session
            issued = await self._owners.replace_key(session.discord_id, session.name)
            return issued.key_id, issued.secret[:8], issued.secret
        assert owner.key_id is not None
        made = await self._desk.rotate_key(owner.key_id, reason="by its holder")
        return made.key.id, made.key.prefix, made.secret

    async def _owner(self, request: Request, response: Response) -> _Owner:
        """Find whose account it is: by the key where one is sent, else by the session."""
        sessions = self._owners.sessions
        key = presented_key(request.headers)
        if key is None and sessions is not None and sessions.secret(request):
            response.cross_origin = ()
            visitor = await sessions.acting(request)
            if visitor.account is None:
                raise AccessDenied("You have no account yet. Run /signup first.", code="no_account")
            held = visitor.key
            return _Owner(visitor.account, held.id if held else None, held.prefix if held else "", visitor)
        response.trace.caller = caller = await self._owners.authenticator.caller(key, request.sender)
        return _Owner(caller.account, caller.key_id, caller.key_prefix)


def _page(request: Request) -> Page:
    fields = read_fields(request.query)
    text = fields.get("limit", str(_DEFAULT_ROWS))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= _MOST_ROWS):
        raise InvalidRequest(f"limit must be a whole number from 1 to {_MOST_ROWS}.", param="limit")
    cursor = fields.get("cursor")
    if cursor is not None and "\x00" in cursor:
        raise InvalidRequest("cursor names nothing in this list.", param="cursor")
    return Page(int(text), cursor)


@contextmanager
def _translated() -> "Iterator[None]":
    """Turn what the services and stores raise into errors that a member can be shown."""
    try:
        yield
    except (UnknownKey, UnknownAccount):
        raise Unauthenticated("This key was replaced already, or its account is gone.") from None
    except InvalidCursor:
        raise InvalidRequest("cursor names nothing in this list.", param="cursor") from None
    except Refused as refused:
        words = _MOMENT.sub(lambda found: f"after {rfc3339(int(found[1]))}", refused.text)
        raise AccessDenied(words, code="refused") from None
    except StoreFailed:
        raise database_away() from None


async def _send(response: Response, body: object) -> None:
    await response.send_whole(200, (JSON, _PRIVATE), encode(body))
