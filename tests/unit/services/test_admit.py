"""Who may call what, when; in the words of the contract."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.accounts import Account, AccountState, Caller
from freetheai_gateway.domain.catalogue import Model, Tier
from freetheai_gateway.domain.limits import Limits, Refusal, Rule
from freetheai_gateway.errors import AccessDenied, AccountPaused, GatewayError, LimitExceeded, ProviderUnavailable
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.admit import Admission, limit_error
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import Lease, Readiness
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import INVITING_SITE, REGULAR, chat_model, make_offer, member
from freetheai_gateway.testing.ports import FakeProvider

NAMES = OpenAIChat.limit_headers


class Desk:
    """An admission over the real limiter and guard, with a clock that a test moves."""

    def __init__(self, limit: int = 300) -> None:
        self.clock = FakeClock(wall=1_795_392_000.0)
        self.limiter = MemoryLimiter(self.clock)
        self.guard = RefusalGuard(limit=limit)
        self.admission = Admission(self.limiter, self.guard, self.clock)

    async def admit(
        self, caller: Caller | None = None, model: Model | None = None, offer: Offer | None = None
    ) -> Lease:
        caller, model, offer = caller or member(), model or chat_model(), offer or make_offer()
        is_set_up = offer.is_set_up(model, unlimited=caller.account.unlimited)
        return await self.admission.admit(caller, model, offer, NAMES, is_set_up=is_set_up)

    async def refused(
        self, caller: Caller | None = None, model: Model | None = None, offer: Offer | None = None
    ) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.admit(caller, model, offer)
        return caught.value


def _account(state: AccountState, reason: str | None = None, until: float | None = None) -> Caller:
    return member(Account("acc_1", "Member", 0.0, state=state, pause_reason=reason, paused_until=until))


async def test_admission_when_all_is_well_then_a_slot_is_held_until_settled() -> None:
    """The lease knows where the account stands."""
    desk = Desk()
    lease = await desk.admit()
    assert desk.limiter.running == 1
    assert {standing.rule: standing.remaining for standing in lease.standings} == {
        Rule.REQUESTS_PER_MINUTE: 9,
        Rule.CONCURRENCY: 0,
    }
    lease.settle(delivered=True)
    assert desk.limiter.running == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"checked_in_on": 20_779}, "daily_checkin_required"),
        ({"checked_in_on": None}, "daily_checkin_required"),
        ({"checked_in_on": 20_779, "state": AccountState.PAUSED}, "user_paused"),
        ({"checked_in_on": 20_779, "state": AccountState.LEFT}, "discord_membership_required"),
        ({"checked_in_on": 20_780}, None),
        ({"checked_in_on": 20_781}, None),
        ({"discord_id": None}, None),
        ({"unlimited": True}, None),
    ],
)
async def test_check_in_when_wanted_then_asked_of_members_from_discord_after_everything_else(
    fields: dict[str, Any], code: str | None
) -> None:
    """The day counts in UTC; a check-in whose day is ahead of our clock is as good."""
    desk = Desk()
    caller = member(replace(Account("acc_1", "Member", 0.0, discord_id="5"), **fields))
    offer = make_offer(site=INVITING_SITE, wants_check_in=True)
    if code is None:
        await desk.admit(caller, offer=offer)
        return
    error = await desk.refused(caller, offer=offer)
    assert (error.status, error.code) == (403, code)
    assert desk.limiter.running == 0


async def test_check_in_when_missing_then_the_message_names_command_and_place() -> None:
    """What mends it, and where."""
    caller = member(Account("acc_1", "Member", 0.0, discord_id="5"))
    error = await Desk().refused(caller, offer=make_offer(site=INVITING_SITE, wants_check_in=True))
    assert error.message == "Check in once a day to use the key: run /checkin in https://discord.gg/example."


async def test_paused_account_is_told_so_with_reason_and_end() -> None:
    """Each part only where it is known; an end that has passed lifts the pause."""
    desk = Desk()
    cases = {
        _account(AccountState.PAUSED): "This account is paused.",
        _account(AccountState.PAUSED, "spam"): "This account is paused: spam.",
        _account(AccountState.PAUSED, "Spam."): "This account is paused: Spam.",
        _account(AccountState.PAUSED, until=1_795_397_400.0): "This account is paused until 2026-11-23T01:30:00Z.",
        _account(AccountState.PAUSED, "spam", 1_795_397_400.0): (
            "This account is paused until 2026-11-23T01:30:00Z: spam."
        ),
    }
    for caller, words in cases.items():
        error = await desk.refused(caller)
        assert isinstance(error, AccountPaused)
        assert (error.status, error.code) == (403, "user_paused")
        assert error.message == f"{words} Ask the operator to restore it."
    await desk.admit(_account(AccountState.PAUSED, until=desk.clock.wall()))


async def test_left_account_is_told_to_join_again() -> None:
    """The state that leaving the Discord server gives."""
    error = await Desk().refused(_account(AccountState.LEFT))
    assert (error.status, error.code) == (403, "discord_membership_required")
    assert error.message == "This account's owner left the Discord server. Join it again to use the key."


async def test_tier_when_too_low_then_both_tiers_are_named() -> None:
    """The words of the contract; what is needed also stands in fields."""
    desk = Desk()
    model = chat_model("vhr/flux_dev", tier_level=2)
    error = await desk.refused(model=model, offer=make_offer(model))
    assert type(error) is AccessDenied
    assert error.message == "vhr/flux_dev needs tier Regular; you have Starter."
    assert (error.status, error.code, error.param) == (403, "model_access_denied", "model")
    assert error.details == {"required_tier": "Regular", "tier": "Starter"}
    await desk.admit(member(tier=3), model, make_offer(model))


async def test_tier_when_none_is_high_enough_then_the_level_is_named() -> None:
    """A model above the ladder; accounts without limits may call it."""
    desk = Desk()
    model = chat_model(tier_level=9)
    assert (await desk.refused(model=model)).message == "glm/glm-5.1 needs tier level 9; you have Starter."
    await desk.admit(member(unlimited=True), model)


@pytest.mark.parametrize("providers", [[], [FakeProvider(state=Readiness.NOT_CONFIGURED)]])
async def test_model_when_no_provider_is_set_up_then_waiting_is_useless(providers: list[FakeProvider]) -> None:
    """Listed, answered with 503 and the sign not to retry; nothing is counted."""
    desk = Desk()
    error = await desk.refused(offer=make_offer(providers=providers))
    assert isinstance(error, ProviderUnavailable)
    assert error.message == "glm/glm-5.1 is listed but not set up on this server."
    assert error.code == "not_configured"
    assert error.retry_after_s is not None
    assert error.should_not_retry
    assert desk.limiter.accounts == 0


async def test_model_when_its_providers_are_not_shared_then_members_are_told_that_it_is_not_set_up() -> None:
    """Terms that forbid sharing don't pass with time; the operator's own account may use them."""
    desk = Desk()
    offer = make_offer(providers=[FakeProvider(shared_with_members=False)])
    error = await desk.refused(offer=offer)
    assert error.code == "not_configured"
    assert error.should_not_retry
    await desk.admit(member(unlimited=True), offer=offer)


async def test_model_when_it_is_loading_then_it_is_admitted() -> None:
    """It will be there in a moment."""
    await Desk().admit(offer=make_offer(providers=[FakeProvider(state=Readiness.LOADING)]))


async def test_checks_come_in_order_account_then_tier_then_set_up_then_limits() -> None:
    """Someone who is paused is told that, and not what else stands against the request."""
    desk = Desk()
    nowhere = make_offer(chat_model(tier_level=3), providers=[])
    high = chat_model(tier_level=3)
    await desk.admit()
    assert (await desk.refused(_account(AccountState.PAUSED), high, nowhere)).code == "user_paused"
    assert (await desk.refused(member(), high, nowhere)).code == "model_access_denied"
    assert (await desk.refused(member(tier=3), high, nowhere)).code == "not_configured"
    assert (await desk.refused()).code == "concurrency"


async def test_refusal_when_limits_are_reached_then_nothing_is_consumed() -> None:
    """Ten requests fit however often the eleventh is tried."""
    desk = Desk()
    for _ in range(10):
        (await desk.admit()).settle(delivered=True)
    for _ in range(5):
        assert (await desk.refused()).code == "requests_per_minute"
    desk.clock.advance(60.0)
    await desk.admit()
    assert desk.limiter.running == 1


async def test_unlimited_account_when_it_calls_much_then_nothing_stands_against_it() -> None:
    """The operator's own."""
    desk = Desk()
    leases = [await desk.admit(member(unlimited=True)) for _ in range(50)]
    assert list(leases[-1].standings) == []


