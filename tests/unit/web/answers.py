"""What the tests of the handlers share: one call of a handler, and a store that knows a ranking."""

from collections.abc import Mapping, Sequence

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.health import PrefixDay, Thresholds
from freetheai_gateway.domain.limits import Delivered
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.services.ports import ModelRequests, Page, UsageRow, UsageTotals
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Handler

Headers = Sequence[tuple[bytes, bytes]]
read_object: Decoder[dict[str, object]] = Decoder(dict[str, object])


async def ask(
    handler: Handler, path: str, headers: Headers = (), *, query: bytes = b"", peer: str = "127.0.0.1"
) -> Client:
    """Send one GET to a handler; a refusal is answered as the ASGI callable would."""
    client = Client("GET", path, headers)
    request = client.request
    request.query, request.client_host = query, peer
    response = Response(client.send, client.connection, Trace("req_1", path, FakeClock()), OpenAIChat(), 15.0)
    try:
        await handler(request, response)
    except GatewayError as error:
        await response.fail(error)
    return client


class RankedUsage:
    """Implements `UsageStore` for readers: a ranking per window, and what was asked for."""

    def __init__(self, *ranked: tuple[str, int]) -> None:
        self.ranked = [ModelRequests(model, requests) for model, requests in ranked]
        self.asked: list[tuple[str, float | str | None, int]] = []

    async def leaderboard_since(self, since: float, limit: int) -> Sequence[ModelRequests]:
        """Give the ranking."""
        self.asked.append(("since", since, limit))
        return self.ranked[:limit]

    async def leaderboard(self, since_day: str | None, limit: int) -> Sequence[ModelRequests]:
        """Give the ranking."""
        self.asked.append(("since_day", since_day, limit))
        return self.ranked[:limit]

    async def account_days(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Know nothing."""
        return ()

    async def account_models(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Know nothing."""
        return ()

    async def account_statuses(self, account_id: str, days: Sequence[str]) -> Mapping[str, int]:
        """Know nothing."""
        return {}

    async def account_requests(
        self, account_id: str, page: Page, *, since: float, until: float
    ) -> tuple[Sequence[UsageRecord], str | None]:
        """Know nothing."""
        return (), None

    async def insert(self, records: Sequence[UsageRecord]) -> int:
        """Keep nothing."""
        return 0

    async def find(self, request_id: str) -> UsageRecord | None:
        """Know nothing."""
        return None

    async def report(self, by: str, since: str | None = None) -> Sequence[UsageRow]:
        """Know nothing."""
        return []

    async def delivered_on(self, day: str) -> Delivered:
        """Know nothing."""
        return Delivered(day, {})

    async def totals(self) -> UsageTotals:
        """Know nothing."""
        return UsageTotals()

    async def prefix_days(self, since: float, thresholds: Thresholds) -> Sequence[PrefixDay]:
        """Know nothing."""
        return ()
