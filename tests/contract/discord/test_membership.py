"""Roles, leaving and coming back, and an outage of Discord: who is served, and whose fault it is when not."""

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState, Caller
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.key_desk.member_watch import FIRST_PAUSE_S, LEFT_RECHECK_S, LONGEST_PAUSE_S, PACE_S
from freetheai_gateway.services.ports import Failure as NoReply
from freetheai_gateway.services.ports import Phase, UpstreamFailed
from freetheai_gateway.settings.tree import Membership
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import Failure, FakeDiscord
from freetheai_gateway.testing.offers import INVITING_SITE, make_offer
from tests.contract.discord.conftest import Another
from tests.contract.discord.desk import VIP, Node, settings_for, sign_up

HOUR_S = 3_600.0
RECHECK_S, KEEP_S = 6 * HOUR_S, 72 * HOUR_S
CANT_TELL = [
    Failure(401),
    Failure(403, 50001),
    Failure(404, 10004),
    Failure(500),
    Failure(503),
    UpstreamFailed(NoReply.REFUSED, Phase.CONNECT),
]


class Api:
    """The gate of the API over a node's own watch: what a key is answered now."""

    def __init__(self, node: Node, clock: FakeClock) -> None:
        self._node = node
        self._admission = Admission(MemoryLimiter(clock), RefusalGuard(), clock, node.community.watch)
        self._offer = make_offer(site=INVITING_SITE)

    async def ask(self, key: str) -> str:
        """Give status and code of the refusal; empty where the request goes through."""
        caller = await self._node.caller(key)
        try:
            self._admission.check_account(caller, self._offer)
        except GatewayError as error:
            return f"{error.status} {error.code}"
        return ""

    async def account(self, key: str) -> Account:
        """Read the account as it is cached."""
        return (await self._node.caller(key)).account


@pytest.fixture
def api(node: Node, clock: FakeClock) -> Api:
    """Give the gate of the node."""
    return Api(node, clock)


async def test_role_when_it_changes_then_the_tier_does_at_the_next_interaction(node: Node, ada: Person) -> None:
    """Requirement 24: the highest role counts, and whoever comes back after leaving is served again."""
    ada.member["roles"] = ["5"]
    key = await sign_up(ada)
    ada.member["roles"] = [VIP, "1"]
    await ada.slash("tiers")
    account = (await node.caller(key)).account
    assert account.role_tier == 2
    ada.member["roles"] = []
    await node.accounts.change_account(account.id, {"state": AccountState.LEFT})
    await ada.slash("tiers")
    account = (await node.caller(key)).account
    assert (account.role_tier, account.state) == (None, AccountState.ACTIVE)


async def test_role_when_there_at_sign_up_then_the_first_tier(node: Node, ada: Person) -> None:
    """Nobody has to run a second command for what they are already."""
    ada.member["roles"] = [VIP]
    assert (await node.caller(await sign_up(ada))).account.role_tier == 2


