"""/signup and /resetkey: who gets a key, how it travels, and what becomes of the one before."""

import asyncio

import pytest

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.domain.accounts import Account, AccountState
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.key_desk.desk import COOL_DOWN_S, FORM_S, KeyDesk
from freetheai_gateway.services.key_desk.gates import Applicant, SignUpRules
from freetheai_gateway.services.key_desk.ports import Purpose
from freetheai_gateway.services.ports import Failure, Page, Phase, UpstreamFailed
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord import server
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from tests.contract.discord.conftest import Another
from tests.contract.discord.desk import (
    Node,
    Patience,
    filled,
    key_in,
    open_node,
    outcome,
    reset,
    settings_for,
    sign_up,
    submit_of,
)


async def test_sign_up_when_the_form_is_right_then_the_key_works_and_came_by_the_edit_only(
    node: Node, ada: Person, discord: FakeDiscord
) -> None:
    """Requirement 18: the key is in one ephemeral edit and nowhere in what we answered."""
    modal = await ada.slash("signup")
    deferred = await filled(ada, modal)
    message = await ada.sees()
    key = key_in(message)
    assert (await node.caller(key)).account.discord_id == ada.id
    assert "fta_" not in str(modal) + str(deferred)
    assert [call.target.count("/@original") for call in discord.calls] == [1]
    assert not await _holding(node, key)


async def test_key_message_when_hidden_then_the_key_is_gone_and_the_menu_explains_without_it(ada: Person) -> None:
    """The owner can blank the message; the menu below it shows how a client is set up."""
    key = await sign_up(ada)
    message = await ada.sees()
    assert "/v1" in message["content"]
    explained = await ada.press(message, "key:client", "python")
    assert "YOUR_KEY" in explained["data"]["content"]
    hidden = await ada.press(message, "key:hide")
    assert hidden["type"] == 7
    assert key not in str(hidden) + str(explained)


async def test_sign_up_when_there_is_a_key_then_pointed_to_resetkey(ada: Person) -> None:
    """Requirement 15: a second key is refused before any form."""
    await sign_up(ada)
    answer = await ada.slash("signup")
    assert "/resetkey" in answer["data"]["content"]


async def test_sign_up_when_sent_twice_at_once_on_two_nodes_then_one_account_and_one_key(
    node: Node, discord: FakeDiscord, ada: Person, another: Another
) -> None:
    """Requirement 15: whichever node is asked, the database decides."""
    other = await another()
    elsewhere = Person(discord, other.post, "Ada")
    elsewhere.id, elsewhere.member = ada.id, ada.member
    first, second = await ada.slash("signup"), await elsewhere.slash("signup")
    seen = await asyncio.gather(outcome(ada, first), outcome(elsewhere, second))
    assert sorted("fta_" in text for text in seen) == [False, True]
    accounts, _ = await node.accounts.list_accounts(Page())
    keys, _ = await node.accounts.list_keys(Page())
    assert (len(accounts), len(keys)) == (1, 1)


async def test_interaction_when_sent_again_then_the_same_first_answer_and_no_second_effect(
    node: Node, ada: Person, discord: FakeDiscord
) -> None:
    """Requirement 5: also for two copies at once; the answer never holds a key."""
    modal = await ada.slash("signup")
    sent = ada.payload(5, submit_of(modal))
    answers = await asyncio.gather(*(ada.send(sent) for _ in range(3)))
    key = key_in(await ada.sees())
    later = await ada.send(sent)
    await node.desk.jobs.idle()
    assert [decode_any(body) for _, body in [*answers, later]] == [{"type": 5, "data": {"flags": 64}}] * 4
    assert len(discord.calls) == 1
    assert len((await node.accounts.list_keys(Page()))[0]) == 1
    assert not await node.refuses(key)


async def test_reset_when_done_then_the_old_key_is_refused_and_the_account_stays(
    node: Node, ada: Person, discord: FakeDiscord, another: Another
) -> None:
    """Requirement 16: refused at the next look for changes, on this node and on another."""
    old = await sign_up(ada)
    other = await another()
    before = await node.caller(old)
    assert not await other.refuses(old)
    new = await reset(ada)
    assert await node.refuses(old)
    assert await other.refuses(old)
    assert (await node.caller(new)).account == before.account
    answer = await ada.slash("resetkey")
    assert "<t:" in answer["data"]["content"], "the cool-down says when it ends"


async def test_reset_when_there_is_no_key_then_pointed_to_signup(ada: Person) -> None:
    """A stranger has nothing to replace."""
    assert "/signup" in (await ada.slash("resetkey"))["data"]["content"]


