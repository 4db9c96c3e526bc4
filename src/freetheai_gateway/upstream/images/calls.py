"""Calls of image providers: one whole reply, polling, the fetching of results, and what failures become."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.openai_images import find_picture
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.domain.base64_pieces import decode_pieces
from freetheai_gateway.domain.failures import ERROR_IN_REPLY, HTTP, MALFORMED, Mishap
from freetheai_gateway.domain.images import MadePicture, Picture
from freetheai_gateway.domain.outcomes import find_rule
from freetheai_gateway.errors import ContentPolicyViolation, GatewayError
from freetheai_gateway.jsonc import InvalidJSON, ReplyDecoder
from freetheai_gateway.services.body import MAX_ERROR_BYTES, Body
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.services.ports import UpstreamClient, UpstreamFailed, UpstreamReply, UpstreamRequest
from freetheai_gateway.services.provider_errors import from_refusal, from_transport, provider_failed
from freetheai_gateway.upstream.providers import HTTPProvider, parse_base_url

T = TypeVar("T")

MAX_REPLY_BYTES = 96 * 1024 * 1024
MAX_PICTURE_BYTES = 48 * 1024 * 1024
_SMALL_BYTES = 64 * 1024
_PART_BYTES = 256 * 1024
"""About what one read gives of a large body."""
_GOOD = range(200, 300)
_SERVERS_FAULT, _LATER = 500, frozenset({408, 425, 429})
_TRANSPORT = frozenset({"closed", "refused", "resolve", "connect_timeout", "head_timeout"})
_PATIENCE = 3
"""How often a call about an order that was taken is made again after a failure in passing."""
_CANCEL_S = 5.0


class Pace(msgspec.Struct, frozen=True):
    """How often a result is asked for: seconds until the first time, at most between two, and the factor between."""

    first_s: float = 0.5
    most_s: float = 2.0
    factor: float = 1.3


class Drawn(NamedTuple):
    """A result as a provider gives it: base64, or an address."""

    base64: str = ""
    url: str = ""
    revised_prompt: str = ""


class Calls:
    """Calls one provider."""

    def __init__(self, provider: HTTPProvider, client: UpstreamClient, clock: Clock, pace: Pace) -> None:
        self.provider = provider
        self._client = client
        self._clock = clock
        self._pace = pace

    async def post(self, ask: Ask, path: str, body: bytes, content_type: bytes = b"application/json") -> bytes:
        """Send to a path below the base URL; gives the whole reply."""
        request = self.provider.request("POST", path, ask.key_index, body, content_type)
        return await self._whole(request, ask, MAX_REPLY_BYTES)

    async def open(self, ask: Ask, path: str, body: bytes, content_type: bytes = b"application/json") -> UpstreamReply:
        """Send as `post`; gives a reply that is read as a stream. The caller closes it."""
        return await self._send(self.provider.request("POST", path, ask.key_index, body, content_type), ask)

    async def get(self, ask: Ask, url: str) -> bytes:
        """Ask for an address that the provider gave, with the key, if it is one of the provider's own."""
        request = self.provider.own_request("GET", url, ask.key_index)
        return await self._patiently(ask, lambda: self._whole(request, ask, MAX_REPLY_BYTES))

    async def cancel(self, ask: Ask, url: str) -> None:
        """Tell the provider that nobody waits any more; what it says to that changes nothing."""
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(_CANCEL_S):
                await self._whole(self.provider.own_request("PUT", url, ask.key_index), ask, MAX_ERROR_BYTES)

    async def download(self, ask: Ask, url: str) -> Picture:
        """Fetch a result without any credential: `https`, or the provider's own host."""
        if url.startswith("data:"):
            async with ask.held.place():
                return await decoded(ask, url.partition(",")[2])
        parts = urlsplit(url)
        if not parts.hostname or (parts.scheme != "https" and not self.provider.is_own(url)):
            raise malformed(ask, "the address of the result is not https")
        origin, path = parse_base_url(f"{parts.scheme}://{parts.netloc}{parts.path}")
        target = (parts.path or path or "/") + (f"?{parts.query}" if parts.query else "")
        request = UpstreamRequest("GET", origin, target)
        return verified(ask, await self._patiently(ask, lambda: self._whole(request, ask, MAX_PICTURE_BYTES)))

    async def _patiently(self, ask: Ask, call: Callable[[], Awaitable[bytes]]) -> bytes:
        """Ask for what is ordered and paid for: again where it fails in passing, and never as if it could be reordered.

        Raises the last `GatewayError`; `trace.mishap` then says that the order may have been executed.
        """
        for _ in range(_PATIENCE):
            try:
                return await call()
            except GatewayError:
                if not _is_passing(ask.trace.mishap):
                    _note_executed(ask)
                    raise
            ask.trace.mishap = None
            await asyncio.sleep(self._pace.most_s)
        try:
            return await call()
        except GatewayError:
            _note_executed(ask)
            raise

    async def pictures(self, ask: Ask, data: bytes, find: Callable[[bytes], Iterable[Drawn]]) -> list[MadePicture]:
        """Take the pictures out of a reply, and fetch those that it only points at. Raises what `find` raises.

        One request at a time: a reply of megabytes is in memory in three forms meanwhile.
        """
        async with ask.held.place():
            found = [(each, await decoded(ask, each.base64) if each.base64 else None) for each in find(data)]
        return [
            MadePicture(picture or await self.download(ask, drawn.url), drawn.revised_prompt)
            for drawn, picture in found
        ]

    async def poll(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look again and again until there is something; the deadline is the caller's."""
        pause_s = self._pace.first_s
        while True:
            await asyncio.sleep(pause_s)
            found = await look()
            if found is not None:
                return found
            pause_s = min(self._pace.most_s, pause_s * self._pace.factor)

    async def _send(self, request: UpstreamRequest, ask: Ask) -> UpstreamReply:
        try:
            reply = await self._client.send(request)
        except UpstreamFailed as failed:
            raise from_transport(failed, ask.trace) from failed
        if reply.status in _GOOD:
            return reply
        raise await from_refusal(reply, self._clock, ask.trace)

    async def _whole(self, request: UpstreamRequest, ask: Ask, limit: int) -> bytes:
        reply = await self._send(request, ask)
        try:
            return await _read_held(Body(reply), ask, limit)
        except UpstreamFailed as failed:
            raise from_transport(failed, ask.trace) from failed
        except MalformedReply as fault:
            raise malformed(ask, str(fault)) from None
        finally:
            reply.close()


def _is_passing(mishap: Mishap | None) -> bool:
    """Whether the same call may well succeed a little later."""
    if mishap is None or mishap.callers_fault:
        return False
    return mishap.status >= _SERVERS_FAULT or mishap.status in _LATER or mishap.what in _TRANSPORT


def _note_executed(ask: Ask) -> None:
    mishap = ask.trace.mishap
    if mishap is not None and not mishap.callers_fault:
        ask.trace.mishap = Mishap(ERROR_IN_REPLY)


async def _read_held(body: Body, ask: Ask, limit: int) -> bytes:
    """Read a whole body, each part of it when there is room for it, and when it is this request's turn."""
    parts: list[bytes] = []
    size = 0
    while data := await (_read_next(body, ask) if size > _SMALL_BYTES else read_part(body, ask)):
        size += len(data)
        if size > limit:
            raise MalformedReply("the body is too large")
        parts.append(data)
        if size > _SMALL_BYTES:
            await ask.held.turn()
    return b"".join(parts)


async def read_part(body: Body, ask: Ask) -> bytes:
    """Read a part of a body, then make room for it: nobody knows when it comes."""
    data = await body.read()
    await ask.held.take(len(data))
    return data


async def _read_next(body: Body, ask: Ask) -> bytes:
    """Make room, then read on: what nobody reads stays with the provider."""
    await ask.held.take(_PART_BYTES)
    data = await body.read()
    ask.held.adjust(len(data) - _PART_BYTES)
    return data


def read(decode: ReplyDecoder[T], data: bytes, ask: Ask) -> T:
    """Decode a reply. Raises `ProviderError`."""
    try:
        return decode(data)
    except InvalidJSON:
        raise malformed(ask, "the reply is not what the provider documents") from None


async def decoded(ask: Ask, base64_text: str) -> Picture:
    """Decode and verify a result that came as base64, with others in between."""
    pieces = []
    try:
        for piece in decode_pieces(base64_text):
            pieces.append(piece)
            await asyncio.sleep(0)
    except ValueError:
        raise malformed(ask, "the result is not base64") from None
    return verified(ask, b"".join(pieces))


def verified(ask: Ask, data: bytes) -> Picture:
    """Check that a result is a picture. Raises `ProviderError`."""
    picture = find_picture(data)
    if picture is None:
        raise malformed(ask, "the result is not a picture")
    return picture


async def several(ask: Ask, make_one: Callable[[], Awaitable[Sequence[MadePicture]]]) -> tuple[MadePicture, ...]:
    """Make as many pictures as were ordered, side by side, where a provider makes one at a time.

    Fewer are an answer, none is an error: that of a call that may have been executed, if there is one, so that the
    order is not given again.
    """
    failures: list[tuple[GatewayError, Mishap | None]] = []

    async def attempt() -> Sequence[MadePicture]:
        try:
            return await make_one()
        except GatewayError as error:
            failures.append((error, ask.trace.mishap))
            return ()

    results = await asyncio.gather(*(attempt() for _ in range(ask.order.count)))
    made = [picture for result in results for picture in result]
    if not made:
        error, ask.trace.mishap = max(failures, key=_may_be_executed)
        raise error
    ask.trace.mishap = None
    return tuple(made)


def _may_be_executed(failure: tuple[GatewayError, Mishap | None]) -> bool:
    mishap = failure[1]
    return mishap is not None and mishap.sent and find_rule(mishap).executed


def too_few(ask: Ask, pictures: Sequence[MadePicture]) -> tuple[str, ...]:
    """Name `n` for `Made.adjusted` where `several` made fewer pictures than were ordered."""
    return ("n",) if len(pictures) < ask.order.count else ()


def refused(ask: Ask) -> GatewayError:
    """Say that the provider refused the content."""
    ask.trace.outcome = "content_policy"
    ask.trace.mishap = Mishap(HTTP, status=400, callers_fault=True)
    return ContentPolicyViolation(f"The provider of {ask.trace.model} refused the content.")


def failed_inside(ask: Ask, cause: str) -> GatewayError:
    """Say that a job of the provider failed; `cause` is for the operator and free of foreign text."""
    ask.trace.outcome, ask.trace.cause = ERROR_IN_REPLY, cause
    ask.trace.mishap = Mishap(ERROR_IN_REPLY)
    return provider_failed(ask.trace)


def malformed(ask: Ask, cause: str) -> GatewayError:
    """Say that what came is no answer."""
    ask.trace.outcome, ask.trace.cause = MALFORMED, cause
    ask.trace.mishap = Mishap(MALFORMED)
    return provider_failed(ask.trace)
