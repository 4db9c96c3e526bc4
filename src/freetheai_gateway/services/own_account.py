"""What an account may know of itself: tier, limits in force, what it used, and its latest requests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from freetheai_gateway.clock import Clock, rfc3339, utc_day
from freetheai_gateway.domain.accounts import Account, effective_tier
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.ports import Page, UsageRow
from freetheai_gateway.services.standings import Standings, limit_fields

DAYS = 30
_DAY_S = 86_400
_NOTHING = dict.fromkeys(("requests", "successes", "input_tokens", "output_tokens", "images"), 0)
Object = dict[str, object]


class AccountUsage(Protocol):
    """Sums of one account."""

    async def account_days(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Sum each of these UTC days; one without requests is absent."""
        ...

    async def account_models(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Sum these days by model, the most called first."""
        ...

    async def account_statuses(self, account_id: str, days: Sequence[str]) -> Mapping[str, int]:
        """Sum how requests of these UTC days failed: `client_errors`, `canceled`, `server_errors`."""
        ...

    async def account_requests(
        self, account_id: str, page: Page, *, since: float, until: float
    ) -> tuple[Sequence[UsageRecord], str | None]:
        """Read the records of requests, the newest first, with the cursor of the next page."""
        ...


class OwnAccount:
    """Describes an account to its owner. `key_id` and `key_prefix` are those of the key that is spoken of."""

    def __init__(self, directory: Directory, usage: AccountUsage, standings: Standings, clock: Clock) -> None:
        self._directory = directory
        self._usage = usage
        self._standings = standings
        self._clock = clock

    async def describe(self, account: Account, key_id: str | None, key_prefix: str) -> Object:
        """Give everything but the key. Raises `StoreUnavailable`, and what the limiter raises while it is away."""
        offer = self._directory.offer
        now = self._clock.wall()
        days = [utc_day(now - back * _DAY_S) for back in reversed(range(DAYS))]
        by_day = {row.day: row for row in await self._usage.account_days(account.id, days)}
        tier = offer.tier_of(account)
        return {
            "object": "account",
            "id": account.id,
            "name": account.name,
            "created_at": rfc3339(account.created_at),
            "state": account.state.value,
            "pause_reason": account.pause_reason,
            "has_discord": account.discord_id is not None,
            "key": None if key_id is None else {"id": key_id, "prefix": key_prefix},
            "tier": tier.name,
            "tier_rank": tier.level,
            "tier_source": effective_tier(account, offer.catalogue.default_tier)[1],
            "unlimited": account.unlimited,
            "next_tier": _next_tier(account, offer),
            "limits": [limit_fields(each) for each in await self._standings(account.id, offer.limits_of(account))],
            "usage": {
                "days": [_sums(by_day[day]) if day in by_day else {"day": day, **_NOTHING} for day in days],
                "models": [_sums(row) for row in await self._usage.account_models(account.id, days)],
                "statuses": _statuses(by_day.values(), await self._usage.account_statuses(account.id, days)),
            },
        }

    async def requests(self, account: Account, page: Page) -> Object:
        """List what is kept of the account's latest requests; never their content. Raises `InvalidCursor`."""
        now = self._clock.wall()
        since = max(account.created_at, now - DAYS * _DAY_S)
        records, cursor = await self._usage.account_requests(account.id, page, since=since, until=now)
        return {"object": "list", "data": [_request(record) for record in records], "next_cursor": cursor}


def _next_tier(account: Account, offer: Offer) -> Object | None:
    level = offer.tier_of(account).level
    following = next((tier for tier in offer.catalogue.tiers if tier.level > level), None)
    if following is None or account.unlimited:
        return None
    opened = sum(level < model.tier_level <= following.level for model in offer.catalogue.models.values())
    return {
        "name": following.name,
        "tier_rank": following.level,
        "opens_models": opened,
        "requests_per_minute": following.limits.requests_per_minute,
        "minimum_invites": following.minimum_invites,
    }


def _statuses(days: Iterable[UsageRow], failed: Mapping[str, int]) -> list[Object]:
    """Say how requests ended: answered whole, or as one of the failures; statuses without requests are left out."""
    counts = {"answered": sum(day.successes for day in days), **failed}
    return [{"status": status, "requests": requests} for status, requests in counts.items() if requests]


def _request(record: UsageRecord) -> Object:
    return {
        "request_id": record.request_id,
        "started_at": rfc3339(record.started_at),
        "model": record.model,
        "route": record.route,
        "status": record.status,
        "code": record.code,
        "streamed": record.streamed,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "images": record.images,
        "duration_ms": record.duration_ms,
    }


def _sums(row: UsageRow) -> Object:
    named = {"day": row.day} if row.day else {"model": row.model}
    return {
        **named,
        "requests": row.requests,
        "successes": row.successes,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "images": row.images,
    }
