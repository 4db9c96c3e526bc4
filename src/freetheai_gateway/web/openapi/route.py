"""The handler of the document; it is built when someone asks, and again after a reload."""

from freetheai_gateway import __version__
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.web.cors import ANY_ORIGIN
from freetheai_gateway.web.openapi.document import Instance, build
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

_CACHE_CONTROL = (b"cache-control", b"public, max-age=300")


class OpenAPIRoute:
    """Public, and readable by pages of every origin."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._built_for: Offer | None = None
        self._body = b""

    async def __call__(self, _request: Request, response: Response) -> None:
        """Answer `GET /v1/openapi.json`."""
        offer = self._directory.offer
        if offer is not self._built_for:
            self._body, self._built_for = encode(build(instance_of(offer))), offer
        response.cross_origin = ANY_ORIGIN
        await response.send_whole(200, (JSON, _CACHE_CONTROL), self._body)


def instance_of(offer: Offer) -> Instance:
    """Say of an offer what the document needs."""
    return Instance(
        title=offer.site.name,
        version=__version__,
        server_url=offer.site.public_url,
        public_catalog=offer.public_catalog,
    )
