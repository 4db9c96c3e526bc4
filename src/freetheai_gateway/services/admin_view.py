"""Accounts, keys, usage and audit entries as objects: what the admin API answers and `--json` prints."""

from dataclasses import fields

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.domain.accounts import Account, AccountState, ApiKey, is_paused
from freetheai_gateway.domain.audit import AuditEntry
from freetheai_gateway.domain.catalogue import Model, Tier
from freetheai_gateway.domain.pools import Quirks, Upstream
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import UsageRow

Object = dict[str, object]
_MICRO = 1_000_000


def account_fields(account: Account, level: int, source: str, now_s: float) -> Object:
    """Show an account as it stands now: a suspension whose end has passed is over.

    `level` and `source` are its tier and why it has that: `override`, `role` or `default`.
    """
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


def pause_fields(account: Account, now_s: float) -> Object:
    """Show why an account is suspended and until when; both are `None` where it is not."""
    paused = is_paused(account, now_s)
    return {
        "pause_reason": account.pause_reason if paused else None,
        "paused_until": _instant(account.paused_until) if paused else None,
    }


def key_fields(key: ApiKey) -> Object:
    """Show a key, never its digest."""
    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": rfc3339(key.created_at),
        "revoked_at": _instant(key.revoked_at),
    }


def usage_fields(row: UsageRow) -> Object:
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


def record_fields(record: UsageRecord) -> Object:
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


def audit_fields(entry: AuditEntry) -> Object:
    """Show an audit entry."""
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "account_id": entry.account_id,
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
    }


def model_fields(model: Model, offer: Offer) -> Object:
    """Show a model as it is configured, with where it is served and at which price."""
    tier = offer.catalogue.tier_that_opens(model)
    return {
        "id": model.id,
        "kind": model.kind.value,
        "name": model.name,
        "family": model.family,
        "tier": tier.name if tier is not None else None,
        "tier_rank": model.tier_level,
        "retired": model.retired,
        "retires_at": model.retires_at,
        "replaced_by": model.replaced_by,
        "set_up": offer.is_set_up(model, unlimited=True),
        "open_to_members": offer.is_set_up(model),
        "description": model.description,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "default_output_tokens": model.default_output_tokens,
        "inputs": list(model.inputs),
        "features": list(model.features),
        "aliases": [alias.pattern for alias in offer.catalogue.aliases if alias.model == model.id],
        "upstreams": [_upstream(upstream) for upstream in model.upstreams],
    }


def tier_fields(tier: Tier, offer: Offer) -> Object:
    """Show a tier with the limits that hold for it, and how many models it opens."""
    models, limits = offer.catalogue.models.values(), tier.limits
    return {
        "level": tier.level,
        "name": tier.name,
        "is_default": tier.level == offer.catalogue.tier(offer.catalogue.default_tier).level,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrency": limits.concurrency,
        "daily_requests": limits.daily_requests,
        "images_per_day": limits.images_per_day,
        "minimum_invites": tier.minimum_invites,
        "opens_models": sum(model.tier_level <= tier.level for model in models),
        "families": [family.name for family in offer.catalogue.families if family.minimum_tier == tier.level],
    }


def _upstream(upstream: Upstream) -> Object:
    price = upstream.price
    return {
        "provider": upstream.provider,
        "model": upstream.model,
        "priority": upstream.priority,
        "weight": upstream.weight,
        "input_per_million": price.input_per_million,
        "cached_input_per_million": price.cached_input_per_million,
        "output_per_million": price.output_per_million,
        "per_image": price.per_image,
        "quirks": _quirks(upstream.quirks),
    }


def _quirks(quirks: Quirks) -> list[str]:
    """Name what is set of the quirks, with its value."""
    default = Quirks()
    values = {each.name: getattr(quirks, each.name) for each in fields(Quirks)}
    return [
        f"{name}={', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in values.items()
        if value != getattr(default, name)
    ]


def _instant(wall_s: float | None) -> str | None:
    return None if wall_s is None else rfc3339(wall_s)
