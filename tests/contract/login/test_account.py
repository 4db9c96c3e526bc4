"""What members do with their account when they are signed in, and what a key alone may not."""

import pytest
from sqlalchemy import text

from freetheai_gateway.app.routes import EXPORTS_A_MINUTE
from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.errors import Unauthenticated
from freetheai_gateway.services.personal_data import BARRED_S, SWEPT_AGAIN_S
from freetheai_gateway.store.schema import METADATA
from freetheai_gateway.testing.discord.person import Person
from tests.contract.discord.desk import sign_up
from tests.contract.login.conftest import Browser, World


def record(number: int, account_id: str, at: float, **fields: object) -> UsageRecord:
    """Make the record of a request."""
    values: dict[str, object] = {
        "request_id": f"req_{number:04}",
        "started_at": at + number,
        "duration_ms": 120,
        "account_id": account_id,
        "key_id": "key_x",
        "route": "/v1/chat/completions",
        "model": "glm/x",
        "status": 200,
        "code": "",
        "provider": "zai",
        "upstream_model": "x",
        "success": True,
        "input_tokens": 10,
        "output_tokens": 20,
    }
    return UsageRecord(**{**values, **fields})  # type: ignore[arg-type]


async def refuses(world: World, key: str) -> bool:
    """Whether the other node refuses a key after looking for changes."""
    await world.other._feed.poll_once()
    try:
        await world.other.authenticator.caller(key)
    except Unauthenticated:
        return True
    return False


async def id_of(browser: Browser) -> str:
    """Read the account's id."""
    return str((await browser.api("GET", "/v1/account")).json["id"])


async def test_key_when_replaced_by_who_is_signed_in_then_the_old_one_dies_and_the_rules_of_resetkey_hold(
    world: World,
) -> None:
    """One new key, shown once; the next needs as much patience as in Discord, and Discord knows of this one."""
    ada, key = await world.member("Ada")
    browser = await world.signed_in(ada)
    csrf = await browser.csrf()
    made = (await browser.api("POST", "/v1/account/key", csrf=csrf)).json
    assert made["prefix"] == made["key"][:8]
    assert await refuses(world, key)
    assert not await refuses(world, made["key"])
    assert (await browser.api("GET", "/v1/account")).json["key"]["prefix"] == made["prefix"]
    again = await browser.api("POST", "/v1/account/key", csrf=csrf)
    assert (again.status, again.code) == (403, "refused")
    assert "Z" in again.json["error"]["message"]
    assert "a short while ago" in (await ada.slash("resetkey"))["data"]["content"]
    world.clock.advance(601)
    assert (await browser.api("POST", "/v1/account/key", csrf=csrf)).status == 200


async def test_key_when_pasted_then_it_reads_and_changes_nothing_of_a_discord_account(world: World) -> None:
    _, key = await world.member("Ada")
    bearer = {"authorization": f"Bearer {key}"}
    stranger = world.browser()
    for path in ("/v1/account", "/v1/account/requests", "/v1/account/export"):
        assert (await stranger.api("GET", path, **bearer)).status == 200
    assert (await stranger.api("POST", "/v1/account/key", **bearer)).code == "read_only_key"
    assert (await stranger.api("DELETE", "/v1/account", {"confirm": "erase"}, **bearer)).code == "read_only_key"
    assert not await refuses(world, key)