async def test_subscription_when_active_then_its_tier_in_payloads_and_by_rest(
    another: Another, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirement 24: of role and subscription the higher counts; one that ended, or is another's, does not."""
    node = await another(settings_for(discord, tier_skus=(("55", 3),)))
    api, ada = Api(node, clock), Person(discord, node.post, "Ada")
    ada.member["roles"] = [VIP]
    discord.entitlements[ada.id] = [{"sku_id": "55", "user_id": ada.id, "starts_at": None, "ends_at": None}]
    key = await sign_up(ada)
    assert (await api.account(key)).role_tier == 3
    clock.advance(RECHECK_S)
    await api.ask(key)
    await node.community.watch.ask_next()
    assert (await api.account(key)).role_tier == 3
    for ended in ({"ends_at": "2026-01-01T00:00:00+00:00"}, {"deleted": True}, {"user_id": "7"}):
        discord.entitlements[ada.id][0] |= ended
        await ada.slash("tiers")
        assert (await api.account(key)).role_tier == 2
        discord.entitlements[ada.id][0] |= {"ends_at": None, "deleted": False, "user_id": ada.id}
        await ada.slash("tiers")
        assert (await api.account(key)).role_tier == 3


async def test_member_when_used_within_hours_then_discord_is_not_asked(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """What Discord said is good for a while, and a request never waits for it."""
    key = await sign_up(ada)
    calls = len(discord.calls)
    clock.advance(RECHECK_S - 1.0)
    assert await api.ask(key) == ""
    assert node.community.watch.waiting == 0
    assert len(discord.calls) == calls


async def test_member_when_gone_then_403_and_back_again_when_they_return(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirements 24 and 25: 10007 alone means left; using the key is enough to be found again."""
    key = await sign_up(ada)
    del discord.members[ada.id]
    clock.advance(RECHECK_S)
    assert await api.ask(key) == "", "the last state holds until Discord has answered"
    assert await node.community.watch.ask_next() == PACE_S
    assert await api.ask(key) == "403 discord_membership_required"
    discord.members[ada.id] = ada.member
    clock.advance(LEFT_RECHECK_S)
    assert await api.ask(key) == "403 discord_membership_required"
    await node.community.watch.ask_next()
    assert await api.ask(key) == ""
    async with node.database.read("reading the audit") as connection:
        rows = await connection.exec_driver_sql("SELECT action, actor FROM audit ORDER BY at, id")
        kept = [tuple(row) for row in rows.all()][1:]
    assert sorted(kept) == [("account.restore", "gateway"), ("account.suspend", "gateway")]


async def test_member_when_suspended_and_gone_then_an_operators_suspension_stays(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Leaving and coming back is no way out of a suspension."""
    key = await sign_up(ada)
    await node.accounts.change_account((await api.account(key)).id, {"state": AccountState.PAUSED})
    clock.advance(RECHECK_S)
    del discord.members[ada.id]
    await node.community.membership.left(await api.account(key))
    assert await api.ask(key) == "403 user_paused"
    await ada.slash("tiers")
    assert (await api.account(key)).state is AccountState.PAUSED


@pytest.mark.parametrize("failure", CANT_TELL, ids=str)
async def test_member_when_discord_cant_tell_then_nobody_is_suspended_and_503_only_after_the_bound(
    node: Node, ada: Person, api: Api, clock: FakeClock, failure: Failure | UpstreamFailed
) -> None:
    """Requirements 24 and 25: whatever else Discord answers is no word about the member."""
    discord = ada.discord
    key = await sign_up(ada)
    clock.advance(RECHECK_S)
    assert await api.ask(key) == ""
    discord.failures = [failure] * 100
    began = clock.wall()
    assert await node.community.watch.ask_next() == FIRST_PAUSE_S
    while clock.wall() < began + KEEP_S - LONGEST_PAUSE_S:
        assert await api.ask(key) == ""
        clock.advance(await node.community.watch.ask_next())
        discord.failures = [failure] * 100
    clock.advance(2 * LONGEST_PAUSE_S)
    assert await api.ask(key) == "503 discord_membership_error"
    assert (await api.account(key)).state is AccountState.ACTIVE
    discord.failures = []
    await node.community.watch.ask_next()
    assert await api.ask(key) == ""


async def test_member_when_discord_has_no_answer_for_one_then_nothing_follows_for_anybody(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """An account that was deleted at Discord is neither a member who left nor an outage."""
    key, eves = await sign_up(ada), await sign_up(Person(discord, node.post, "Eve"))
    for _ in range(20):
        clock.advance(RECHECK_S)
        discord.failures = [Failure(404, 10013)]
        assert await api.ask(key) == ""
        assert await node.community.watch.ask_next() == PACE_S
    assert (await api.ask(key), await api.ask(eves)) == ("", "")


async def test_member_when_away_for_long_and_discord_is_ill_then_served(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """The bound counts from the first question that failed, not from when a member was last seen."""
    key = await sign_up(ada)
    clock.advance(KEEP_S * 10)
    assert await api.ask(key) == ""
    discord.failures = [Failure(502)] * 10
    await node.community.watch.ask_next()
    assert await api.ask(key) == ""


async def test_member_when_another_node_was_told_then_discord_is_not_asked_twice(
    node: Node, ada: Person, api: Api, clock: FakeClock, another: Another
) -> None:
    """What one node heard stands in the database, without that any cache is emptied for it."""
    discord = ada.discord
    key = await sign_up(ada)
    other = await another()
    elsewhere = Api(other, clock)
    await elsewhere.ask(key)
    clock.advance(RECHECK_S)
    assert (await api.ask(key), await elsewhere.ask(key)) == ("", "")
    before = len(discord.calls)
    await node.community.watch.ask_next()
    await other.community.watch.ask_next()
    assert len(discord.calls) == before + 1
    assert (await api.ask(key), node.community.watch.waiting) == ("", 0)
    assert (await elsewhere.ask(key), other.community.watch.waiting) == ("", 0)


async def test_command_when_run_then_it_counts_as_seen(
    node: Node, ada: Person, api: Api, discord: FakeDiscord, clock: FakeClock
) -> None:
    """A signed payload is as good as Discord's answer."""
    key = await sign_up(ada)
    clock.advance(RECHECK_S - 1.0)
    await ada.slash("tiers")
    await node.desk.jobs.idle()
    clock.advance(RECHECK_S - 1.0)
    node.authenticator.forget()
    assert await api.ask(key) == ""
    assert node.community.watch.waiting == 0


async def test_membership_when_not_required_then_leaving_changes_nothing(
    another: Another, discord: FakeDiscord, clock: FakeClock
) -> None:
    """`required = false`: keys outlive membership."""
    node = await another(settings_for(discord, membership=Membership(required=False)))
    api, ada = Api(node, clock), Person(discord, node.post, "Ada")
    key = await sign_up(ada)
    del discord.members[ada.id]
    clock.advance(RECHECK_S)
    await api.ask(key)
    await node.community.watch.ask_next()
    assert await api.ask(key) == ""


async def test_account_when_not_from_discord_then_neither_membership_nor_check_in_is_asked(
    node: Node, clock: FakeClock
) -> None:
    """Keys made on the command line are the operator's business; an account without limits checks in never."""
    admission = Admission(MemoryLimiter(clock), RefusalGuard(), clock, node.community.watch)
    offer = make_offer(site=INVITING_SITE, wants_check_in=True)
    now = clock.wall()
    for account in (
        Account("acc_1", "By hand", 0.0),
        Account("acc_2", "Boss", 0.0, unlimited=True, discord_id="5", member_seen_at=now),
    ):
        admission.check_account(Caller("key_1", "fta_Ab3d", account), offer)
    assert node.community.watch.waiting == 0
