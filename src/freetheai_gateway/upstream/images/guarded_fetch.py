"""Fetching a picture that a client points at, from public addresses only.

Each hop is looked up once; all its addresses must be public, and the connection goes to one of exactly these, so that a
name which answers differently the second time changes nothing. Redirects are followed by
hand, each through the same door.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urljoin

import msgspec

from freetheai_gateway.domain.addresses import NotPublic, host_of, is_public
from freetheai_gateway.errors import InvalidRequest, RequestTooLarge

MAX_REDIRECTS = 3
DEADLINE_S = 15.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_CHUNK = 65_536


class Fetched(msgspec.Struct, frozen=True):
    """One hop's answer; `body` is `None` where it is over the cap."""

    status: int
    location: str = ""
    body: bytes | None = b""


Resolve = Callable[[str], Awaitable[Sequence[str]]]
Get = Callable[[str, Sequence[str], int], Awaitable[Fetched]]
"""Takes a URL, the addresses that may be connected to, and the most bytes that are read."""


class GuardedFetcher:
    """Implements `PictureFetcher`."""

    def __init__(self, max_bytes: int, *, resolve: Resolve | None = None, get: Get | None = None) -> None:
        self._max_bytes = max_bytes
        self._resolve = resolve or look_up
        self._get = get or get_pinned

    async def fetch(self, url: str, param: str) -> bytes:
        """Fetch the bytes. Raises `InvalidRequest`, `RequestTooLarge`."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._follow(url, param)
        except NotPublic as refusal:
            raise InvalidRequest(
                f"{param} can't be fetched: {refusal}.", code="image_url_not_supported", param=param
            ) from None
        except (TimeoutError, OSError):
            raise InvalidRequest(
                f"{param} can't be fetched: its server did not answer.", code="image_url_not_supported", param=param
            ) from None

    async def _follow(self, url: str, param: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            addresses = await self._public(host_of(url))
            fetched = await self._get(url, addresses, self._max_bytes)
            if fetched.status in _REDIRECTS and fetched.location:
                url = urljoin(url, fetched.location)
                continue
            if fetched.status != _OK:
                raise NotPublic("its server did not give it")
            if fetched.body is None:
                raise RequestTooLarge(f"{param} is larger than {self._max_bytes} bytes.", param=param)
            return fetched.body
        raise NotPublic("it redirects too often")

    async def _public(self, host: str) -> Sequence[str]:
        addresses = [host] if is_public(host) else await self._resolve(host)
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotPublic("it is not an address of the public internet")
        return addresses


async def look_up(host: str) -> Sequence[str]:
    """Look a host up; literal addresses come back as they are, in every spelling that the system knows."""
    found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


async def get_pinned(url: str, addresses: Sequence[str], max_bytes: int) -> Fetched:
    """Make one request to one of the addresses; no redirect is followed, no proxy of the environment is used."""
    import aiohttp  # noqa: PLC0415 - only who switched fetching on pays for it
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415 - as above

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
                if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET}
            ]

        async def close(self) -> None:
            pass

    connector = aiohttp.TCPConnector(resolver=Pinned(), use_dns_cache=False, force_close=True)
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    headers = {"accept": "image/*", "accept-encoding": "identity", "user-agent": "freetheai-gateway"}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            if reply.status != _OK:
                return Fetched(reply.status, reply.headers.get("location", ""))
            body = bytearray()
            async for chunk in reply.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > max_bytes:
                    return Fetched(reply.status, body=None)
            return Fetched(reply.status, body=bytes(body))
    except aiohttp.ClientError:
        raise NotPublic("its server did not answer as a web server does") from None
