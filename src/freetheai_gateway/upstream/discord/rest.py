"""A small client of Discord's REST API: waits for its rate limits, repeats what may be repeated, and stops in time.

Errors hold Discord's numeric code and nothing else: an interaction's token is part of its address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from freetheai_gateway import __version__
from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.services.key_desk.ports import DeliveryFailed, Upload
from freetheai_gateway.services.ports import UpstreamClient, UpstreamFailed, UpstreamReply, UpstreamRequest
from freetheai_gateway.upstream.discord.buckets import Buckets
from freetheai_gateway.upstream.discord.multipart import render_form
from freetheai_gateway.upstream.providers import parse_base_url

UNKNOWN_WEBHOOK = 10015
"""An edit that overtook the first answer: Discord knows the answer a moment later."""
PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
LONGEST_WAIT_S = 60.0
MOST_BYTES = 4 * 1024 * 1024
_TIMEOUTS = Timeouts(connect_s=5.0, total_s=15.0)
_USER_AGENT = f"DiscordBot (https://freetheai-gateway.invalid, {__version__})".encode()
_JSON = b"application/json"
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})

Sleep = Callable[[float], Awaitable[None]]


class _Problem(msgspec.Struct, frozen=True):
    """The body of an error."""

    code: int = 0
    retry_after: float = 0.0
    is_global: bool = msgspec.field(name="global", default=False)


_read_problem: Decoder[_Problem] = Decoder(_Problem)


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Whom the client speaks for, and where."""

    application_id: str
    bot_token: str
    api_base: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `route` names its rate limit; `as_bot` sends the bot's token, which token routes must not get."""

    method: str
    path: str
    route: str
    body: bytes = b""
    content_type: bytes = _JSON
    as_bot: bool = True


class DiscordRest:
    """Implements `Replies`; `call` is what everything else is made of."""

    def __init__(
        self, settings: DiscordSettings, client: UpstreamClient, clock: Clock, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._origin, self._base = parse_base_url(settings.api_base)
        self._buckets = Buckets()
        self.refused = 0
        """Answers 401, 403 and 429: Discord bans an address for a while that gets ten thousand in ten minutes."""

    @property
    def application_id(self) -> str:
        """Whom the client speaks for."""
        return self._settings.application_id

    async def edit(self, token: str, message: dict[str, object], *files: Upload) -> None:
        """Replace the deferred answer of an interaction. Raises `DeliveryFailed` when it is final."""
        path = f"/webhooks/{self._settings.application_id}/{token}/messages/@original"
        body, content_type = render_form(message, files) if files else (encode(message), _JSON)
        await self.call(Call("PATCH", path, f"edit {token}", body, content_type, as_bot=False))

    async def call(self, call: Call) -> bytes:
        """Call, repeat what may be repeated, and give the body. Raises `DeliveryFailed`."""
        last = DeliveryFailed()
        for pause_s in (*PAUSES_S, None):
            await self._wait(call.route)
            status, body = await self._once(call)
            if status and status < HTTPStatus.BAD_REQUEST:
                return body
            self.refused += status in _REFUSED
            problem = _problem(body)
            last = DeliveryFailed(problem.code, status)
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                now = self._clock.monotonic()
                self._buckets.refused(call.route, problem.retry_after, now, everywhere=problem.is_global)
            elif not _may_repeat(status, problem.code):
                break
            elif pause_s is not None:
                await self._sleep(pause_s)
        raise last

    async def _wait(self, route: str) -> None:
        wait_s = self._buckets.wait_s(route, self._clock.monotonic())
        if wait_s > LONGEST_WAIT_S:
            raise DeliveryFailed(status=HTTPStatus.TOO_MANY_REQUESTS)
        if wait_s:
            await self._sleep(wait_s)

    async def _once(self, call: Call) -> tuple[int, bytes]:
        """Send once; status 0 where no complete reply came."""
        headers = [(b"user-agent", _USER_AGENT), (b"accept", b"application/json")]
        if call.as_bot:
            headers.append((b"authorization", f"Bot {self._settings.bot_token}".encode()))
        if call.body:
            headers.append((b"content-type", call.content_type))
        request = UpstreamRequest(
            call.method,
            self._origin,
            self._base + call.path,
            tuple(headers),
            call.body,
            timeouts=_TIMEOUTS,
        )
        try:
            reply = await self._client.send(request)
            try:
                self._buckets.answered(call.route, dict(reply.headers), self._clock.monotonic())
                return reply.status, await _read(reply)
            finally:
                reply.close()
        except UpstreamFailed:
            return 0, b""


async def _read(reply: UpstreamReply) -> bytes:
    body = bytearray()
    while part := await reply.read():
        body += part
        if len(body) > MOST_BYTES:
            raise DeliveryFailed(status=reply.status)
    return bytes(body)


def _may_repeat(status: int, code: int) -> bool:
    return status == 0 or status >= HTTPStatus.INTERNAL_SERVER_ERROR or code == UNKNOWN_WEBHOOK


def _problem(body: bytes) -> _Problem:
    try:
        return _read_problem(body)
    except InvalidJSON:
        return _Problem()