async def test_wait_when_a_slot_frees_then_the_request_is_admitted() -> None:
    """`concurrency_wait_s` reaches the limiter."""
    desk = Desk()
    offer = make_offer(concurrency_wait_s=30.0)
    first = await desk.admit(offer=offer)
    async with asyncio.TaskGroup() as tasks:
        second = tasks.create_task(desk.admit(offer=offer))
        await asyncio.sleep(0)
        assert not second.done()
        first.settle(delivered=True)
    assert desk.limiter.running == 1


async def test_guard_when_a_key_only_collects_refusals_then_it_is_not_looked_at() -> None:
    """Access and limits count, each refusal once; the guard's own answer does not, so that it ends."""
    desk = Desk(limit=3)
    await desk.admit()
    high = chat_model(tier_level=3)
    assert [(await desk.refused(model=high)).status, (await desk.refused()).status] == [403, 429]
    assert (await desk.refused(_account(AccountState.PAUSED))).status == 403
    desk.clock.advance(18.5)
    for _ in range(5):
        error = await desk.refused()
        assert isinstance(error, LimitExceeded)
        assert (error.code, error.retry_after_s) == ("refusals", 41.5)
        assert error.message == "This key was refused too often; try again in 42 s."
    desk.clock.advance(42.0)
    assert (await desk.refused()).code == "concurrency"


