"""The fake's state and its REST side, as an `UpstreamClient`: no socket, the clock of the test."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from freetheai_gateway.clock import Clock
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.key_desk.gates import DISCORD_EPOCH_MS
from freetheai_gateway.services.ports import UpstreamFailed, UpstreamRequest
from freetheai_gateway.testing.discord.oauth import FakeOAuth
from freetheai_gateway.testing.discord.rules import Illegal, check_commands, check_message
from freetheai_gateway.testing.discord.uploads import Sent, read_upload
from freetheai_gateway.testing.ports import FakeReply

APPLICATION_ID = "900000000000000001"
GUILD_ID = "100000000000000001"
BOT_TOKEN = "bot-token-of-the-fake"  # noqa: S105 - of the fake only
BASE = "http://discord.test/api/v10"
_SEED = bytes(range(32))
_EDIT = re.compile(r"/api/v10/webhooks/(\d+)/([^/]+)/messages/@original")
_COMMANDS = re.compile(r"/api/v10/applications/(\d+)/guilds/(\d+)/commands")
_ME = re.compile(r"/api/v10/applications/@me")
_ROLES = re.compile(r"/api/v10/guilds/(\d+)/roles")
_MEMBER = re.compile(r"/api/v10/guilds/(\d+)/members/(\d+)")
_TOKEN = re.compile(r"/api/v10/oauth2/token")
_REVOKE = re.compile(r"/api/v10/oauth2/token/revoke")
_USER = re.compile(r"/api/v10/users/@me")
_OWN_MEMBER = re.compile(r"/api/v10/users/@me/guilds/(\d+)/member")
_ENTITLEMENTS = re.compile(r"/api/v10/applications/(\d+)/entitlements\?user_id=(\d+)&exclude_ended=true")
FILES_HOST = "cdn.discordapp.com"
ATTACHMENT_BYTES = 10 * 1024 * 1024
TOKEN_LIVES_S = 900.0


@dataclass
class Shown:
    """One interaction as Discord keeps it: `message` is what its owner sees at the end."""

    token: str
    at: float
    acknowledged: bool = False
    message: dict[str, Any] | None = None
    edits: int = 0
    files: list[Sent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Failure:
    """A scripted answer in place of the right one."""

    status: int
    code: int = 0
    retry_after: float | None = None
    is_global: bool = False


class FakeDiscord:
    """One application in one server. `failures` are given to the next REST calls, in order."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.private_key = Ed25519PrivateKey.from_private_bytes(_SEED)
        self.public_key = self.private_key.public_key().public_bytes_raw().hex()
        self.interactions: dict[str, Shown] = {}
        self.commands: list[dict[str, Any]] = []
        self.endpoint: str | None = None
        self.roles: list[str] = [GUILD_ID]
        self.members: dict[str, dict[str, Any]] = {}
        """Who is in the server; take somebody out and they have left."""
        self.users: dict[str, dict[str, Any]] = {}
        """Everybody, in the server or not."""
        self.oauth = FakeOAuth(APPLICATION_ID, clock)
        self.failures: list[Failure | UpstreamFailed] = []
        self.calls: list[UpstreamRequest] = []
        self.modals: list[dict[str, Any]] = []
        """Every form that was given to somebody."""
        self.hold: asyncio.Event | None = None
        """Where set, calls wait for it; `held` is set when one does."""
        self.held = asyncio.Event()
        self.entitlements: dict[str, list[dict[str, Any]]] = {}
        """By user id."""
        self.files: dict[str, FakeReply] = {}
        """What members attached, by path on the host for files."""
        self.attachment_bytes = ATTACHMENT_BYTES
        self._counter = 0

    def snowflake(self, at: float | None = None) -> str:
        """Make an id that says when it was made."""
        self._counter += 1
        wall = self.clock.wall() if at is None else at
        return str((int(wall * 1000) - DISCORD_EPOCH_MS) << 22 | self._counter & 0x3FFFFF)

    async def send(self, request: UpstreamRequest) -> FakeReply:
        """Answer one REST call as Discord does, as an `UpstreamClient`."""
        self.calls.append(request)
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        await asyncio.sleep(0)
        if request.origin.host == FILES_HOST:
            return self._file(request)
        return self.answer(request)

    def answer(self, request: UpstreamRequest) -> FakeReply:
        """Answer one call; a scripted failure comes first."""
        headers = dict(request.headers)
        assert headers.get(b"user-agent", b"").startswith(b"DiscordBot ("), "Discord blocks other user agents"
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, UpstreamFailed):
                raise failure
            return _refusal(failure)
        for pattern, answer in self._routes():
            found = pattern.fullmatch(request.target)
            if found is not None:
                return answer(request, headers, *found.groups())
        raise AssertionError(f"{request.method} {request.target[:40]} is no route of the fake")

    async def aclose(self) -> None:
        """Nothing is open."""

    def _routes(self) -> list[tuple[re.Pattern[str], Callable[..., FakeReply]]]:
        return [
            (_EDIT, self._edit),
            (_COMMANDS, self._put_commands),
            (_MEMBER, self._member),
            (_ENTITLEMENTS, self._entitlements),
            (_ME, self._me),
            (_ROLES, self._roles),
            (_TOKEN, self._token),
            (_REVOKE, self._revoke),
            (_USER, self._user),
            (_OWN_MEMBER, self._own_member),
        ]

    def _token(self, request: UpstreamRequest, headers: dict[bytes, bytes]) -> FakeReply:
        status, body = self.oauth.token(headers, request.body)
        return FakeReply(encode(body), status=status)

    def _revoke(self, request: UpstreamRequest, headers: dict[bytes, bytes]) -> FakeReply:
        status, body = self.oauth.revoke(headers, request.body)
        return FakeReply(encode(body), status=status)

    def _user(self, _request: UpstreamRequest, headers: dict[bytes, bytes]) -> FakeReply:
        user_id = self.oauth.user_of(headers, "identify")
        return _refusal(Failure(401)) if user_id is None else _ok(self.users[user_id])

    def _own_member(self, _request: UpstreamRequest, headers: dict[bytes, bytes], guild: str) -> FakeReply:
        user_id = self.oauth.user_of(headers, "guilds.members.read")
        if user_id is None:
            return _refusal(Failure(401))
        member = self.members.get(user_id)
        return _refusal(Failure(404, 10004)) if guild != GUILD_ID or member is None else _ok(member)

    def _me(self, _request: UpstreamRequest, headers: dict[bytes, bytes]) -> FakeReply:
        if headers.get(b"authorization") != f"Bot {BOT_TOKEN}".encode():
            return _refusal(Failure(401))
        return _ok(
            {
                "verify_key": self.public_key,
                "interactions_endpoint_url": self.endpoint,
                "redirect_uris": sorted(self.oauth.redirect_uris),
            }
        )

    def _roles(self, _request: UpstreamRequest, _headers: dict[bytes, bytes], guild: str) -> FakeReply:
        return _refusal(Failure(404, 10004)) if guild != GUILD_ID else _ok([{"id": role} for role in self.roles])

    def _edit(self, request: UpstreamRequest, headers: dict[bytes, bytes], _app: str, token: str) -> FakeReply:
        assert b"authorization" not in headers, "the bot's token has no business on a token route"
        shown = self.interactions.get(token)
        if shown is None or self.clock.wall() > shown.at + TOKEN_LIVES_S:
            return _refusal(Failure(401, 50027))
        if not shown.acknowledged:
            return _refusal(Failure(404, 10015))
        files: list[Sent] = []
        try:
            content_type = headers[b"content-type"].decode()
            if content_type.startswith("multipart/form-data"):
                message, files = read_upload(request.body, content_type, self.attachment_bytes)
            else:
                message = _object(request.body, content_type)
            check_message(message)
        except Illegal:
            return _refusal(Failure(400, 50035))
        shown.message, shown.files = message, files
        shown.edits += 1
        shown.changed.set()
        return _ok({"id": self.snowflake()})

    def _file(self, request: UpstreamRequest) -> FakeReply:
        assert (request.origin.scheme, request.method) == ("https", "GET"), "files are fetched over https"
        assert not {b"authorization", b"cookie"} & dict(request.headers).keys(), "files need no credentials"
        return self.files.get(request.target) or FakeReply(b"", status=404)

    def _entitlements(self, _request: UpstreamRequest, headers: dict[bytes, bytes], _app: str, user: str) -> FakeReply:
        if headers.get(b"authorization") != f"Bot {BOT_TOKEN}".encode():
            return _refusal(Failure(401))
        return _ok(self.entitlements.get(user, []))

    def _put_commands(self, request: UpstreamRequest, headers: dict[bytes, bytes], _a: str, _g: str) -> FakeReply:
        if headers.get(b"authorization") != f"Bot {BOT_TOKEN}".encode():
            return _refusal(Failure(401))
        if request.method == "PUT":
            commands = decode_any(request.body)
            assert isinstance(commands, list)
            check_commands(commands)
            self.commands = [{"id": self.snowflake(), **command} for command in commands]
        return _ok(self.commands)

    def _member(self, _request: UpstreamRequest, headers: dict[bytes, bytes], guild: str, user: str) -> FakeReply:
        if headers.get(b"authorization") != f"Bot {BOT_TOKEN}".encode():
            return _refusal(Failure(401))
        if guild != GUILD_ID:
            return _refusal(Failure(404, 10004))
        member = self.members.get(user)
        return _refusal(Failure(404, 10007)) if member is None else _ok(member)


def _object(body: bytes, content_type: str) -> dict[str, Any]:
    message = decode_any(body)
    if content_type != "application/json" or not isinstance(message, dict):
        raise Illegal("a message is a JSON object")
    return message


def _ok(body: object) -> FakeReply:
    return FakeReply(encode(body))


def _refusal(failure: Failure) -> FakeReply:
    body: dict[str, object] = {"code": failure.code, "message": "refused by the fake"}
    if failure.retry_after is not None:
        body |= {"retry_after": failure.retry_after, "global": failure.is_global}
    return FakeReply(encode(body), status=failure.status)
