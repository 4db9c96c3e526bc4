"""Who a code belongs to: Discord's OAuth2 authorization code grant with PKCE, and what is read with its token.

The token lives for two reads and is then revoked; it is neither kept nor shown. Errors hold no foreign text.
"""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec

from freetheai_gateway import __version__
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.jsonc import Decoder, InvalidJSON
from freetheai_gateway.log import Log
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.login import Identity, IdentityFailed
from freetheai_gateway.services.ports import UpstreamClient, UpstreamFailed, UpstreamRequest
from freetheai_gateway.upstream.providers import parse_base_url

SCOPES = "identify guilds.members.read"
LONGEST_S = 15.0
"""For everything that one sign-in asks."""
_TIMEOUTS = Timeouts(connect_s=5.0, total_s=10.0)
_MOST_BYTES = 256 * 1024
_LONGEST_NAME = 100
_USER_AGENT = f"DiscordBot (https://freetheai-gateway.invalid, {__version__})".encode()
_FORM = (b"content-type", b"application/x-www-form-urlencoded")


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class _Me(msgspec.Struct, frozen=True):
    id: str
    username: str = ""
    global_name: str | None = None


class ReadMember(Protocol):
    """Reads what the member route answers. Raises `InvalidJSON`."""

    def __call__(self, body: bytes) -> Applicant:
        """Read it."""
        ...


_read_token: Decoder[_Token] = Decoder(_Token)
_read_me: Decoder[_Me] = Decoder(_Me)


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The application, its server, and where Discord is."""

    application_id: str
    client_secret: str
    guild_id: str
    api_base: str
    authorize_url: str
    redirect_uri: str


class DiscordOAuth:
    """Implements `Identities`."""

    def __init__(self, settings: OAuthSettings, client: UpstreamClient, read_member: ReadMember, log: Log) -> None:
        self._settings = settings
        self._client = client
        self._read_member = read_member
        self._log = log
        self._origin, self._base = parse_base_url(settings.api_base)
        credentials = f"{quote(settings.application_id, safe='')}:{quote(settings.client_secret, safe='')}"
        self._basic = b"Basic " + b64encode(credentials.encode())

    def authorize_url(self, state: str, challenge: str) -> str:
        """Give where the browser is sent."""
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.application_id,
                "redirect_uri": self._settings.redirect_uri,
                "scope": SCOPES,
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                "prompt": "none",
            }
        )
        return f"{self._settings.authorize_url}?{query}"

    async def identify(self, code: str, verifier: str) -> Identity:
        """Trade a code for who it belongs to, and revoke its token. Raises `IdentityFailed`."""
        try:
            async with asyncio.timeout(LONGEST_S):
                token = await self._trade(code, verifier)
                try:
                    return await self._read(token)
                finally:
                    await self._revoke(token)
        except (TimeoutError, UpstreamFailed, InvalidJSON) as error:
            self._log.warning("discord_login_failed", error=type(error).__name__)
            raise IdentityFailed(refused=False) from None

    async def _trade(self, code: str, verifier: str) -> str:
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_uri,
            "code_verifier": verifier,
        }
        status, body = await self._form("/oauth2/token", grant)
        if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
            raise IdentityFailed(refused=True)
        if status != HTTPStatus.OK:
            self._log.warning("discord_login_failed", status=status)
            raise IdentityFailed(refused=False)
        return _read_token(body).access_token

    async def _read(self, token: str) -> Identity:
        status, body = await self._get("/users/@me", token)
        if status != HTTPStatus.OK:
            self._log.warning("discord_login_failed", status=status)
            raise IdentityFailed(refused=False)
        me = _read_me(body)
        member = await self._member(token)
        if member is not None and member.discord_id != me.id:
            raise IdentityFailed(refused=False)
        return Identity(me.id, (me.global_name or me.username)[:_LONGEST_NAME], member)

    async def _member(self, token: str) -> Applicant | None:
        """Read the membership; where it can't be read the account's last known state stays as it is."""
        status, body = await self._get(f"/users/@me/guilds/{self._settings.guild_id}/member", token)
        return self._read_member(body) if status == HTTPStatus.OK else None

    async def _revoke(self, token: str) -> None:
        """Give the token up; where that fails it is forgotten here all the same."""
        try:
            status, _ = await self._form("/oauth2/token/revoke", {"token": token, "token_type_hint": "access_token"})
        except UpstreamFailed as failed:
            self._log.warning("discord_token_not_revoked", error=type(failed).__name__)
            return
        if status != HTTPStatus.OK:
            self._log.warning("discord_token_not_revoked", status=status)

    async def _form(self, path: str, fields: dict[str, str]) -> tuple[int, bytes]:
        headers = (_FORM, (b"authorization", self._basic))
        return await self._send("POST", path, headers, urlencode(fields).encode())

    async def _get(self, path: str, token: str) -> tuple[int, bytes]:
        return await self._send("GET", path, ((b"authorization", b"Bearer " + token.encode()),))

    async def _send(
        self, method: str, path: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes = b""
    ) -> tuple[int, bytes]:
        always = ((b"user-agent", _USER_AGENT), (b"accept", b"application/json"))
        request = UpstreamRequest(
            method, self._origin, self._base + path, (*always, *headers), body, timeouts=_TIMEOUTS
        )
        reply = await self._client.send(request)
        try:
            whole = bytearray()
            while part := await reply.read():
                whole += part
                if len(whole) > _MOST_BYTES:
                    raise IdentityFailed(refused=False)
            return reply.status, bytes(whole)
        finally:
            reply.close()
