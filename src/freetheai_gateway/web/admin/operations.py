"""What runs and what was: usage, requests, limits in force, upstreams, catalogue, reload, audit."""

from collections.abc import Sequence
from dataclasses import dataclass

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import effective_tier
from freetheai_gateway.errors import InvalidRequest, NotFound
from freetheai_gateway.services.admin_view import (
    Object,
    audit_fields,
    model_fields,
    record_fields,
    tier_fields,
    usage_fields,
)
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.instants import read_day
from freetheai_gateway.services.ports import AccountStore, AuditStore, UsageStore
from freetheai_gateway.services.reloading import Mistake, Reload, ReloadOutcome, reload_entry
from freetheai_gateway.services.standings import Standings, limit_fields
from freetheai_gateway.services.upstream_states import UpstreamStates
from freetheai_gateway.web.admin import answers
from freetheai_gateway.web.admin.accounts import page_of, read_reason
from freetheai_gateway.web.admin.bodies import ReloadRequest
from freetheai_gateway.web.admin.table import LIST, AdminRoute, Call

_GROUPINGS = ("day", "model", "provider", "account")


@dataclass(frozen=True, slots=True)
class Operations:
    """What the handlers read."""

    accounts: AccountStore
    audit: AuditStore
    usage: UsageStore
    directory: Directory
    standings: Standings
    upstreams: UpstreamStates
    reload: Reload
    clock: Clock


class AdminOperations:
    """Handlers of everything but accounts and keys."""

    def __init__(self, parts: Operations) -> None:
        self._parts = parts

    @property
    def routes(self) -> list[AdminRoute]:
        """The table of these routes."""
        sums, entries = ("by", "since"), (*LIST, "account")
        return [
            AdminRoute("GET usage", self.usage, answers.UsageRow, query=sums, is_list=True),
            AdminRoute("GET requests/{id}", self.request, answers.RequestRecord),
            AdminRoute("GET limits/{id}", self.limits, answers.LimitsInForce),
            AdminRoute("GET upstreams", self.upstreams, answers.UpstreamRow, is_list=True),
            AdminRoute("GET catalogue", self.catalogue, answers.CatalogueRow, is_list=True),
            AdminRoute("GET tiers", self.tiers, answers.TierRow, is_list=True),
            AdminRoute("POST reload", self.reload, answers.Reloaded, body=ReloadRequest),
            AdminRoute("GET audit", self.audit, answers.AuditRow, query=entries, is_list=True),
        ]

    async def usage(self, call: Call) -> Object:
        """Sum what was used."""
        by, since = call.query.get("by", "day"), call.query.get("since")
        if by not in _GROUPINGS:
            raise InvalidRequest(f"by must be one of {', '.join(_GROUPINGS)}.", param="by")
        try:
            day = None if since is None else read_day(since[:20], self._parts.clock.wall())
        except ValueError as error:
            raise InvalidRequest(f"since: {error}.", param="since") from None
        rows = await self._parts.usage.report(by, day)
        return page_of([usage_fields(row) for row in rows], None)

    async def request(self, call: Call) -> Object:
        """Show the record of a request."""
        record = await self._parts.usage.find(call.params["id"])
        if record is None:
            raise NotFound("There is no record of this request. Refused ones are in the log only.")
        return record_fields(record)

    async def limits(self, call: Call) -> Object:
        """Show the limits of an account and where it stands."""
        account = await self._parts.accounts.find_account(call.params["id"])
        if account is None:
            raise NotFound("There is no such account.")
        offer = self._parts.directory.offer
        tier = offer.tier_of(account)
        _, source = effective_tier(account, offer.catalogue.default_tier)
        standings = await self._parts.standings(account.id, offer.limits_of(account))
        return {
            "account_id": account.id,
            "tier": tier.level,
            "tier_name": tier.name,
            "tier_source": source,
            "unlimited": account.unlimited,
            "limits": [limit_fields(standing) for standing in standings],
        }

    async def upstreams(self, _call: Call) -> Object:
        """Show how the providers stand."""
        return page_of(self._parts.upstreams.list(), None)

    async def catalogue(self, _call: Call) -> Object:
        """Show the models with what holds for them."""
        offer = self._parts.directory.offer
        return page_of([model_fields(model, offer) for model in offer.catalogue.models.values()], None)

    async def tiers(self, _call: Call) -> Object:
        """Show the tiers and what they allow."""
        offer = self._parts.directory.offer
        return page_of([tier_fields(tier, offer) for tier in offer.catalogue.tiers], None)

    async def reload(self, call: Call) -> Object:
        """Read the configuration again, or say what that would change: all of it or nothing."""
        dry_run, reason = call.sent(ReloadRequest).dry_run, read_reason(call)
        outcome = await self._parts.reload(dry_run=dry_run)
        if outcome.mistakes:
            raise _refused(outcome.mistakes)
        audit_id = None if dry_run else await self._record(call.actor, outcome, reason)
        return {
            "applied": not dry_run,
            "changed": outcome.changed,
            "fields": outcome.fields,
            "needs_restart": outcome.needs_restart,
            "audit_id": audit_id,
        }

    async def audit(self, call: Call) -> Object:
        """List who changed what, the newest first."""
        entries, cursor = await self._parts.audit.list_entries(call.page, account_id=call.query.get("account"))
        return page_of([audit_fields(entry) for entry in entries], cursor)

    async def _record(self, actor: str, outcome: ReloadOutcome, reason: str | None) -> str:
        entry = reload_entry(outcome, self._parts.clock.wall(), actor, reason)
        await self._parts.audit.record(entry)
        return entry.id


def _refused(mistakes: Sequence[Mistake]) -> InvalidRequest:
    """Say that nothing was changed, and every place that is wrong."""
    first, more = mistakes[0], len(mistakes) - 1
    others = " There is 1 more mistake." if more == 1 else f" There are {more} more mistakes." if more else ""
    return InvalidRequest(
        f"The configuration was refused and the old one stays. {first.where}: {first.message}.{others}",
        code="configuration_invalid",
        details={
            "problems": [
                {"where": each.where, "line": each.line, "message": each.message, "hint": each.hint}
                for each in mistakes
            ]
        },
    )
