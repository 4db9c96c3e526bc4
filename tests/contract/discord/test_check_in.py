"""/checkin: once a day, judged by the day on which it was sent, and what the API says to a key without one."""

import asyncio
from functools import partial

import pytest

from freetheai_gateway.clock import DAY_S
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from tests.contract.discord.conftest import OpenWhole
from tests.contract.discord.desk import filled, sign_up, submit_of
from tests.contract.discord.whole import Whole, until

MIDNIGHT = 1_795_392_000.0
"""The UTC midnight before the fake clock begins."""
NEEDED = {"access": {"check_in": True}}


@pytest.fixture
async def node(whole: OpenWhole) -> Whole:
    """Give a gateway that wants a check-in."""
    return await whole(**NEEDED)


@pytest.fixture
def ada(discord: FakeDiscord, node: Whole) -> Person:
    """Give a member."""
    return Person(discord, node.post, "Ada")


async def test_api_when_not_checked_in_then_403_that_names_the_command_and_200_afterwards_on_every_node(
    node: Whole, ada: Person, whole: OpenWhole
) -> None:
    """Requirement 17: the other node learns of it by the database's change counter."""
    other = await whole(**NEEDED)
    key = await sign_up(ada)
    for each in (node, other):
        refused = await each.chat(key)
        assert (refused.status, refused.code, refused.body["error"]["type"]) == (403, *["daily_checkin_required"] * 2)
        assert "/checkin" in refused.body["error"]["message"]
    done = await filled(ada, await ada.slash("checkin"))
    assert f"<t:{int(MIDNIGHT + DAY_S)}:R>" in done["data"]["content"]
    assert done["data"]["flags"] & 64
    for each in (node, other):
        await until(partial(each.serves, key))


async def test_check_in_when_done_then_the_second_says_when_the_next_opens(node: Whole, ada: Person) -> None:
    """No form is given for what is done already, and a form that was opened before changes nothing."""
    await sign_up(ada)
    assert "run /checkin" in (await ada.slash("stats"))["data"]["content"]
    first, second = await ada.slash("checkin"), await ada.slash("checkin")
    answers = [await filled(ada, form) for form in (first, second)]
    assert all(f"<t:{int(MIDNIGHT + DAY_S)}:R>" in answer["data"]["content"] for answer in answers)
    assert ", checked in" in (await ada.slash("stats"))["data"]["content"]
    again = await ada.slash("checkin")
    assert again["type"] == 4
    assert f"<t:{int(MIDNIGHT + DAY_S)}:R>" in again["data"]["content"]
    assert _check_ins(node) == 1


async def test_check_in_when_sent_twice_at_once_on_two_nodes_then_one(
    node: Whole, ada: Person, discord: FakeDiscord, whole: OpenWhole
) -> None:
    """Account and day are unique in the database; both are told the same."""
    other = await whole(**NEEDED)
    await sign_up(ada)
    elsewhere = Person(discord, other.post, "Ada")
    elsewhere.id, elsewhere.member = ada.id, ada.member
    forms = await ada.slash("checkin"), await elsewhere.slash("checkin")
    answers = await asyncio.gather(filled(ada, forms[0]), filled(elsewhere, forms[1]))
    assert answers[0] == answers[1]
    assert _check_ins(node) == 1


async def test_check_in_when_the_same_payload_is_sent_again_then_the_same_answer(node: Whole, ada: Person) -> None:
    """Requirement 5 holds here too."""
    await sign_up(ada)
    form = await ada.slash("checkin")
    payload = ada.payload(5, submit_of(form))
    answers = [decode_any((await ada.send(payload))[1]) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert _check_ins(node) == 1


async def test_check_in_when_sent_around_midnight_then_the_day_of_the_interaction_counts(
    node: Whole, ada: Person, clock: FakeClock
) -> None:
    """A form that is opened before midnight and sent after it is a check-in of the new day."""
    key = await sign_up(ada)
    clock.advance(MIDNIGHT + DAY_S - 1.0 - clock.wall())
    await filled(ada, await ada.slash("checkin"))
    await until(partial(node.serves, key))
    early = await ada.slash("checkin")
    assert early["type"] == 4
    clock.advance(1.0)
    assert (await node.chat(key)).code == "daily_checkin_required"
    form = await ada.slash("checkin")
    assert form["type"] == 9
    clock.advance(-1.5)
    late = ada.payload(5, submit_of(form))
    clock.advance(1.5)
    assert b"checked in" in (await ada.send(late))[1]
    assert (await node.chat(key)).code == "daily_checkin_required", "it was sent on the day before"
    await filled(ada, await ada.slash("checkin"))
    await until(partial(node.serves, key))
    assert _check_ins(node) == 2


async def test_check_in_when_no_question_is_asked_then_done_by_the_command(
    discord: FakeDiscord, whole: OpenWhole
) -> None:
    """`challenge = "none"` leaves no form to show."""
    node = await whole(**NEEDED, discord={"signup": {"challenge": "none"}})
    ada = Person(discord, node.post, "Ada")
    key = await sign_up(ada)
    assert "checked in" in (await ada.slash("checkin"))["data"]["content"]
    await until(partial(node.serves, key))


async def test_check_in_when_off_then_told_and_asked_of_nobody(discord: FakeDiscord, whole: OpenWhole) -> None:
    """The command may still stand in somebody's client."""
    node = await whole()
    ada = Person(discord, node.post, "Ada")
    key = await sign_up(ada)
    assert "No check-in is needed" in (await ada.slash("checkin"))["data"]["content"]
    assert (await node.chat(key)).status == 200


async def test_check_in_when_there_is_no_key_then_pointed_to_signup(ada: Person) -> None:
    """A stranger has nothing to check in with."""
    assert "/signup" in (await ada.slash("checkin"))["data"]["content"]


def _check_ins(node: Whole) -> int:
    return len(node.rows("SELECT * FROM check_ins"))
