"""Signing in through the fake Discord, in a real browser: a member with their key, an operator with the gateway."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.testing.discord.loopback import LoopbackDiscord, discord_in_thread
from freetheai_gateway.testing.discord.oauth import CLIENT_SECRET
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import APPLICATION_ID, BOT_TOKEN, GUILD_ID
from freetheai_gateway.testing.discord.solve import question_of, solve
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import PLAIN, STARTER, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.pages import DESKTOP, PHONE, Visitor, started_browser, visiting
from tests.e2e.wire import call, chat

EVIL = '"><img src=x onerror=alert(1)>'


@dataclass
class Town:
    """A Discord, its two people, and the gateway beside it."""

    discord: LoopbackDiscord
    gateway: Gateway
    ada: Person
    olga: Person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def town(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Town]:
    with discord_in_thread() as discord:
        reached: list[Gateway] = []
        discord.fake.commands = commands()

        async def post(headers: Sequence[tuple[bytes, bytes]], body: bytes) -> tuple[int, bytes]:
            named = {name.decode(): value.decode() for name, value in headers}
            reply = call(reached[0], "POST", "/discord/interactions", body=body, headers=named)
            return reply.status, reply.body

        ada, olga = Person(discord.fake, post, EVIL), Person(discord.fake, post, "Olga")
        discord.people.update({ada.id: "Ada", olga.id: "Olga"})
        with launch(render(Plan(upstream_server.base_url)) + _tables(discord, olga.id)) as gateway:
            reached.append(gateway)
            discord.fake.oauth.redirect_uris = {f"{gateway.url}/login/callback"}
            yield Town(discord, gateway, ada, olga)


def _tables(discord: LoopbackDiscord, operator: str) -> str:
    return f"""
