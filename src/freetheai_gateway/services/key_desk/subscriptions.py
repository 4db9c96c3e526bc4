"""Paid subscriptions as Discord shows them, in interactions and by REST alike."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec


class Entitlement(msgspec.Struct, frozen=True):
    """A subscription: active unless it was deleted, has not begun, or has ended. Instants in ISO 8601."""

    sku_id: str = ""
    user_id: str | None = None
    deleted: bool = False
    starts_at: str | None = None
    ends_at: str | None = None


def active_skus(entitlements: Iterable[Entitlement], user_id: str, now: float) -> tuple[str, ...]:
    """List what this person has paid for and may use now; what a whole server paid for counts for nobody alone."""
    return tuple(each.sku_id for each in entitlements if each.user_id == user_id and _is_active(each, now))


def instant_of(text: str | None) -> float | None:
    """Read an ISO 8601 instant as wall-clock seconds; what is none counts as absent."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_active(entitlement: Entitlement, now: float) -> bool:
    starts_at, ends_at = instant_of(entitlement.starts_at), instant_of(entitlement.ends_at)
    return not entitlement.deleted and (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)
