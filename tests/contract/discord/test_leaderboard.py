"""/leaderboard: pages for who asked, names that have no effect, and the way off it."""

from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import FakeDiscord
from tests.contract.discord.desk import Node, sign_up


async def test_leaderboard_when_many_were_active_then_public_pages_in_order(
    node: Node, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirement 22: the state of a page is in its buttons."""
    people = [Person(discord, node.post, f"Member {number:02}") for number in range(23)]
    await _use(node, clock, {await sign_up(person): number + 1 for number, person in enumerate(people)})
    first = await people[0].slash("leaderboard")
    assert not first["data"]["flags"] & 64
    assert _names(first) == [f"Member {number:02}: {number + 1}" for number in range(22, 12, -1)]
    second = await people[0].press(first["data"], f"ranks:1:{people[0].id}")
    assert (second["type"], _names(second)[0]) == (7, "Member 12: 13")
    third = await people[0].press(second["data"], f"ranks:2:{people[0].id}")
    assert _names(third) == ["Member 02: 3", "Member 01: 2", "Member 00: 1"]
    assert _buttons(third) == [f"ranks:1:{people[0].id}"]


async def test_leaderboard_when_another_presses_then_told_to_ask_themselves(
    node: Node, ada: Person, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirement 22: only who asked turns pages; nobody's message changes under their eyes."""
    people = [ada, *(Person(discord, node.post, f"P{number}") for number in range(11))]
    await _use(node, clock, {await sign_up(person): 1 for person in people})
    page = await ada.slash("leaderboard")
    answer = await people[1].press(page["data"], f"ranks:1:{ada.id}")
    assert (answer["type"], answer["data"]["flags"] & 64) == (4, 64)
    assert "/leaderboard" in answer["data"]["content"]


async def test_leaderboard_when_a_member_does_not_want_it_then_not_listed(
    node: Node, ada: Person, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Who opts out is on no page until they opt in again; neither are those who left."""
    eve = Person(discord, node.post, "Eve")
    keys = {await sign_up(ada): 5, await sign_up(eve): 3}
    await _use(node, clock, keys)
    await ada.slash("leaderboard", {"type": 5, "name": "listed", "value": False})
    assert _names(await eve.slash("leaderboard")) == ["Eve: 3"]
    await ada.slash("leaderboard", {"type": 5, "name": "listed", "value": True})
    assert _names(await eve.slash("leaderboard")) == ["Ada: 5", "Eve: 3"]
    account = (await node.caller(next(iter(keys)))).account
    await node.accounts.change_account(account.id, {"state": AccountState.LEFT})
    assert _names(await eve.slash("leaderboard")) == ["Eve: 3"]


async def test_leaderboard_when_names_are_hostile_then_plain_and_within_a_message(
    node: Node, discord: FakeDiscord, clock: FakeClock
) -> None:
    """Requirements 20 and 22: the longest names of signs alone fit, and none mentions or links."""
    people = [Person(discord, node.post, f"{number}" + "@everyone[x](https://e.org)`*_" * 3) for number in range(10)]
    await _use(node, clock, {await sign_up(person): 1 for person in people})
    shown = (await people[0].slash("leaderboard"))["data"]["content"]
    assert r"\@everyone\[x\]\(https\:" in shown
    assert "@everyone" not in shown.replace(r"\@", "")


async def test_leaderboard_when_nobody_was_active_then_said(ada: Person) -> None:
    """Also of a page beyond the last, and of a button of another version."""
    assert "No member" in (await ada.slash("leaderboard"))["data"]["content"]
    for custom_id in ("ranks:x:5", "ranks:1:", "ranks:99999:5", "ranks:"):
        answer = await ada.act(3, {"custom_id": custom_id, "component_type": 2})
        assert "outdated" in answer["data"]["content"]
    assert (await ada.act(3, {"custom_id": f"ranks:9999:{ada.id}", "component_type": 2}))["type"] == 7


async def test_leaderboard_when_a_stranger_opts_out_then_pointed_to_signup(ada: Person) -> None:
    """There is nothing to be listed of."""
    answer = await ada.slash("leaderboard", {"type": 5, "name": "listed", "value": False})
    assert "/signup" in answer["data"]["content"]


async def _use(node: Node, clock: FakeClock, answers: dict[str, int]) -> None:
    """Let accounts be answered so often today."""
    records = []
    for key, number in answers.items():
        caller = await node.caller(key)
        records += [_record(clock, caller.account.id, f"req_{caller.account.id}_{each}") for each in range(number)]
    assert await SqlUsage(node.database).insert(records) == sum(answers.values())


def _record(clock: FakeClock, account_id: str, request_id: str) -> UsageRecord:
    return UsageRecord(
        request_id=request_id,
        started_at=clock.wall(),
        duration_ms=1,
        account_id=account_id,
        key_id="key_1",
        route="/v1/chat/completions",
        model="glm/x",
        status=200,
        code="",
        provider="zai",
        upstream_model="x",
        success=True,
        streamed=False,
        estimated=False,
        attempts=1,
        first_token_ms=None,
        input_tokens=1,
        output_tokens=1,
        cached_tokens=0,
        reasoning_tokens=0,
        images=0,
        cost_micro_usd=0,
    )


def _names(answer: Answer) -> list[str]:
    lines = answer["data"]["content"].splitlines()[1:-1]
    return [line.partition(". ")[2] for line in lines]


def _buttons(answer: Answer) -> list[str]:
    return [part["custom_id"] for row in answer["data"]["components"] for part in row["components"]]