[discord]
application_id = "{APPLICATION_ID}"
public_key = "{discord.fake.public_key}"
guild_id = "{GUILD_ID}"
bot_token = "{BOT_TOKEN}"
client_secret = "{CLIENT_SECRET}"
api_base = "{discord.api_base}"
authorize_url = "{discord.authorize_url}"
operators = ["{operator}"]
"""


def test_pages_when_people_sign_in_then_a_member_has_their_key_and_an_operator_the_gateway(
    town: Town, browser: Browser, upstream: ScriptedUpstream
) -> None:
    """From /signup to the key, from the key to an answer, from the account page to a new key; then the operator."""
    key = sign_up(town)
    assert chat(town.gateway, key, PLAIN).status == 200
    with visiting(browser) as members, visiting(browser) as operators:
        sign_in(members, town, "Ada")
        page = members.page
        expect(page.locator("#facts")).to_contain_text(f"{key.secret[:8]}…")
        expect(page.locator("#facts")).to_contain_text(EVIL)
        new = replace_key(page, town)
        assert call(town.gateway, "GET", "/v1/account", key=key).status == 401
        assert chat(town.gateway, new, PLAIN).status == 200
        sign_in(operators, town, "Olga", "/admin")
        suspend(operators.page)
        eventually(lambda: chat(town.gateway, new, PLAIN).status == 403, "the account is refused", within_s=1.0)
        page.reload()
        expect(page.get_by_role("link", name="Sign in with Discord")).to_be_visible()
        reload_configuration(operators.page, town.gateway)
        operators.complaints.clear()  # the browser itself reports the 400
        operators.page.get_by_role("tab", name="Audit").click()
        expect(operators.page.locator("#audit-list")).to_contain_text("configuration.reload")
        expect(operators.page.locator("#audit-list")).to_contain_text(f"discord:{town.olga.id}")
        restore(operators.page)


def sign_up(town: Town) -> Key:
    """Run /signup as a member does, and read the key off the message that only they see."""
    modal = done(town.ada.slash("signup"))
    done(town.ada.fill_in(modal, use="Homework and experiments", answer=solve(question_of(modal))))
    shown = town.ada.last
    assert shown is not None
    eventually(lambda: shown.message is not None, "the key arrives")
    message: Answer = shown.message or {}
    secret = next(line for line in message["content"].splitlines() if line.startswith("fta_"))
    town.gateway.secrets.append(secret)
    return Key("", "", secret, STARTER)


def done(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do what a person does, in a thread of its own: Playwright has the loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def sign_in(visitor: Visitor, town: Town, name: str, path: str = "/account") -> None:
    """Follow the link to Discord and choose who one is there."""
    visitor.open(town.gateway.url + path)
    visitor.page.get_by_role("link", name="Sign in with Discord").click()
    visitor.page.get_by_role("button", name=name).click()
    visitor.page.wait_for_url(f"{town.gateway.url}{path}")
    expect(visitor.page.locator("#who")).to_be_visible()
    cookies = visitor.page.context.cookies(town.gateway.url)
    assert [cookie.get("name") for cookie in cookies] == ["freetheai-session"]
    town.gateway.secrets.append(str(cookies[0].get("value")))


def replace_key(page: Page, town: Town) -> Key:
    """Press the button and read the new key."""
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Replace my key").click()
    shown = page.locator("#new-key code")
    expect(shown).to_contain_text("fta_")
    secret = shown.inner_text()
    town.gateway.secrets.append(secret)
    return Key("", "", secret, STARTER)


def suspend(page: Page) -> None:
    """Find the member whose name is markup, and suspend them with a reason."""
    page.get_by_role("button", name=EVIL).click()
    page.get_by_role("button", name="Suspend").click()
    page.get_by_label("Reason (kept in the audit list)").fill("shared the key")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#account-detail")).to_contain_text("suspended: shared the key")


def restore(page: Page) -> None:
    """Serve the member again."""
    page.get_by_role("tab", name="Accounts").click()
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_role("button", name="Suspend")).to_be_visible()


def reload_configuration(page: Page, gateway: Gateway) -> None:
    """See what a changed file would change, then apply it; a file with a mistake shows where it is."""
    page.get_by_role("tab", name="Reload").click()
    before = gateway.config.read_text()
    gateway.config.write_text(before.replace('name = "Starter"', 'name = "Beginner"'))
    page.get_by_role("button", name="Show what would change").click()
    answer = page.locator("#reload-answer")
    expect(answer).to_contain_text("Would change")
    expect(answer.locator("td", has_text="name")).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(answer).to_contain_text("Applied")
    gateway.config.write_text(before + "\n[nonsense]\n")
    page.get_by_role("button", name="Show what would change").click()
    expect(answer).to_contain_text("Refused: nothing was changed")
    expect(answer).to_contain_text("nonsense")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    gateway.config.write_text(before)


def test_account_when_signed_in_then_axe_finds_nothing_and_erasing_ends_it(
    town: Town, browser: Browser, upstream: ScriptedUpstream
) -> None:
    """Light on a desktop, dark on a phone; then the member leaves for good, and is nobody afterwards."""
    check_states(browser, town, "Ada", "/account", lambda page: expect(page.locator("#account")).to_be_visible())
    with visiting(browser) as visitor:
        sign_in(visitor, town, "Ada")
        page = visitor.page
        with page.expect_download() as download:
            page.get_by_role("button", name="Download my data").click()
        assert town.ada.id in download.value.path().read_text()
        page.get_by_role("button", name="Erase my data").click()
        page.get_by_label("Type erase to go on").fill("erase")
        page.get_by_role("button", name="Erase for good").click()
        expect(page.locator("#state")).to_contain_text("Your data is erased")
    assert "erased a short while ago" in done(town.ada.slash("signup"))["data"]["content"]


def test_sign_in_when_there_is_no_javascript_then_one_gets_in_and_out_all_the_same(
    town: Town, browser: Browser
) -> None:
    """What the account shows asks the API; who is signed in, and how one leaves, needs no script."""
    with visiting(browser, scripts=False) as visitor:
        sign_in(visitor, town, "Olga")
        expect(visitor.page.get_by_role("heading", name="Signed in as Olga")).to_be_visible()
        visitor.page.get_by_role("button", name="Sign out").click()
        expect(visitor.page.get_by_role("link", name="Sign in with Discord")).to_be_visible()
        assert visitor.page.context.cookies(town.gateway.url) == []


def test_admin_when_an_operator_is_signed_in_then_axe_finds_nothing_on_any_tab(town: Town, browser: Browser) -> None:
    check_states(browser, town, "Olga", "/admin", lambda page: expect(page.locator("#inside")).to_be_visible())
    with visiting(browser, viewport=PHONE, bare=True) as visitor:
        sign_in(visitor, town, "Olga", "/admin")
        for tab in ("Keys", "Tiers", "Upstreams", "Usage", "Catalogue", "Audit", "Reload"):
            visitor.page.get_by_role("tab", name=tab).click()
            expect(visitor.page.locator(f"#panel-{tab.lower()}")).to_be_visible()
            visitor.page.wait_for_load_state("networkidle")
            assert (visitor.overflow, visitor.findings()) == (0, []), tab
        visitor.page.get_by_role("button", name="Sign out").click()
        expect(visitor.page.get_by_role("link", name="Sign in with Discord")).to_be_visible()


def check_states(browser: Browser, town: Town, name: str, path: str, ready: Callable[[Page], None]) -> None:
    """Look at a page signed out and signed in, on both kinds of screen."""
    for dark, viewport in ((False, DESKTOP), (True, PHONE)):
        with visiting(browser, dark=dark, viewport=viewport, bare=True) as visitor:
            visitor.open(town.gateway.url + path)
            assert (visitor.overflow, visitor.findings()) == (0, [])
            sign_in(visitor, town, name, path)
            ready(visitor.page)
            assert (visitor.overflow, visitor.findings()) == (0, [])
