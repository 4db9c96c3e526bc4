"""`GET /v1/health`, `/healthz` and `/readyz`, and what the base URL says of itself."""

from collections.abc import Callable

from freetheai_gateway.clock import Clock, rfc3339
from freetheai_gateway.domain.health import HALF_HOUR_S, HOUR_S, PrefixHealth, Status, overall, prefix_of
from freetheai_gateway.jsonc import encode
from freetheai_gateway.log import get_log
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import StoreUnavailable, UsageStore, UsageTotals
from freetheai_gateway.services.reports import NodeReports
from freetheai_gateway.web.cors import ANY_ORIGIN
from freetheai_gateway.web.operators import OperatorGate
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import JSON, Response

MAX_AGE_S = 10
BUILT_AT_MOST_EVERY_S = 5.0
_LOG = get_log("health")


class ProbeRoutes:
    """What balancers and supervisors ask."""

    def __init__(self, gate: OperatorGate, is_draining: Callable[[], bool]) -> None:
        self._gate = gate
        self._is_draining = is_draining

    async def alive(self, _request: Request, response: Response) -> None:
        """Answer `GET /healthz`: the process serves."""
        await response.reply(b'{"status":"ok"}')

    async def ready(self, request: Request, response: Response) -> None:
        """Answer `GET /readyz`: 503 while the server is about to stop, so that balancers look elsewhere."""
        self._gate.check(request)
        if self._is_draining():
            await response.send_whole(503, (JSON, (b"retry-after", b"1")), b'{"status":"draining"}')
        else:
            await response.reply(b'{"status":"ok"}')


class HealthRoutes:
    """Public answers about the service as a whole; they name no upstream and no user."""

    def __init__(
        self, directory: Directory, observer: Observer, usage: UsageStore, clock: Clock, reports: NodeReports
    ) -> None:
        self._reports = reports
        self._directory = directory
        self._observer = observer
        self._usage = usage
        self._clock = clock
        self._built_at = float("-inf")
        self._built_for: Offer | None = None
        self._body = b""
        self._totals = UsageTotals()

    async def health(self, _request: Request, response: Response) -> None:
        """Answer `GET /v1/health`."""
        headers = (JSON, (b"cache-control", b"public, max-age=%d" % MAX_AGE_S))
        response.cross_origin = ANY_ORIGIN
        await response.send_whole(200, headers, await self.body())

    async def body(self) -> bytes:
        """Give the answer, built anew at most every `BUILT_AT_MOST_EVERY_S`; the status page reads it too."""
        now, offer = self._clock.monotonic(), self._directory.offer
        if now - self._built_at >= BUILT_AT_MOST_EVERY_S or offer is not self._built_for:
            self._built_at, self._built_for = now, offer  # before the await: one of many readers builds
            await self._reports.refresh_health()
            await self._read_totals()
            self._body = encode(self._describe(offer))
        return self._body or encode(self._describe(offer))

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

    async def _read_totals(self) -> None:
        try:
            self._totals = await self._usage.totals()
        except StoreUnavailable as error:
            _LOG.warning("totals_not_read", error=type(error).__name__)  # the last ones stay

    def _describe(self, offer: Offer) -> dict[str, object]:
        now = self._clock.wall()
        models = [model for model in offer.catalogue.models.values() if not model.retired]
        by_prefix: dict[str, int] = {}
        for model in models:
            by_prefix[prefix_of(model.id)] = by_prefix.get(prefix_of(model.id), 0) + 1
        statuses = self._observer.statuses(list(by_prefix))
        thresholds, totals = self._observer.thresholds, self._totals
        lacking: dict[str, object] = {"workers_not_included": self._reports.lacks} if self._reports.lacks else {}
        return {
            **lacking,
            "status": overall(list(statuses.values())).value,
            "generated_at": rfc3339(now),
            "catalog": {
                "model_count": len(models),
                "available_count": sum(1 for model in models if offer.is_set_up(model)),
            },
            "total_tokens_served": {
                "total": totals.input_tokens + totals.output_tokens,
                "input": totals.input_tokens,
                "output": totals.output_tokens,
                "successful_requests": totals.successful_requests,
            },
            "thresholds": {
                "minimum_requests": thresholds.minimum_requests,
                "degraded_from": thresholds.degraded_from,
                "down_from": thresholds.down_from,
            },
            "providers": [
                _describe_prefix(prefix, count, statuses[prefix], self._observer.health_of(prefix), now)
                for prefix, count in by_prefix.items()
            ],
        }


def _describe_prefix(prefix: str, count: int, status: Status, health: PrefixHealth, now: float) -> dict[str, object]:
    half, hour = health.counts(now, HALF_HOUR_S), health.counts(now, HOUR_S)
    return {
        "prefix": prefix,
        "status": status.value,
        "model_count": count,
        "requests_30m": half.requests,
        "successes_30m": half.successes,
        "errors_30m": half.errors,
        "error_rate_30m": half.error_rate,
        "requests_60m": hour.requests,
        "successes_60m": hour.successes,
        "errors_60m": hour.errors,
        "error_rate_60m": hour.error_rate,
        "last_success_at": None if health.last_success_at is None else rfc3339(health.last_success_at),
        "last_error_at": None if health.last_error_at is None else rfc3339(health.last_error_at),
        **_waits(health, now, HALF_HOUR_S, "30m"),
        **_waits(health, now, HOUR_S, "60m"),
    }


def _waits(health: PrefixHealth, now: float, window_s: float, window: str) -> dict[str, object]:
    waits = health.waits(now, window_s)
    return {
        f"first_content_p50_ms_{window}": None if waits is None else round(waits.p50_s * 1_000),
        f"first_content_p95_ms_{window}": None if waits is None else round(waits.p95_s * 1_000),
    }