async def test_requests_when_listed_then_the_newest_first_page_by_page_and_nobody_elses(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    account_id, now = await id_of(browser), world.clock.wall()
    mine = [record(number, account_id, now - 5_000 + number % 2) for number in range(30)]
    await world.node._usage.insert([*mine, record(99, "acc_other", now - 4_000)])
    first = (await browser.api("GET", "/v1/account/requests?limit=20")).json
    rest = (await browser.api("GET", f"/v1/account/requests?limit=20&cursor={first['next_cursor']}")).json
    seen = [row["request_id"] for row in (*first["data"], *rest["data"])]
    assert seen == [f"req_{number:04}" for number in reversed(range(30))]
    assert rest["next_cursor"] is None
    assert set(first["data"][0]) == {
        "request_id",
        "started_at",
        "model",
        "route",
        "status",
        "code",
        "streamed",
        "input_tokens",
        "output_tokens",
        "images",
        "duration_ms",
    }
    for query in ("limit=0", "limit=101", "limit=x", "cursor=req_0099", "cursor=%00"):
        assert (await browser.api("GET", f"/v1/account/requests?{query}")).status == 400


async def test_usage_when_requests_failed_then_counted_by_status(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    account_id, now = await id_of(browser), world.clock.wall()
    ends = ((502, False), (504, False), (499, False), (400, False), (200, True))
    made = [
        record(number, account_id, now - 500, status=status, success=success)
        for number, (status, success) in enumerate(ends)
    ]
    await world.node._usage.insert([*made, record(9, account_id, now - 40 * 86_400)])
    statuses = (await browser.api("GET", "/v1/account")).json["usage"]["statuses"]
    assert {row["status"]: row["requests"] for row in statuses} == {
        "answered": 1,
        "client_errors": 1,
        "canceled": 1,
        "server_errors": 2,
    }


async def test_export_when_downloaded_then_everything_that_names_one_and_no_secret(
    world: World, operator: Person
) -> None:
    ada, key = await world.member("Ada")
    browser = await world.signed_in(ada)
    account_id = await id_of(browser)
    await world.node._usage.insert([record(0, account_id, world.clock.wall() - 500)])
    boss = await world.signed_in(operator)
    changed = {"tier": 2, "reason": "helps"}
    await boss.api("PATCH", f"/admin/api/accounts/{account_id}", changed, csrf=await boss.csrf("/admin"))
    got = await browser.api("GET", "/v1/account/export")
    assert "attachment" in got.header(b"content-disposition")
    data = got.json
    assert (data["account"]["discord_id"], data["account"]["name"]) == (ada.id, "Ada")
    assert [each["prefix"] for each in data["keys"]] == [key[:8]]
    assert [each["request_id"] for each in data["requests"]] == ["req_0000"]
    assert [each["requests"] for each in data["usage_by_day"]] == [1]
    assert [each["kind"] for each in data["discord_events"]] == ["key_issued"]
    assert len(data["web_sessions"]) == 1
    assert [(each["action"], each["actor"]) for each in data["changes"]] == [
        ("account.create", f"discord:{ada.id}"),
        ("account.change", "operator"),
    ]
    for secret in (key, browser.cookies["__Host-freetheai-session"], operator.id):
        assert secret not in got.text


async def test_export_when_asked_for_very_often_then_it_waits(world: World) -> None:
    """Each reads everything that is kept about somebody."""
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    statuses = [(await browser.api("GET", "/v1/account/export")).status for _ in range(EXPORTS_A_MINUTE + 1)]
    assert statuses == [*([200] * EXPORTS_A_MINUTE), 429]
    world.clock.advance(61)
    assert (await browser.api("GET", "/v1/account/export")).status == 200


async def test_account_when_erased_then_nothing_in_the_database_names_its_owner(world: World, operator: Person) -> None:
    """Every column of every table is looked at; what stays says that something was erased, and not whose it was."""
    ada, key = await world.member("Ada Lovelace")
    eve, eves_key = await world.member("Eve")
    world.clock.advance(40 * 86_400)
    browser, other = await world.signed_in(ada), await world.signed_in(ada, on_other=True)
    account_id, now = await id_of(browser), world.clock.wall()
    mine = [record(number, account_id, now - 15 * 86_400 * number) for number in range(3)]
    await world.node._usage.insert([*mine, record(50, "acc_eve", now)])
    boss = await world.signed_in(operator)
    changed = {"name": "Ada L.", "reason": "Ada Lovelace asked"}
    await boss.api("PATCH", f"/admin/api/accounts/{account_id}", changed, csrf=await boss.csrf("/admin"))
    csrf = await browser.csrf()
    for body in (None, {}, {"confirm": "yes"}, {"confirm": "erase", "more": 1}):
        assert (await browser.api("DELETE", "/v1/account", body, csrf=csrf)).status == 400
    done = await browser.api("DELETE", "/v1/account", {"confirm": "erase"}, csrf=csrf)
    assert (done.status, done.json["erased"]) == (200, True)
    assert await refuses(world, key)
    assert not await refuses(world, eves_key)
    assert (await other.api("GET", "/v1/account")).status == 401
    rows = await everything(world)
    assert not [row for row in rows if ada.id in row or "Ada" in row or (key[:8] in row and "prefix" not in row)]
    assert not [row for row in rows if row.startswith("usage_") and account_id in row]
    erased = [row for row in rows if "account.erase" in row]
    assert len(erased) == 1
    assert [row for row in rows if eve.id in row]
    totals = await world.node._usage.totals()
    assert totals.successful_requests == 4


async def everything(world: World) -> list[str]:
    """Read every row of every table."""
    rows = []
    async with world.node._database.read("reading everything") as connection:
        for table in METADATA.sorted_tables:
            found = (await connection.execute(text(f"SELECT * FROM {table.name}"))).all()  # noqa: S608 - our own names
            rows += [f"{table.name} {tuple(row)!r}" for row in found]
    return rows


async def test_person_when_erased_then_given_a_new_account_a_day_later_and_not_before(world: World) -> None:
    """Or the limits of a day, and the counts of an account, would be one click away from zero."""
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    await browser.api("DELETE", "/v1/account", {"confirm": "erase"}, csrf=await browser.csrf())
    assert "erased a short while ago" in (await ada.slash("signup"))["data"]["content"]
    world.clock.advance(BARRED_S + 1)
    assert await sign_up(ada)


async def test_person_when_erased_while_suspended_then_the_suspension_outlives_the_account(world: World) -> None:
    """As an operator does it; afterwards no id is kept, and the person is known all the same."""
    ada, key = await world.member("Ada")
    account = (await world.node.authenticator.caller(key)).account
    suspended = {"state": AccountState.PAUSED, "paused_until": None}
    await world.node.accounts.change_account(account.id, suspended)  # type: ignore[arg-type]
    await world.node._personal.erase(account.id)
    assert not [row for row in await everything(world) if ada.id in row]
    world.clock.advance(400 * 86_400)
    await world.node._personal.sweep()
    assert "suspended" in (await ada.slash("signup"))["data"]["content"]


async def test_usage_when_it_comes_late_then_it_is_swept_and_the_bar_is_forgotten_when_it_is_over(world: World) -> None:
    """A request that ran while its account was erased leaves a record afterwards."""
    _, key = await world.member("Ada")
    account = (await world.node.authenticator.caller(key)).account
    await world.node._personal.erase(account.id)
    await world.node._usage.insert([record(0, account.id, world.clock.wall())])
    await world.node._personal.sweep()
    assert not [row for row in await everything(world) if row.startswith("usage_") and account.id in row]
    world.clock.advance(SWEPT_AGAIN_S + BARRED_S)
    await world.node._personal.sweep()
    assert not [row for row in await everything(world) if row.startswith("erased_accounts")]


async def test_account_when_it_has_no_discord_identity_then_its_key_may_erase_it(
    world: World, operator: Person
) -> None:
    """Nobody else vouches for who its holder is. What they did with it goes as well."""
    boss = await world.signed_in(operator)
    made = await boss.api("POST", "/admin/api/accounts", {"name": "Bo"}, csrf=await boss.csrf("/admin"))
    bearer = {"authorization": f"Bearer {made.json['key']['key']}"}
    stranger = world.browser()
    await stranger.api("POST", "/v1/account/key", **bearer)
    assert (await stranger.api("DELETE", "/v1/account", {"confirm": "erase"}, **bearer)).status == 401
    again = await boss.api("POST", "/admin/api/accounts", {"name": "Bo"}, csrf=await boss.csrf("/admin"))
    bearer = {"authorization": f"Bearer {again.json['key']['key']}"}
    gone = await stranger.api("DELETE", "/v1/account", {"confirm": "erase"}, **bearer)
    assert (gone.status, gone.json["id"]) == (200, again.json["id"])
    assert (await stranger.api("GET", "/v1/account", **bearer)).status == 401


@pytest.mark.parametrize("path", ["/v1/account", "/v1/account/requests"])
async def test_account_when_an_operator_has_none_then_told_so(world: World, operator: Person, path: str) -> None:
    got = await (await world.signed_in(operator)).api("GET", path)
    assert (got.status, got.code) == (403, "no_account")
