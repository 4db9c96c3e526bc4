"""What counts, rule by rule (design section 5), against the `Limiter` port alone."""

import asyncio
from dataclasses import replace

import pytest

from freetheai_gateway.clock import utc_day
from freetheai_gateway.domain.limits import UNLIMITED, Delivered, Limits, Refusal, Rule, Standing
from freetheai_gateway.services.ports import Lease, Limiter
from freetheai_gateway.testing.clock import FakeClock

BUCKET_S = 60 / 120
"""How much later than exactly a bucketed window may let go."""


async def admitted(limiter: Limiter, limits: Limits, account_id: str = "acc_1") -> Lease:
    outcome = await limiter.admit(account_id, limits)
    assert not isinstance(outcome, Refusal)
    return outcome


async def refused(limiter: Limiter, limits: Limits, account_id: str = "acc_1") -> Refusal:
    outcome = await limiter.admit(account_id, limits)
    assert isinstance(outcome, Refusal)
    return outcome


async def finished(limiter: Limiter, limits: Limits, *, delivered: bool = True, tokens: int = 0) -> None:
    (await admitted(limiter, limits)).settle(delivered=delivered, tokens=tokens)


# --- requests per minute --------------------------------------------------------------------------------------


async def test_rate_when_the_window_is_full_then_refusal_names_rule_and_first_instant_with_room(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Two at 0 s and 10 s fill a limit of two; at 25 s the first leaves in 35 s."""
    limits = Limits(requests_per_minute=2)
    await finished(limiter, limits)
    clock.advance(10)
    await finished(limiter, limits)
    clock.advance(15)
    assert await refused(limiter, limits) == Refusal(Rule.REQUESTS_PER_MINUTE, 2, 2, 35.0)


async def test_rate_when_the_wait_is_over_then_exactly_one_more_fits(limiter: Limiter, clock: FakeClock) -> None:
    """The announced instant admits, the one before does not."""
    limits = Limits(requests_per_minute=2)
    await finished(limiter, limits)
    clock.advance(10)
    await finished(limiter, limits)
    wait_s = (await refused(limiter, limits)).retry_after_s
    clock.advance(wait_s - 0.25)
    await refused(limiter, limits)
    clock.advance(0.25)
    await finished(limiter, limits)
    assert (await refused(limiter, limits)).retry_after_s == 10.0


async def test_rate_when_the_upstream_failed_then_the_request_still_counts(limiter: Limiter) -> None:
    """What the upstream did with a request makes no difference to requests per minute."""
    limits = Limits(requests_per_minute=1)
    await finished(limiter, limits, delivered=False)
    assert (await refused(limiter, limits)).rule is Rule.REQUESTS_PER_MINUTE


async def test_rate_when_refused_a_hundred_times_then_nothing_is_consumed(limiter: Limiter, clock: FakeClock) -> None:
    """Refusals neither fill the window nor move its end."""
    limits = Limits(requests_per_minute=1)
    await finished(limiter, limits)
    for _ in range(100):
        clock.advance(0.5)
        await refused(limiter, limits)
    clock.advance(10)
    await finished(limiter, limits)


async def test_rate_when_the_limit_is_zero_then_everything_is_refused(limiter: Limiter) -> None:
    """Zero is a limit, not the absence of one; no wait is known, so a whole window is told."""
    assert await refused(limiter, Limits(requests_per_minute=0)) == Refusal(Rule.REQUESTS_PER_MINUTE, 0, 0, 60.0)


async def test_rate_when_above_600_then_the_limit_holds_and_room_returns_within_one_bucket(
    limiter: Limiter, clock: FakeClock
) -> None:
    """601 in a burst come back together, late by no more than a 120th of the window."""
    limits = Limits(requests_per_minute=601)
    clock.advance(0.125)
    for _ in range(601):
        await finished(limiter, limits)
    refusal = await refused(limiter, limits)
    assert (refusal.limit, refusal.used) == (601, 601)
    assert 60.0 <= refusal.retry_after_s <= 60.0 + BUCKET_S
    clock.advance(60.0 - 0.25)
    await refused(limiter, limits)
    clock.advance(0.25 + BUCKET_S)
    for _ in range(601):
        await finished(limiter, limits)
    await refused(limiter, limits)


@pytest.mark.parametrize(("before", "after"), [(700, 600), (600, 700)])
async def test_rate_when_the_limit_crosses_600_then_what_was_counted_stays_counted(
    limiter: Limiter, clock: FakeClock, before: int, after: int
) -> None:
    """A tier change moves between exact log and buckets; the sum goes over."""
    for _ in range(300):
        await finished(limiter, Limits(requests_per_minute=before))
    clock.advance(20)
    for _ in range(after - 300):
        await finished(limiter, Limits(requests_per_minute=after))
    refusal = await refused(limiter, Limits(requests_per_minute=after))
    assert refusal.used == after
    assert 40.0 <= refusal.retry_after_s <= 40.0 + BUCKET_S


async def test_rate_when_the_limit_is_lowered_then_the_wait_lasts_until_enough_has_left(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Of four, three must leave before a limit of two has room."""
    for _ in range(4):
        await finished(limiter, Limits(requests_per_minute=10))
        clock.advance(5)
    assert await refused(limiter, Limits(requests_per_minute=2)) == Refusal(Rule.REQUESTS_PER_MINUTE, 2, 4, 50.0)


async def test_rate_when_two_accounts_call_then_each_has_its_own_window(limiter: Limiter) -> None:
    """Counts belong to the account."""
    limits = Limits(requests_per_minute=1)
    await admitted(limiter, limits, "acc_1")
    await admitted(limiter, limits, "acc_2")
    await refused(limiter, limits, "acc_1")


async def test_rate_when_the_window_has_another_length_then_it_is_kept(limiter: Limiter, clock: FakeClock) -> None:
    """`window_s` replaces the minute."""
    limits = Limits(requests_per_minute=1, window_s=4.0)
    await finished(limiter, limits)
    assert (await refused(limiter, limits)).retry_after_s == 4.0
    clock.advance(4)
    await finished(limiter, limits)


# --- tokens per minute ----------------------------------------------------------------------------------------


async def test_tokens_when_less_than_the_limit_is_settled_then_admitted_however_much_the_reply_takes(
    limiter: Limiter,
) -> None:
    """99 of 100 settled tokens admit; the reply of 5,000 that follows is the documented overshoot."""
    limits = Limits(tokens_per_minute=100)
    await finished(limiter, limits, tokens=99)
    await finished(limiter, limits, tokens=5_000)
    refusal = await refused(limiter, limits)
    assert (refusal.rule, refusal.limit, refusal.used) == (Rule.TOKENS_PER_MINUTE, 100, 5_099)


async def test_tokens_when_charged_then_they_count_from_the_settlement_on(limiter: Limiter, clock: FakeClock) -> None:
    """A reply of 50 s is charged at its end and leaves the window a minute after that."""
    limits = Limits(tokens_per_minute=100)
    lease = await admitted(limiter, limits)
    clock.advance(50)
    lease.settle(delivered=True, tokens=100)
    wait_s = (await refused(limiter, limits)).retry_after_s
    assert 60.0 <= wait_s <= 60.0 + BUCKET_S
    clock.advance(wait_s)
    await finished(limiter, limits)


async def test_tokens_when_the_oldest_charge_leaves_then_the_wait_is_for_it_alone(
    limiter: Limiter, clock: FakeClock
) -> None:
    """80 and 80 of 100: there is room as soon as the first 80 have left."""
    limits = Limits(tokens_per_minute=100)
    first, second = await admitted(limiter, limits), await admitted(limiter, limits)
    first.settle(delivered=True, tokens=80)
    clock.advance(30)
    second.settle(delivered=True, tokens=80)
    assert 30.0 <= (await refused(limiter, limits)).retry_after_s <= 30.0 + BUCKET_S


async def test_tokens_when_nothing_was_delivered_then_they_are_charged_all_the_same(limiter: Limiter) -> None:
    """Tokens that the upstream billed count, whatever became of the reply."""
    limits = Limits(tokens_per_minute=100)
    await finished(limiter, limits, delivered=False, tokens=100)
    assert (await refused(limiter, limits)).rule is Rule.TOKENS_PER_MINUTE


# --- the day --------------------------------------------------------------------------------------------------


async def test_day_when_the_cap_is_used_then_refused_until_midnight_utc(limiter: Limiter, clock: FakeClock) -> None:
    """The wait is what is left of the day, and midnight admits."""
    limits = Limits(daily_requests=2)
    await finished(limiter, limits)
    await finished(limiter, limits)
    clock.advance(3_600)
    assert await refused(limiter, limits) == Refusal(Rule.DAILY_REQUESTS, 2, 2, 39_600.0)
    clock.advance(39_599.75)
    await refused(limiter, limits)
    clock.advance(0.25)
    await finished(limiter, limits)


async def test_day_when_nothing_was_delivered_then_the_reservation_comes_back(limiter: Limiter) -> None:
    """A failure costs no answer."""
    limits = Limits(daily_requests=1)
    for _ in range(5):
        await finished(limiter, limits, delivered=False)
    await finished(limiter, limits, delivered=True)
    await refused(limiter, limits)


async def test_day_when_requests_run_then_reservations_count_against_the_cap(limiter: Limiter) -> None:
    """Two running and one delivered fill a cap of three; one failure makes room for one."""
    limits = Limits(daily_requests=3)
    await finished(limiter, limits)
    running = [await admitted(limiter, limits) for _ in range(2)]
    assert (await refused(limiter, limits)).used == 3
    running[0].settle(delivered=False)
    await admitted(limiter, limits)
    assert (await refused(limiter, limits)).used == 3


async def test_day_when_midnight_passes_under_a_running_request_then_it_belongs_to_the_day_it_began(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Neither its answer nor its failure touches the new day."""
    limits = Limits(daily_requests=2)
    kept, failed = await admitted(limiter, limits), await admitted(limiter, limits)
    clock.advance(43_200)
    await finished(limiter, limits)
    kept.settle(delivered=True)
    failed.settle(delivered=False)
    await finished(limiter, limits)
    assert (await refused(limiter, limits)).used == 2


async def test_day_when_settled_after_midnight_before_any_admission_then_the_new_day_is_whole(
    limiter: Limiter, clock: FakeClock
) -> None:
    """A late settlement alone does not spend the new day."""
    limits = Limits(daily_requests=1)
    lease = await admitted(limiter, limits)
    clock.advance(43_200)
    lease.settle(delivered=True)
    await finished(limiter, limits)


# --- images ---------------------------------------------------------------------------------------------------


async def used_images(limiter: Limiter, limits: Limits) -> int:
    (standing,) = (await limiter.standings_of({"acc_1": limits}))["acc_1"]
    assert standing.rule is Rule.IMAGES_PER_DAY
    return standing.used


async def test_images_when_admitted_then_as_many_as_asked_for_are_reserved_and_those_made_are_kept(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Of four that were reserved one was made: five of eight are left for the next, six are not."""
    limits = Limits(images_per_day=8)
    lease = await limiter.admit("acc_1", limits, images=4)
    assert not isinstance(lease, Refusal)
    assert await used_images(limiter, limits) == 4
    assert await limiter.admit("acc_1", limits, images=5) == Refusal(Rule.IMAGES_PER_DAY, 8, 4, 43_200.0)
    lease.settle(delivered=True, images=1)
    assert await used_images(limiter, limits) == 1
    assert not isinstance(await limiter.admit("acc_1", limits, images=7), Refusal)


async def test_images_when_the_cap_is_spent_then_requests_for_none_pass_and_midnight_gives_it_back(
    limiter: Limiter, clock: FakeClock
) -> None:
    """The cap is over images and not over answers."""
    limits = Limits(images_per_day=2)
    lease = await limiter.admit("acc_1", limits, images=2)
    assert not isinstance(lease, Refusal)
    await finished(limiter, limits)
    clock.advance(43_200)
    assert not isinstance(await limiter.admit("acc_1", limits, images=2), Refusal)
    lease.settle(delivered=True, images=2)
    assert await used_images(limiter, limits) == 2


# --- the cool-down of images ----------------------------------------------------------------------------------

COOLDOWN = Limits(image_cooldown_s=30.0)


async def admitted_for_images(limiter: Limiter, limits: Limits = COOLDOWN) -> Lease:
    outcome = await limiter.admit("acc_1", limits, images=1)
    assert not isinstance(outcome, Refusal)
    return outcome


async def test_cooldown_when_images_were_asked_for_then_the_next_waits_for_its_end_and_others_do_not(
    limiter: Limiter, clock: FakeClock
) -> None:
    """From the admission on, whether it still runs or is done; chat and other accounts are not concerned."""
    lease = await admitted_for_images(limiter)
    clock.advance(10)
    assert await limiter.admit("acc_1", COOLDOWN, images=1) == Refusal(Rule.IMAGE_COOLDOWN, 1, 1, 20.0)
    lease.settle(delivered=True, images=1)
    assert await limiter.admit("acc_1", COOLDOWN, images=2) == Refusal(Rule.IMAGE_COOLDOWN, 1, 1, 20.0)
    assert not isinstance(await limiter.admit("acc_2", COOLDOWN, images=1), Refusal)
    await finished(limiter, COOLDOWN)
    assert (await limiter.standings_of({"acc_1": COOLDOWN}))["acc_1"] == (Standing(Rule.IMAGE_COOLDOWN, 1, 1, 20.0),)
    clock.advance(20)
    await admitted_for_images(limiter)


async def test_cooldown_when_no_image_was_made_then_it_is_given_back(limiter: Limiter, clock: FakeClock) -> None:
    """A failure of the provider costs no waiting; what ends late does not end a later one's."""
    (await admitted_for_images(limiter)).settle(delivered=False)
    first = await admitted_for_images(limiter)
    clock.advance(30)
    second = await admitted_for_images(limiter)
    first.settle(delivered=False)
    assert isinstance(await limiter.admit("acc_1", COOLDOWN, images=1), Refusal)
    second.settle(delivered=False)
    assert (await limiter.standings_of({"acc_1": COOLDOWN}))["acc_1"] == (Standing(Rule.IMAGE_COOLDOWN, 1, 0, 0.0),)


async def test_cooldown_when_many_ask_at_once_then_one_is_admitted(limiter: Limiter) -> None:
    """No matter how many slots there are."""
    limits = replace(COOLDOWN, concurrency=50)
    outcomes = await asyncio.gather(*(limiter.admit("acc_1", limits, images=1) for _ in range(50)))
    assert sum(not isinstance(outcome, Refusal) for outcome in outcomes) == 1
    assert {outcome.rule for outcome in outcomes if isinstance(outcome, Refusal)} == {Rule.IMAGE_COOLDOWN}


# --- the ledger -----------------------------------------------------------------------------------------------


async def test_restored_day_when_the_ledger_knows_more_then_it_is_taken_over_and_less_is_ignored(
    limiter: Limiter, clock: FakeClock
) -> None:
    """A count is never lowered; another day changes nothing."""
    limits = Limits(daily_requests=10, images_per_day=10)
    await finished(limiter, limits)
    today = utc_day(clock.wall())
    for delivered in (
        Delivered(today, {"acc_1": 5, "acc_2": 1}, {"acc_1": 3}),
        Delivered(today, {"acc_1": 4}, {"acc_1": 1}),
        Delivered(utc_day(clock.wall() - 86_400), {"acc_1": 9}, {"acc_1": 9}),
    ):
        await limiter.restore_day(delivered)
    standings = await limiter.standings_of({"acc_1": limits, "acc_2": limits})
    assert [[standing.used for standing in of_one] for of_one in standings.values()] == [[5, 3], [1, 0]]


# --- concurrency ----------------------------------------------------------------------------------------------


async def test_concurrency_when_all_slots_are_taken_then_refused_until_one_is_settled(limiter: Limiter) -> None:
    """A slot is held from admission to settlement."""
    limits = Limits(concurrency=2)
    first = await admitted(limiter, limits)
    await admitted(limiter, limits)
    assert await refused(limiter, limits) == Refusal(Rule.CONCURRENCY, 2, 2, 1.0)
    first.settle(delivered=True)
    await admitted(limiter, limits)
    await refused(limiter, limits)


async def test_settle_when_called_again_then_only_the_first_call_counts(limiter: Limiter) -> None:
    """Slot, day and tokens are settled once, whatever is called how often."""
    limits = Limits(tokens_per_minute=100, concurrency=2, daily_requests=3)
    first = await admitted(limiter, limits)
    await admitted(limiter, limits)
    for delivered in (False, True, True):
        first.settle(delivered=delivered, tokens=50)
    standings = (await limiter.standings_of({"acc_1": limits}))["acc_1"]
    used = {standing.rule: standing.used for standing in standings}
    assert used == {Rule.TOKENS_PER_MINUTE: 50, Rule.CONCURRENCY: 1, Rule.DAILY_REQUESTS: 1}


async def test_concurrency_when_the_limit_falls_below_what_runs_then_it_refuses_until_enough_ended(
    limiter: Limiter,
) -> None:
    """Running requests are left alone; the new number holds for new ones."""
    leases = [await admitted(limiter, Limits(concurrency=3)) for _ in range(3)]
    leases[0].settle(delivered=True)
    leases[1].settle(delivered=True)
    assert await refused(limiter, Limits(concurrency=1)) == Refusal(Rule.CONCURRENCY, 1, 1, 1.0)
    leases[2].settle(delivered=True)
    await admitted(limiter, Limits(concurrency=1))


# --- all rules together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.IMAGE_COOLDOWN])
async def test_admission_when_one_rule_refuses_then_no_other_is_charged(limiter: Limiter, rule: Rule) -> None:
    """After fifty refusals by one rule, every rule has its whole limit."""
    whole = Limits(requests_per_minute=1, tokens_per_minute=1, concurrency=1, daily_requests=1, images_per_day=1)
    tight = replace(whole, **{rule.value: 0})
    for _ in range(50):
        outcome = await limiter.admit("acc_1", tight, images=1)
        assert isinstance(outcome, Refusal)
        assert outcome.rule is rule
    assert not isinstance(await limiter.admit("acc_1", whole, images=1), Refusal)


async def test_refusal_when_day_and_rate_say_no_then_the_longer_wait_is_named(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Usually the day; ten seconds before midnight the rate."""
    limits = Limits(requests_per_minute=1, concurrency=1, daily_requests=1)
    await admitted(limiter, limits)
    assert (await refused(limiter, limits)).rule is Rule.DAILY_REQUESTS


async def test_refusal_when_midnight_is_nearer_than_the_window_then_the_rate_is_named(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Ten seconds before midnight a full minute window takes longer than the day."""
    limits = Limits(requests_per_minute=1, daily_requests=1)
    clock.advance(43_190)
    await finished(limiter, limits)
    assert await refused(limiter, limits) == Refusal(Rule.REQUESTS_PER_MINUTE, 1, 1, 60.0)


async def test_refusal_when_tokens_take_longer_than_requests_then_tokens_are_named(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Charged 20 s after the request was counted, the tokens leave 20 s later."""
    limits = Limits(requests_per_minute=1, tokens_per_minute=1)
    lease = await admitted(limiter, limits)
    clock.advance(20)
    assert (await refused(limiter, limits)).rule is Rule.REQUESTS_PER_MINUTE
    lease.settle(delivered=True, tokens=1)
    assert (await refused(limiter, limits)).rule is Rule.TOKENS_PER_MINUTE


async def test_refusal_when_rate_and_concurrency_say_no_then_the_rate_is_named(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Concurrency is named alone only: when a request ends is a guess, when a window has room is known."""
    limits = Limits(requests_per_minute=1, concurrency=1)
    await admitted(limiter, limits)
    clock.advance(59.75)
    assert await refused(limiter, limits) == Refusal(Rule.REQUESTS_PER_MINUTE, 1, 1, 0.25)


async def test_standings_after_an_admission_then_one_per_limit_with_this_request_in_it(
    limiter: Limiter, clock: FakeClock
) -> None:
    """Used counts include the request itself; resets say when the whole limit is back."""
    limits = Limits(requests_per_minute=10, tokens_per_minute=1_000, concurrency=2, daily_requests=50)
    await finished(limiter, limits, tokens=30)
    clock.advance(20)
    requests, tokens, concurrency, day = (await admitted(limiter, limits)).standings
    assert requests == Standing(Rule.REQUESTS_PER_MINUTE, 10, 2, 60.0)
    assert (tokens.rule, tokens.limit, tokens.used, tokens.remaining) == (Rule.TOKENS_PER_MINUTE, 1_000, 30, 970)
    assert 40.0 <= tokens.reset_s <= 40.0 + BUCKET_S
    assert concurrency == Standing(Rule.CONCURRENCY, 2, 1, 1.0)
    assert day == Standing(Rule.DAILY_REQUESTS, 50, 2, 43_180.0)


async def test_standings_when_the_account_has_one_limit_then_there_is_one(limiter: Limiter) -> None:
    """Absent limits have no standing."""
    lease = await admitted(limiter, Limits(concurrency=3))
    assert [standing.rule for standing in lease.standings] == [Rule.CONCURRENCY]


async def test_unlimited_account_when_it_calls_a_thousand_times_then_nothing_refuses(limiter: Limiter) -> None:
    """No limits, no standings, no refusal."""
    leases = [await admitted(limiter, UNLIMITED) for _ in range(1_000)]
    assert not leases[-1].standings
    for lease in leases:
        lease.settle(delivered=True, tokens=10**9)
