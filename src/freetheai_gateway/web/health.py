"""`GET /v1/health`, `/healthz` and `/readyz`, and what the base URL says of itself."""

from collections.abc import Callable

from freetheai_gateway.clock import Clock, rfc3339
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

MAX_AGE_S = 10


class HealthRoutes:
    """Public answers about the service as a whole; they name no upstream and no user."""

    def __init__(self, directory: Directory, clock: Clock, is_draining: Callable[[], bool]) -> None:
        self._directory = directory
        self._clock = clock
        self._is_draining = is_draining

    async def health(self, _request: Request, response: Response) -> None:
        """Answer `GET /v1/health`: up as soon as one model can be called."""
        offer = self._directory.offer
        models = [model for model in offer.catalogue.models.values() if not model.retired]
        available = sum(1 for model in models if offer.is_set_up(model))
        body = {
            "status": "up" if available else "down",
            "generated_at": rfc3339(self._clock.wall()),
            "catalog": {"model_count": len(models), "available_count": available},
        }
        headers = (
            JSON,
            (b"cache-control", b"public, max-age=%d" % MAX_AGE_S),
            (b"access-control-allow-origin", b"*"),
        )
        await response.send_whole(200, headers, encode(body))

    async def alive(self, _request: Request, response: Response) -> None:
        """Answer `GET /healthz`: the process serves."""
        await response.reply(b'{"status":"ok"}')

    async def ready(self, _request: Request, response: Response) -> None:
        """Answer `GET /readyz`: 503 while the server is about to stop, so that balancers look elsewhere."""
        if self._is_draining():
            await response.send_whole(503, (JSON, (b"retry-after", b"1")), b'{"status":"draining"}')
        else:
            await response.reply(b'{"status":"ok"}')

    async def base_url(self, _request: Request, response: Response) -> None:
        """Answer `GET /v1` and `GET /`: people paste base URLs into browsers."""
        site = self._directory.offer.site
        body = {
            "object": "api",
            "name": site.name,
            "message": "This is a base URL: point an OpenAI-compatible client at it, with your key as bearer token.",
            "base_url": f"{site.public_url}/v1",
            "docs": f"{site.public_url}/docs",
        }
        await response.reply(encode(body))