@pytest.mark.parametrize(
    "failure",
    [
        server.Failure(400, 50035),
        server.Failure(403, 50001),
        server.Failure(401, 50027),
        server.Failure(404, 10062),
    ],
)
async def test_delivery_when_it_fails_finally_then_the_key_is_revoked_and_another_try_is_free(
    node: Node, ada: Person, discord: FakeDiscord, failure: server.Failure
) -> None:
    """Requirements 9 and 19: no fallback to any other message; the member is told and may sign up again."""
    discord.failures = [failure]
    await filled(ada, await ada.slash("signup"))
    assert "revoked" in (await ada.sees())["content"]
    keys, _ = await node.accounts.list_keys(Page())
    assert all(key.revoked_at is not None for key in keys)
    assert not await node.refuses(await sign_up(ada))


@pytest.mark.parametrize(
    "failures",
    [
        [server.Failure(404, 10015)] * 3,
        [server.Failure(502), UpstreamFailed(Failure.CLOSED, Phase.HEAD)],
        [server.Failure(429, 0, 0.7), server.Failure(429, 0, 1.3, is_global=True)],
    ],
    ids=["edit before the answer", "discord is ill", "rate limits"],
)
async def test_delivery_when_it_fails_for_a_moment_then_it_is_tried_again(
    node: Node, ada: Person, discord: FakeDiscord, failures: list[server.Failure | UpstreamFailed]
) -> None:
    """Requirements 9 and 27: what may be repeated is, after the pause that was asked for."""
    discord.failures = list(failures)
    assert not await node.refuses(await sign_up(ada))


async def test_delivery_when_the_gateway_stops_then_the_key_is_revoked(
    node: Node, ada: Person, discord: FakeDiscord
) -> None:
    """Requirement 10: nobody has a key that its owner never saw."""
    discord.hold = asyncio.Event()
    await filled(ada, await ada.slash("signup"))
    await discord.held.wait()
    discord.hold = None
    await node.desk.jobs.close(drain_s=0.0)
    assert "revoked" in (await ada.sees())["content"]
    keys, _ = await node.accounts.list_keys(Page())
    assert [key.revoked_at is not None for key in keys] == [True]


@pytest.mark.parametrize("waits_for_the_lock", [True, False])
async def test_issue_when_cancelled_then_no_key_is_left_in_force(
    node: Node, ada: Person, waits_for_the_lock: bool
) -> None:
    """Requirement 10: also where its batch had begun, whoever shares it gets theirs."""
    desk = KeyDesk(node.community.store, SignUpRules(), ada.discord.clock, "secret")
    mine, theirs = (Applicant(ada.discord.snowflake(), name) for name in ("Ada", "Eve"))
    async with node.database.write("holding the writer"):
        issuing = asyncio.ensure_future(desk.issue(Purpose.SIGN_UP, mine))
        shared = asyncio.ensure_future(desk.issue(Purpose.SIGN_UP, theirs))
        for _ in range(10 if waits_for_the_lock else 0):
            await asyncio.sleep(0)
        issuing.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await issuing
    issued = await shared
    keys, _ = await node.accounts.list_keys(Page())
    assert [key.id for key in keys if key.revoked_at is None] == [issued.key_id]


async def test_answer_when_wrong_three_times_then_a_cool_down(node: Node, ada: Person, clock: FakeClock) -> None:
    """Requirement 12: wrong answers count, and the way back is a button and not a form upon a form."""
    answer = await ada.slash("signup")
    for _ in range(3):
        refused = await ada.fill_in(answer, use="Homework and experiments", answer="certainly wrong")
        assert refused["type"] == 4
        answer = await ada.press(refused["data"], "again:signup")
    assert "Too many wrong answers" in answer["data"]["content"]
    clock.advance(COOL_DOWN_S + 1)
    assert not await node.refuses(await sign_up(ada))


