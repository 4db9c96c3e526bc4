"""Pictures in a chat request that are only pointed at: passed on, fetched, or refused, by what the upstream can.

An upstream that fetches by itself is left to it. For any other the gateway would have to be, or to let be, somebody's
hand in the operator's network: so it fetches through the one guard, where the operator switched that on.
"""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from freetheai_gateway.dialects.image_links import find_links, may_hold_pictures, with_pictures
from freetheai_gateway.dialects.openai_images import PictureRules, read_picture
from freetheai_gateway.domain.images import Picture
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import InvalidJSON
from freetheai_gateway.services.exchange import Exchange
from freetheai_gateway.services.image_ports import PictureFetcher

EVERYTHING = ("",)
"""Of an upstream that fetches every address by itself."""
_MAX_BYTES = 32 * 1024 * 1024


class ImageInputs:
    """Makes requests fit for upstreams that fetch nothing, or only from some places."""

    def __init__(self, rules: PictureRules, fetcher: PictureFetcher | None = None) -> None:
        self._rules = rules
        self._fetcher = fetcher

    async def fit(self, exchange: Exchange, fetches: Sequence[str]) -> Exchange:
        """Give the exchange with the pictures in it that the upstream does not fetch. Raises `InvalidRequest`.

        `fetches` are the beginnings of the addresses that it does.
        """
        if not may_hold_pictures(exchange.body):
            return exchange

        def is_foreign(url: str) -> bool:
            return url[:5].lower() != "data:" and not url.startswith(tuple(fetches))

        try:
            links = find_links(exchange.body, is_foreign)
        except InvalidJSON:
            return exchange  # the dialect says what is wrong with it
        if not links:
            return exchange
        pictures = dict(zip(links, await self._fetch(links, exchange), strict=True))
        body = await asyncio.to_thread(with_pictures, exchange.body, pictures)
        return replace(exchange, body=body, request=exchange.dialect.parse_request(body))

    async def _fetch(self, links: Sequence[str], exchange: Exchange) -> list[Picture]:
        fetcher = self._fetcher
        if fetcher is None:
            raise _refused(f"{exchange.model.id} fetches no addresses; send the picture as a data URL in base64.")
        if len(links) > self._rules.max_count:
            raise _refused(f"At most {self._rules.max_count} pictures are fetched for one request.")

        async def fetch(number: int, url: str) -> Picture:
            name = f"picture {number}"
            return read_picture(await fetcher.fetch(url, name), self._rules, name)

        work = [asyncio.ensure_future(fetch(number, url)) for number, url in enumerate(links, 1)]
        try:
            pictures = await asyncio.gather(*work)
        finally:
            for each in work:
                each.cancel()
        if sum(len(picture.data) for picture in pictures) > _MAX_BYTES:
            raise _refused(f"The pictures of one request may have {_MAX_BYTES} bytes together.")
        return pictures


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="image_url_not_supported", param="messages")
