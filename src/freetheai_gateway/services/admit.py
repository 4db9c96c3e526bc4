"""May this caller call this model now? Account state, tier and limits, in the words of design section 5."""

from math import ceil
from typing import Protocol

from freetheai_gateway.clock import DAY_S, Clock, rfc3339
from freetheai_gateway.dialects.protocol import LimitHeaderNames
from freetheai_gateway.domain.accounts import Account, AccountState, Caller, is_paused
from freetheai_gateway.domain.catalogue import Model, Tier
from freetheai_gateway.domain.limits import UNLIMITED, Refusal, Rule, Standing
from freetheai_gateway.errors import (
    AccessDenied,
    AccountPaused,
    CheckInRequired,
    ConcurrencyExceeded,
    DailyLimitExceeded,
    GatewayError,
    LimitExceeded,
    MembershipRequired,
    ProviderUnavailable,
    whole_seconds,
)
from freetheai_gateway.services.directory import Offer, Site
from freetheai_gateway.services.limit_headers import limit_headers
from freetheai_gateway.services.ports import Lease, Limiter, RefusalCounter

_ACTIVE = AccountState.ACTIVE


class MemberCheck(Protocol):
    """Whether the owners of accounts are in the Discord server."""

    def check(self, account: Account, site: Site) -> None:
        """Raise where the account is not served for that; never waits."""
        ...


class Admission:
    """Decides in this order: account, model access, limits. What is refused consumes nothing."""

    def __init__(
        self, limiter: Limiter, refusals: RefusalCounter, clock: Clock, members: MemberCheck | None = None
    ) -> None:
        self._limiter = limiter
        self._refusals = refusals
        self._clock = clock
        self._members = members

    async def admit(
        self, caller: Caller, model: Model, offer: Offer, names: LimitHeaderNames, *, is_set_up: bool, images: int = 0
    ) -> Lease:
        """Admit one request, which asks for so many `images`; the caller settles the lease.

        `is_set_up`: whether the model can be called by this account at all.

        Raises `AccessDenied`, `LimitExceeded` and kin.
        """
        account = caller.account
        self._check_refusals(caller)
        try:
            self.check_account(caller, offer)
            tier = offer.tier_of(account)
            check_access(caller, model, offer, tier, is_set_up=is_set_up)
            limits = UNLIMITED if account.unlimited else tier.limits
            lease = await self._limiter.admit(account.id, limits, wait_s=offer.concurrency_wait_s, images=images)
            if isinstance(lease, Refusal):
                raise limit_error(lease, tier.name, names, self._clock.wall())
        except (AccessDenied, LimitExceeded):
            self._refusals.count(caller.key_id, self._clock.monotonic())
            raise
        return lease

    def _check_refusals(self, caller: Caller) -> None:
        wait_s = self._refusals.blocked(caller.key_id, self._clock.monotonic())
        if wait_s is not None:
            raise LimitExceeded(
                f"This key was refused too often; try again in {whole_seconds(wait_s)} s.",
                code="refusals",
                retry_after_s=wait_s,
            )

    def check_account(self, caller: Caller, offer: Offer) -> None:
        """Check that the account is served at all. Raises `AccessDenied`, `MembershipUnknown`.

        Membership and check-ins are asked of accounts that came from Discord only, and a check-in of none that is
        without limits: such accounts are the operator's.
        """
        account = caller.account
        if account.state is not _ACTIVE:
            self._check_state(account, offer.site)
        if account.discord_id is None:
            return
        if self._members is not None:
            self._members.check(account, offer.site)
        if offer.wants_check_in and not account.unlimited:
            self._check_in(account, offer)

    def _check_state(self, account: Account, site: Site) -> None:
        if account.state is AccountState.LEFT and (self._members is None or account.discord_id is None):
            raise has_left(site)
        if is_paused(account, self._clock.wall()):
            until = f" until {rfc3339(account.paused_until)}" if account.paused_until is not None else ""
            why = f": {account.pause_reason.rstrip('.')}" if account.pause_reason else ""
            raise AccountPaused(f"This account is paused{until}{why}. Ask the operator to restore it.")

    def _check_in(self, account: Account, offer: Offer) -> None:
        today = self._clock.wall() // DAY_S
        if account.checked_in_on is None or account.checked_in_on < today:
            raise CheckInRequired(f"Check in once a day to use the key: run /checkin{offer.site.where}.")


def has_left(site: Site) -> MembershipRequired:
    """Say what brings the key back."""
    there = f": {site.invite_url}" if site.invite_url else "."
    return MembershipRequired(f"This account's owner left the Discord server. Join it again to use the key{there}")


def check_access(caller: Caller, model: Model, offer: Offer, tier: Tier, *, is_set_up: bool) -> None:
    """Check the account's tier against the model's, and that the model can be called at all."""
    if tier.level < model.tier_level and not caller.account.unlimited:
        needed = offer.catalogue.tier_that_opens(model)
        name = needed.name if needed is not None else f"level {model.tier_level}"
        raise AccessDenied(
            f"{model.id} needs tier {name}; you have {tier.name}.",
            param="model",
            details={"required_tier": name, "tier": tier.name},
        )
    if not is_set_up:
        raise ProviderUnavailable(
            f"{model.id} is listed but not set up on this server.",
            code="not_configured",
            retry_is_useless=True,
            retry_after_s=3600,
        )


def limit_error(refusal: Refusal, tier: str, names: LimitHeaderNames, now: float) -> GatewayError:
    """Say which rule refused, where it stands and when it lets go."""
    limit, wait = refusal.limit, whole_seconds(refusal.retry_after_s)
    kind: type[GatewayError] = LimitExceeded
    if refusal.rule is Rule.CONCURRENCY:
        kind = ConcurrencyExceeded
        allowed = "1 request at a time is" if limit == 1 else f"{limit} requests at a time are"
        used = refusal.used
        running = "1 is running; wait until it ends" if used == 1 else f"{used} are running; wait until one ends"
        message = f"{allowed} allowed on tier {tier} and {running}."
    elif refusal.rule is Rule.DAILY_REQUESTS:
        kind = DailyLimitExceeded
        allowed = "1 answer a day is" if limit == 1 else f"{limit} answers a day are"
        message = f"{allowed} allowed on tier {tier}; try again after 00:00 UTC, in {_duration(wait)}."
    elif refusal.rule is Rule.IMAGES_PER_DAY:
        kind = DailyLimitExceeded
        allowed = "1 image a day is" if limit == 1 else f"{limit} images a day are"
        message = f"{allowed} allowed on tier {tier}; try again after 00:00 UTC, in {_duration(wait)}."
    elif refusal.rule is Rule.IMAGE_COOLDOWN:
        message = f"1 request for images in each cool-down is allowed on tier {tier}; try again in {wait} s."
    else:
        unit = "request" if refusal.rule is Rule.REQUESTS_PER_MINUTE else "token"
        allowed = f"1 {unit} a minute is" if limit == 1 else f"{limit} {unit}s a minute are"
        message = f"{allowed} allowed on tier {tier}; try again in {wait} s."
    standing = Standing(refusal.rule, limit, refusal.used, refusal.retry_after_s)
    return kind(
        message,
        code=refusal.rule.value,
        retry_after_s=refusal.retry_after_s,
        retry_is_useless=kind is DailyLimitExceeded,
        details={"limit": limit, "used": refusal.used},
        headers=tuple(limit_headers([standing], names, now)),
    )


def _duration(seconds: int) -> str:
    hours, minutes = divmod(ceil(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
