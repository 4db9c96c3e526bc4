"""The commands that read, those of operators, and answers in time whatever the database does."""

import asyncio

import pytest

from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.services.key_desk.jobs import LAST_WORDS_S, LONGEST_S
from freetheai_gateway.services.ports import Page
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import TOKEN_LIVES_S, FakeDiscord
from tests.contract.discord.conftest import Another
from tests.contract.discord.desk import Node, filled, settings_for, sign_up


async def test_models_when_typed_ahead_then_at_most_25_from_memory(ada: Person) -> None:
    """Requirement 21: matching ids only, and none for what is not there."""
    assert len(await ada.type_ahead("models", "search", "glm/")) == 25
    assert await ada.type_ahead("models", "search", "model-007") == ["glm/model-007"]
    assert await ada.type_ahead("models", "search", "nothing of ours") == []


async def test_models_when_typed_ahead_and_the_database_is_gone_then_answered_all_the_same(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requirement 21: completion asks nobody; what is sent in the end is looked for, whatever it is."""

    async def fail(*_: object) -> None:
        raise AssertionError("the database was asked")

    with monkeypatch.context() as patched:
        patched.setattr("freetheai_gateway.store.key_desk.SqlKeyDesk.standing", fail)
        assert len(await ada.type_ahead("models", "search", "model-0")) == 25
    chosen = await ada.slash("models", {"type": 3, "name": "search", "value": "@everyone `x`"})
    assert r"\@everyone \`x\`" in chosen["data"]["content"]


async def test_forms_when_discord_hangs_then_given_all_the_same(ada: Person, discord: FakeDiscord) -> None:
    """Requirement 7: what precedes a form needs the payload and the database, and no call."""
    await sign_up(ada)
    before = len(discord.calls)
    discord.hold = asyncio.Event()
    eve = Person(discord, ada.post, "Eve")
    assert [(await eve.slash("signup"))["type"], (await ada.slash("resetkey"))["type"]] == [9, 9]
    assert len(discord.calls) == before


async def test_work_when_it_takes_too_long_then_the_member_is_told_before_the_token_dies(
    another: Another, discord: FakeDiscord
) -> None:
    """Requirement 8: a deferral never stays one; the key that nobody saw is revoked."""
    assert LONGEST_S + LAST_WORDS_S < TOKEN_LIVES_S - 25
    node = await another(longest_job_s=0.05)
    ada = Person(discord, node.post, "Ada")
    discord.hold = asyncio.Event()
    await filled(ada, await ada.slash("signup"))
    await discord.held.wait()
    while len(discord.calls) < 2:  # noqa: ASYNC110 - the second call is the one that tells
        await asyncio.sleep(0.01)
    discord.hold.set()
    assert "revoked" in (await ada.sees())["content"]
    keys, _ = await node.accounts.list_keys(Page())
    assert [key.revoked_at is not None for key in keys] == [True]


async def test_models_when_there_are_many_then_pages_are_turned_by_buttons(ada: Person) -> None:
    """Requirement 22: the state of a page is in its buttons; each page stays within a message."""
    first = await ada.slash("models")
    assert "page 1 of 4" in first["data"]["content"]
    second = await ada.press(first["data"], "models:1:")
    assert (second["type"], "page 2 of 4" in second["data"]["content"]) == (7, True)


async def test_text_of_members_when_shown_then_it_is_plain(ada: Person) -> None:
    """Requirement 20: neither markdown nor mentions nor masked links of a member have an effect."""
    ada.member["nick"] = "**@everyone** [x](https://example.org) `y`"
    await sign_up(ada)
    shown = (await ada.slash("stats"))["data"]["content"]
    assert r"\*\*\@everyone\*\*" in shown
    assert r"\[x\]\(https" in shown


async def test_tiers_when_asked_for_then_mine_is_marked(ada: Person) -> None:
    """Members see what each tier allows and what theirs opens."""
    await sign_up(ada)
    assert "(yours)" in (await ada.slash("tiers"))["data"]["content"]
    assert "60 models" in (await ada.slash("tiermodels"))["data"]["content"]
    assert "No model answered" in (await ada.slash("modelstats"))["data"]["content"]


async def test_account_when_run_by_an_operator_then_done_and_written_down(
    another: Another, discord: FakeDiscord
) -> None:
    """Requirement 30: who is an operator stands in the configuration; everybody else is refused."""
    plain = await another()
    boss = Person(discord, plain.post, "Boss")
    node = await another(settings_for(discord, operators=(boss.id,)))
    boss = _at(node, boss)
    ada = Person(discord, node.post, "Ada")
    key = await sign_up(ada)
    assert "operators" in (await ada.slash("account", _sub("suspend", boss.id)))["data"]["content"]
    await boss.slash("account", _sub("suspend", ada.id, {"type": 3, "name": "reason", "value": "shared a key"}))
    account = (await node.caller(key)).account
    assert (account.state, account.pause_reason) == (AccountState.PAUSED, "shared a key")
    await boss.slash("account", _sub("tier", ada.id, {"type": 4, "name": "level", "value": 3}))
    await boss.slash("account", _sub("restore", ada.id))
    account = (await node.caller(key)).account
    assert (account.state, account.tier_override) == (AccountState.ACTIVE, 3)
    shown = (await boss.slash("account", _sub("show", ada.id)))["data"]["content"]
    assert key[:8] in shown
    assert key not in shown
    async with node.database.read("reading the audit") as connection:
        rows = await connection.exec_driver_sql("SELECT actor FROM audit")
        assert {row.actor for row in rows.all()} == {f"discord:{ada.id}", f"discord:{boss.id}"}


async def test_first_answer_when_the_database_is_held_up_then_in_time(another: Another, discord: FakeDiscord) -> None:
    """Requirement 7: the answer comes before Discord's deadline and says that nothing was changed."""
    node = await another(first_answer_s=0.05)
    ada = Person(discord, node.post, "Ada")
    async with node.database.write("holding the writer"):
        answer = await ada.slash("signup")
    assert "Nothing was changed" in answer["data"]["content"]
    assert not discord.calls


def _sub(name: str, who: str, *options: Answer) -> Answer:
    return {"type": 1, "name": name, "options": [{"type": 6, "name": "member", "value": who}, *options]}


def _at(node: Node, person: Person) -> Person:
    """Let a person talk to another node."""
    there = Person(person.discord, node.post, person.name)
    there.id, there.member = person.id, person.member
    return there
