"""Rows that need the configuration, or are sums: the others are made by `services/admin_view.py`."""

from collections.abc import Sequence

from freetheai_gateway.cli.tiers import level_of
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.services.admin_view import Object, account_fields
from freetheai_gateway.services.ports import UsageRow
from freetheai_gateway.settings import Settings


def account_row(account: Account, settings: Settings, now_s: float) -> Object:
    """Show an account with the tier that holds for it."""
    return account_fields(account, *level_of(account, settings), now_s)


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