async def test_form_when_spent_expired_foreign_or_for_something_else_then_refused(
    node: Node, ada: Person, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirement 12: a nonce is good once, for ten minutes, for one person and one purpose."""
    eve = Person(discord, node.post, "Eve")
    modal = await ada.slash("signup")
    submit = submit_of(modal)
    assert "no longer good" in str(await eve.act(5, submit))
    other = submit | {"custom_id": submit["custom_id"].replace("signup", "resetkey")}
    assert "no key" in str(await ada.act(5, other))
    clock.advance(FORM_S + 1)
    assert "no longer good" in str(await ada.act(5, submit))
    fresh = submit_of(await ada.slash("signup"))
    assert (await ada.act(5, fresh))["type"] == 5
    await ada.sees()
    assert (await ada.act(5, fresh))["type"] != 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pending": True}, "rules"),
        ({"communication_disabled_until": "2099-01-01T00:00:00+00:00"}, "timed out"),
        ({"user": {"id": "500000000000000001", "bot": True}}, "bots"),
    ],
)
async def test_sign_up_when_a_gate_is_shut_then_refused_at_once(
    ada: Person, fields: dict[str, object], words: str
) -> None:
    """The gates need nothing but the payload."""
    ada.member |= fields
    assert words in (await ada.slash("signup"))["data"]["content"]


async def test_sign_up_when_the_account_is_too_young_then_told_when(
    node: Node, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirement 14: refused a second before the boundary, let in at it."""
    young = Person(discord, node.post, "Young", age_days=7 - 1 / 86_400)
    assert "<t:" in (await young.slash("signup"))["data"]["content"]
    clock.advance(1.001)
    assert (await young.slash("signup"))["type"] == 9


@pytest.mark.parametrize(("joined", "kind"), [(None, 4), ("soon", 4), ("2020-01-01T00:00:00+00:00", 9)])
async def test_sign_up_when_membership_counts_then_a_missing_date_is_refused(
    discord: FakeDiscord, another: Another, joined: str | None, kind: int
) -> None:
    """Requirement 14: what Discord does not say counts as too short."""
    node = await another(minimum_membership_minutes=60.0)
    person = Person(discord, node.post, "Ada")
    person.member["joined_at"] = joined
    assert (await person.slash("signup"))["type"] == kind


async def test_sign_up_when_the_hour_is_full_then_told_when_it_opens(
    discord: FakeDiscord, another: Another, clock: FakeClock
) -> None:
    """The breaker holds over all members, also for forms that were given before."""
    node = await another(per_hour=2, challenge="none")
    people = [Person(discord, node.post, f"P{number}") for number in range(4)]
    forms = [await person.slash("signup") for person in people[:3]]
    for person, form in zip(people, forms, strict=False):
        await filled(person, form)
        await node.desk.jobs.idle()
    assert "<t:" in (await people[3].slash("signup"))["data"]["content"]
    assert len((await node.accounts.list_keys(Page()))[0]) == 2
    clock.advance(3_601)
    assert (await people[3].slash("signup"))["type"] == 9


async def test_sign_up_when_closed_or_suspended_then_refused_with_the_reason(
    node: Node, discord: FakeDiscord, ada: Person, another: Another
) -> None:
    """A new key is no way around a suspension."""
    await node.accounts.create_account(
        Account("acc_1", "Ada", 1.0, AccountState.PAUSED, discord_id=ada.id, pause_reason="shared a key")
    )
    assert "shared a key" in (await ada.slash("signup"))["data"]["content"]
    closed = await another(open=False)
    assert "paused" in (await Person(discord, closed.post, "Eve").slash("signup"))["data"]["content"]


async def test_honeypot_when_filled_in_then_recorded_and_no_refusal(node: Node, ada: Person) -> None:
    """A signal is for the operator to look at; nobody is banned in silence."""
    await filled(ada, await ada.slash("signup"), website="https://example.org")
    assert "fta_" in (await ada.sees())["content"]
    async with node.database.read("reading signals") as connection:
        rows = await connection.exec_driver_sql("SELECT discord_id FROM discord_events WHERE kind = 'honeypot'")
        assert list(rows.scalars()) == [ada.id]


async def test_sign_ups_when_200_come_at_once_then_each_has_a_key(another: Another, discord: FakeDiscord) -> None:
    """None is lost and none is answered with anything but a form and a deferral."""
    wide = await another(per_hour=1000)
    await _sign_up_at_once(discord, [wide], 200)


async def test_sign_ups_when_200_come_at_once_to_three_nodes_on_postgresql_then_each_has_a_key(
    discord: FakeDiscord, postgres_url: str
) -> None:
    """The nodes share one database and its one write lock."""
    settings = settings_for(discord, per_hour=1000)
    discord.commands = list(commands())
    nodes = [await open_node(discord, postgres_url, settings, Patience()) for _ in range(3)]
    try:
        await _sign_up_at_once(discord, nodes, 200)
    finally:
        for node in nodes:
            await node.close()


async def _sign_up_at_once(discord: FakeDiscord, nodes: list[Node], number: int) -> None:
    people = [Person(discord, nodes[each % len(nodes)].post, f"P{each}") for each in range(number)]
    keys = await asyncio.gather(*(sign_up(person) for person in people))
    assert len(set(keys)) == number
    stored, _ = await nodes[0].accounts.list_keys(Page(limit=2 * number))
    assert len(stored) == len({key.account_id for key in stored}) == number
    assert all(key.revoked_at is None for key in stored)
    assert not [entry for node in nodes for entry in node.log.entries if "first_answer" in str(entry)]


async def _holding(node: Node, text: str) -> list[str]:
    """List the tables that hold a text anywhere."""
    found = []
    async with node.database.read("searching") as connection:
        tables = (await connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
        for table in list(tables):
            statement = f"SELECT * FROM {table}"  # noqa: S608 - our own tables
            rows = (await connection.exec_driver_sql(statement)).all()
            found += [table] * any(text in str(value) for row in rows for value in row)
    return found