@pytest.mark.parametrize(
    ("refusal", "tier", "words"),
    [
        (
            Refusal(Rule.REQUESTS_PER_MINUTE, 10, 10, 16.2),
            "Starter",
            "10 requests a minute are allowed on tier Starter; try again in 17 s.",
        ),
        (
            Refusal(Rule.REQUESTS_PER_MINUTE, 1, 1, 59.0),
            "Slow",
            "1 request a minute is allowed on tier Slow; try again in 59 s.",
        ),
        (
            Refusal(Rule.TOKENS_PER_MINUTE, 1000, 1200, 3.0),
            "Starter",
            "1000 tokens a minute are allowed on tier Starter; try again in 3 s.",
        ),
        (
            Refusal(Rule.CONCURRENCY, 1, 1, 1.0),
            "Starter",
            "1 request at a time is allowed on tier Starter and 1 is running; wait until it ends.",
        ),
        (
            Refusal(Rule.CONCURRENCY, 2, 2, 1.0),
            "Regular",
            "2 requests at a time are allowed on tier Regular and 2 are running; wait until one ends.",
        ),
        (
            Refusal(Rule.CONCURRENCY, 1, 3, 1.0),
            "Starter",
            "1 request at a time is allowed on tier Starter and 3 are running; wait until one ends.",
        ),
        (
            Refusal(Rule.DAILY_REQUESTS, 100, 100, 7_470.0),
            "Starter",
            "100 answers a day are allowed on tier Starter; try again after 00:00 UTC, in 2 h 5 min.",
        ),
        (
            Refusal(Rule.DAILY_REQUESTS, 1, 1, 30.0),
            "Starter",
            "1 answer a day is allowed on tier Starter; try again after 00:00 UTC, in 1 min.",
        ),
        (
            Refusal(Rule.DAILY_REQUESTS, 5, 5, 86_400.0),
            "Starter",
            "5 answers a day are allowed on tier Starter; try again after 00:00 UTC, in 24 h 0 min.",
        ),
        (
            Refusal(Rule.IMAGE_COOLDOWN, 1, 1, 11.2),
            "Starter",
            "1 request for images in each cool-down is allowed on tier Starter; try again in 12 s.",
        ),
    ],
)
def test_limit_error_says_rule_tier_and_wait(refusal: Refusal, tier: str, words: str) -> None:
    """One sentence, singular and plural; the numbers also stand in fields."""
    error = limit_error(refusal, tier, NAMES, 0.0)
    assert error.message == words
    assert error.status == 429
    assert error.code == refusal.rule.value
    assert error.details == {"limit": refusal.limit, "used": refusal.used}
    assert error.retry_after_s == refusal.retry_after_s


@pytest.mark.parametrize(
    ("rule", "type_", "useless"),
    [
        (Rule.REQUESTS_PER_MINUTE, "rate_limit_error", False),
        (Rule.TOKENS_PER_MINUTE, "rate_limit_error", False),
        (Rule.CONCURRENCY, "concurrency_limit_error", False),
        (Rule.DAILY_REQUESTS, "daily_limit_error", True),
        (Rule.IMAGE_COOLDOWN, "rate_limit_error", False),
    ],
)
def test_limit_error_has_the_type_of_its_rule(rule: Rule, type_: str, useless: bool) -> None:
    """Only the day's end is too far to wait for, however near it is."""
    error = limit_error(Refusal(rule, 1, 1, 10.0), "Starter", NAMES, 0.0)
    assert error.type == type_
    assert error.should_not_retry is useless


def test_limit_error_carries_the_headers_of_its_rule_in_the_dialect_of_the_client() -> None:
    """SDKs read their own names."""
    refusal = Refusal(Rule.REQUESTS_PER_MINUTE, 10, 10, 16.2)
    error = limit_error(refusal, "Starter", AnthropicMessages.limit_headers, 1_795_392_000.0)
    assert dict(error.headers) == {
        b"x-ratelimit-limit": b"10",
        b"x-ratelimit-remaining": b"0",
        b"x-ratelimit-reset": b"17",
        b"anthropic-ratelimit-requests-limit": b"10",
        b"anthropic-ratelimit-requests-remaining": b"0",
        b"anthropic-ratelimit-requests-reset": b"2026-11-23T00:00:17Z",
    }


async def test_tier_name_when_the_override_is_lower_then_it_is_the_one_that_is_told() -> None:
    """The words name the tier that holds, not the default."""
    desk = Desk()
    offer = make_offer(tiers=(Tier(1, "Held back", Limits(requests_per_minute=1)), REGULAR))
    caller = member(Account("acc_1", "Member", 0.0, role_tier=3, tier_override=1))
    (await desk.admit(caller, offer=offer)).settle(delivered=True)
    assert "on tier Held back;" in (await desk.refused(caller, offer=offer)).message
