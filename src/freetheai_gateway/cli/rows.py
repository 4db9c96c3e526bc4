"""Accounts, keys and usage as rows: the objects of `--json`."""

from collections.abc import Sequence

from freetheai_gateway.cli.tiers import level_of
from freetheai_gateway.clock import rfc3339
from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey, is_paused
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.ports import UsageRow
from freetheai_gateway.settings import Settings

_MICRO = 1_000_000


def account_row(account: Account, settings: Settings, now_s: float) -> dict[str, object]:
    """Show an account as it stands now: a suspension whose end has passed is over."""
    level, source = level_of(account, settings)
    is_over = account.state is AccountState.PAUSED and not is_paused(account, now_s)
    return {
        "id": account.id,
        "name": account.name,
        "discord_id": account.discord_id,
        "tier": level,
        "tier_source": source,
        "state": (AccountState.ACTIVE if is_over else account.state).value,
        "unlimited": account.unlimited,
        "created_at": rfc3339(account.created_at),
    }


def pause_fields(account: Account, now_s: float) -> dict[str, object]:
    """Show why an account is suspended and until when; both are `None` where it is not."""
    paused = is_paused(account, now_s)
    return {
        "pause_reason": account.pause_reason if paused else None,
        "paused_until": _instant(account.paused_until) if paused else None,
    }


def key_row(key: ApiKey) -> dict[str, object]:
    """Show a key, never its digest."""
    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": rfc3339(key.created_at),
        "revoked_at": _instant(key.revoked_at),
    }


def usage_row(row: UsageRow) -> dict[str, object]:
    """Show a line of a usage report; the fields that the report does not group by are empty."""
    return {
        "day": row.day,
        "account_id": row.account_id,
        "model": row.model,
        "provider": row.provider,
        "requests": row.requests,
        "successes": row.successes,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "images": row.images,
        "cost_usd": row.cost_micro_usd / _MICRO,
    }


def summed(report: Sequence[UsageRow]) -> UsageRow:
    """Sum a usage report into one line."""
    return UsageRow(
        day="",
        account_id="",
        model="",
        provider="",
        requests=sum(row.requests for row in report),
        successes=sum(row.successes for row in report),
        input_tokens=sum(row.input_tokens for row in report),
        output_tokens=sum(row.output_tokens for row in report),
        cached_tokens=sum(row.cached_tokens for row in report),
        reasoning_tokens=sum(row.reasoning_tokens for row in report),
        images=sum(row.images for row in report),
        cost_micro_usd=sum(row.cost_micro_usd for row in report),
    )


def record_fields(record: UsageRecord) -> dict[str, object]:
    """Show the record of one request."""
    return {
        "request_id": record.request_id,
        "started_at": rfc3339(record.started_at),
        "duration_ms": record.duration_ms,
        "first_token_ms": record.first_token_ms,
        "account_id": record.account_id,
        "key_id": record.key_id,
        "route": record.route,
        "model": record.model,
        "provider": record.provider,
        "upstream_model": record.upstream_model,
        "attempts": record.attempts,
        "status": record.status,
        "code": record.code,
        "success": record.success,
        "streamed": record.streamed,
        "estimated": record.estimated,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "cached_tokens": record.cached_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "images": record.images,
        "cost_usd": record.cost_micro_usd / _MICRO,
    }


def _instant(wall_s: float | None) -> str | None:
    return None if wall_s is None else rfc3339(wall_s)
