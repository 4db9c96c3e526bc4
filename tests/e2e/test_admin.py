"""What operators change takes effect in a gateway that runs: by another process, and over the admin API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MEMBER, MODEL, PLAIN, REGULAR, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import UPSTREAM_KEY, Gateway, Key, eventually
from tests.e2e.wire import Object, Reply, call, chat

TOKEN = {"authorization": f"Bearer {UPSTREAM_KEY}"}
"""Any secret will do: this one is looked for in every file that the gateway leaves."""
AT_ONCE_S = 1.0


@pytest.fixture(scope="module")
def governed(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway with the admin API on."""
    plan = Plan(upstream_server.base_url, server={"admin_token": "env:TEST_UPSTREAM_KEY"})
    with launch(render(plan)) as gateway:
        yield gateway


@asynccontextmanager
async def other_process(gateway: Gateway) -> AsyncIterator[AccountDesk]:
    """Open the gateway's database in this process, as the command line does."""
    database = await Database.open(StoreSettings(url=f"sqlite:///{gateway.folder}/freetheai.db"), create=False)
    yield AccountDesk(SqlAccounts(database), SystemClock(), "cli:test")
    await database.close()


async def becomes(gateway: Gateway, key: Key, model: str, status: int, code: str = "") -> None:
    """Wait until a request is answered so."""

    def answered() -> bool:
        reply = chat(gateway, key, model)
        return reply.status == status and (not code or reply.error()["code"] == code)

    await asyncio.to_thread(eventually, answered, f"{status} {code} for {model}", within_s=AT_ONCE_S)


async def test_change_when_another_process_makes_it_then_it_holds_in_under_a_second(
    governed: Gateway, upstream: ScriptedUpstream
) -> None:
    """Tier up and down, limits off and on, suspended, restored, ended by itself, rotated, revoked."""
    key = governed.create_key("changing", tier=MEMBER)
    account = key.account_id
    async with other_process(governed) as desk:
        await becomes(governed, key, ABOVE, 403, "model_access_denied")
        await desk.change(account, {"tier_override": REGULAR})
        await becomes(governed, key, ABOVE, 200)
        await desk.change(account, {"tier_override": MEMBER})
        await becomes(governed, key, ABOVE, 403, "model_access_denied")
        await desk.change(account, {"unlimited": True})
        await becomes(governed, key, ABOVE, 200)
        await desk.change(account, {"unlimited": False})
        await becomes(governed, key, ABOVE, 403, "model_access_denied")
        await desk.suspend(account, reason="spam")
        await becomes(governed, key, PLAIN, 403, "user_paused")
        assert "paused: spam." in str((await asyncio.to_thread(chat, governed, key, PLAIN)).error()["message"])
        await desk.restore(account)
        await becomes(governed, key, PLAIN, 200)
        await desk.suspend(account, until=SystemClock.wall() + 0.6)
        await becomes(governed, key, PLAIN, 403, "user_paused")
        await becomes(governed, key, PLAIN, 200)
        rotated = await desk.rotate_key(key.id)
        governed.secrets.append(rotated.secret)
        await becomes(governed, key, PLAIN, 401)
        new = Key(rotated.key.id, account, rotated.secret, MEMBER)
        await becomes(governed, new, PLAIN, 200)
        await desk.revoke_key(new.id)
        await becomes(governed, new, PLAIN, 401)


def admin(gateway: Gateway, method: str, path: str, body: object = None, headers: Mapping[str, str] = TOKEN) -> Reply:
    """Call the admin API."""
    sent = None if body is None else jsonc.encode(body)
    return call(gateway, method, f"/admin/api/{path}", body=sent, headers=headers)


def offers(gateway: Gateway) -> Callable[[str], bool]:
    """Read the catalogue over the admin API."""
    data = admin(gateway, "GET", "catalogue").json()["data"]
    assert isinstance(data, list)
    ids = {model["id"] for model in data}
    return lambda model: model in ids


def test_reload_when_asked_over_http_then_it_is_shown_first_and_then_done(
    governed: Gateway, upstream: ScriptedUpstream
) -> None:
    """A dry run changes nothing; a bad file is refused with its place; a good one is swapped in."""
    good = governed.config.read_text()
    changed = good.replace(MODEL, "test/renamed").replace("connect_s = 30", "connect_s = 29")
    governed.config.write_text(changed + "\n[log]\nlevel = 'debug'\n")
    expected: Object = {
        "changed": {"providers": ["~mute"], "models": ["+test/renamed", f"-{MODEL}"]},
        "fields": ["providers.mute.timeouts"],
        "needs_restart": ["log.level"],
    }
    dry = admin(governed, "POST", "reload", {"dry_run": True}).json()
    assert dry == {"applied": False, "audit_id": None, **expected}
    assert offers(governed)(MODEL)
    done = admin(governed, "POST", "reload").json()
    assert {name: done[name] for name in expected} == expected
    assert not offers(governed)(MODEL)

    governed.config.write_text(good.replace('provider = "scripted"', 'provider = "scripte"', 1))
    refused = admin(governed, "POST", "reload")
    assert (refused.status, refused.error()["code"]) == (400, "configuration_invalid")
    problems = refused.error()["problems"]
    assert isinstance(problems, list)
    assert problems[0]["where"] == "models[0].upstreams[0].provider"
    assert offers(governed)("test/renamed")

    governed.config.write_text(good)
    assert admin(governed, "POST", "reload").status == 200
    assert offers(governed)(MODEL)
    listed = governed.command("audit", "--limit", "2")["data"]
    assert isinstance(listed, list)
    assert [(entry["actor"], entry["action"]) for entry in listed] == [("admin", "configuration.reload")] * 2


def test_account_when_made_over_http_then_its_key_answers_and_the_command_line_shows_it(
    governed: Gateway, upstream: ScriptedUpstream
) -> None:
    """From the first request on."""
    made = admin(governed, "POST", "accounts", {"name": "Ada", "tier": REGULAR, "reason": "founder"}).json()
    issued = made["key"]
    assert isinstance(issued, dict)
    key = Key(issued["id"], str(made["id"]), issued["key"], REGULAR)
    governed.secrets.append(key.secret)
    assert chat(governed, key, ABOVE).status == 200
    limits = admin(governed, "GET", f"limits/{key.account_id}").json()["limits"]
    assert isinstance(limits, list)
    assert [(row["rule"], row["used"]) for row in limits] == [("requests_per_minute", 1), ("concurrency", 0)]
    shown = governed.command("accounts", "show", key.account_id)
    assert (shown["name"], shown["tier"], shown["tier_source"]) == ("Ada", REGULAR, "override")
