"""Files that members attach, fetched from where Discord keeps them and from nowhere else.

The address is part of a signed payload and still checked: https, one of Discord's two hosts for files, no port, no
name in it. Redirects are not followed, the body is cut off at the cap, and everything ends after a while.
"""

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.errors import InvalidRequest, RequestTooLarge
from freetheai_gateway.services.key_desk.pictures import Attachment
from freetheai_gateway.services.ports import Origin, UpstreamClient, UpstreamFailed, UpstreamReply, UpstreamRequest

HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
DEADLINE_S = 20.0
_PORT = 443
_LONGEST_URL = 2_048
_HEADERS = ((b"accept", b"image/*"), (b"accept-encoding", b"identity"), (b"user-agent", b"freetheai-gateway"))


class DiscordFiles:
    """Implements `AttachmentFetcher`."""

    def __init__(self, client: UpstreamClient, *, deadline_s: float = DEADLINE_S) -> None:
        self._client = client
        self._deadline_s = deadline_s

    async def fetch(self, attachment: Attachment, most_bytes: int) -> bytes:
        """Fetch the bytes. Raises `InvalidRequest`, `RequestTooLarge`."""
        if attachment.size_bytes > most_bytes:
            raise _too_large(most_bytes)
        request = _request(attachment.url, self._deadline_s)
        try:
            async with asyncio.timeout(self._deadline_s):
                reply = await self._client.send(request)
                try:
                    return await _read(reply, most_bytes)
                finally:
                    reply.close()
        except (UpstreamFailed, TimeoutError):
            raise _refused("Discord did not give it") from None


def _request(url: str, deadline_s: float) -> UpstreamRequest:
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable():
        raise _refused("its address is none of Discord's")
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme == "https" and parts.netloc.lower() in HOSTS
    except ValueError:
        is_ours = False
    if not is_ours:
        raise _refused("its address is none of Discord's")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return UpstreamRequest(
        "GET",
        Origin("https", parts.netloc.lower(), _PORT),
        target.replace(" ", "%20"),
        _HEADERS,
        timeouts=Timeouts(connect_s=5.0, total_s=deadline_s),
    )


async def _read(reply: UpstreamReply, most_bytes: int) -> bytes:
    if reply.status != HTTPStatus.OK:
        raise _refused("Discord did not give it")
    body = bytearray()
    while part := await reply.read():
        body += part
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
    return bytes(body)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"The attached picture can't be used: {why}.", code="invalid_image", param="reference")


def _too_large(most_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The attached picture is larger than {most_bytes // 1_048_576} MiB.", code="image_too_large", param="reference"
    )
