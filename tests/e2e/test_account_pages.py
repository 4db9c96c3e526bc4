"""`/account` and `/admin` in a real browser, and the API that they ask."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import CAPPED, MEMBER, PLAIN, STARTER, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.pages import DESKTOP, PHONE, started_browser, visiting
from tests.e2e.wire import call, chat

TOKEN = "an-operators-token-1f2e3d"
EVIL = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def administered(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    with launch(render(Plan(upstream_server.base_url, server={"admin_token": TOKEN}))) as gateway:
        yield gateway


def test_account_when_read_with_its_key_then_tier_limits_and_usage_are_there(
    administered: Gateway, upstream: ScriptedUpstream
) -> None:
    """Two answers of two are used; nothing says what was asked."""
    key = administered.create_key("capped", tier=CAPPED)
    for _ in range(2):
        assert chat(administered, key, PLAIN).status == 200
    eventually(lambda: models_of(administered, key) == [(PLAIN, 2)], "the records are summed")
    account = call(administered, "GET", "/v1/account", key=key).json()
    assert (account["name"], account["tier"], account["tier_source"]) == ("capped", "Capped", "override")
    assert account["key"] == {"id": key.id, "prefix": key.secret[:8]}
    assert used_of(administered, key)["daily_requests"] == 2
    assert call(administered, "GET", "/v1/account").status == 401


def models_of(gateway: Gateway, key: Key) -> list[tuple[str, int]]:
    """Read what an account used, by model."""
    usage = call(gateway, "GET", "/v1/account", key=key).json()["usage"]
    return [(row["model"], row["requests"]) for row in usage["models"]]  # type: ignore[index]


def test_key_when_replaced_by_its_holder_then_the_old_one_is_refused_and_the_counts_stay(
    administered: Gateway, upstream: ScriptedUpstream
) -> None:
    key = administered.create_key("member", tier=CAPPED)
    assert chat(administered, key, PLAIN).status == 200
    made = call(administered, "POST", "/v1/account/key", key=key).json()
    administered.secrets.append(str(made["key"]))
    assert chat(administered, key, PLAIN).status == 401
    new = Key(str(made["id"]), key.account_id, str(made["key"]), key.tier)
    assert used_of(administered, new)["daily_requests"] == 1


def used_of(gateway: Gateway, key: Key) -> dict[str, int]:
    """Read what is used of each limit."""
    limits = call(gateway, "GET", "/v1/account", key=key).json()["limits"]
    assert isinstance(limits, list)
    return {limit["rule"]: limit["used"] for limit in limits}


def test_account_page_when_a_key_is_pasted_then_the_account_is_shown_and_the_key_can_be_replaced(
    administered: Gateway, browser: Browser
) -> None:
    key = administered.create_key(EVIL, tier=MEMBER)
    for dark, viewport in ((False, DESKTOP), (True, PHONE)):
        with visiting(browser, dark=dark, viewport=viewport, bare=True) as visitor:
            page = visitor.page
            visitor.open(f"{administered.url}/account")
            page.get_by_label("API key").fill(key.secret)
            page.get_by_role("button", name="Show my account").click()
            expect(page.locator("#facts")).to_contain_text(EVIL)
            expect(page.locator("#facts")).to_contain_text("Member")
            assert visitor.overflow == 0
            assert visitor.findings() == []
    with visiting(browser) as visitor:
        page = visitor.page
        page.on("dialog", lambda dialog: dialog.accept())
        visitor.open(f"{administered.url}/account")
        page.get_by_label("API key").fill(key.secret)
        page.get_by_role("button", name="Show my account").click()
        page.get_by_role("button", name="Replace my key").click()
        expect(page.locator("#new-key code")).to_contain_text("fta_")
        new = page.locator("#new-key code").inner_text()
        administered.secrets.append(new)
        assert new != key.secret
        assert call(administered, "GET", "/v1/account", key=key).status == 401


def test_admin_page_when_an_account_is_made_suspended_and_restored_then_the_gateway_acts_and_the_audit_says_so(
    administered: Gateway, browser: Browser, upstream: ScriptedUpstream
) -> None:
    """As an operator does it; a name that is markup stays a name."""
    with visiting(browser) as visitor:
        page = visitor.page
        enter(page, administered)
        page.get_by_role("button", name="New account").click()
        page.get_by_label("Name", exact=True).fill(EVIL)
        page.get_by_label("Tier; empty = the default").fill(str(STARTER))
        page.get_by_role("button", name="Do it").click()
        shown = page.locator("#account-detail .note code")
        expect(shown).to_contain_text("fta_")
        secret = shown.inner_text()
        administered.secrets.append(secret)
        key = Key("", "", secret, STARTER)
        assert chat(administered, key, PLAIN).status == 200
        page.get_by_role("button", name="Suspend").click()
        page.get_by_label("Reason (kept in the audit list)").fill("shared the key")
        page.get_by_role("button", name="Do it").click()
        expect(page.locator("#account-detail")).to_contain_text("suspended: shared the key")
        eventually(lambda: chat(administered, key, PLAIN).status == 403, "the account is refused", within_s=1.0)
        page.get_by_role("button", name="Restore").click()
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_role("button", name="Suspend")).to_be_visible()
        page.get_by_role("tab", name="Audit").click()
        expect(page.locator("#audit-list")).to_contain_text("account.suspend")


def test_admin_page_when_the_configuration_changes_then_the_difference_is_shown_before_it_is_applied(
    administered: Gateway, browser: Browser, upstream: ScriptedUpstream
) -> None:
    """The other tabs show their tables then, usage as soon as there is some."""
    key = administered.create_key("user", tier=MEMBER)
    assert chat(administered, key, PLAIN).status == 200
    eventually(lambda: models_of(administered, key) == [(PLAIN, 1)], "the record is summed")
    with visiting(browser) as visitor:
        page = visitor.page
        enter(page, administered)
        page.get_by_role("tab", name="Reload").click()
        before = administered.config.read_text()
        administered.config.write_text(before + f'\n[[aliases]]\nmatch = "other-*"\nmodel = "{PLAIN}"\n')
        expect(page.get_by_role("button", name="Apply")).to_be_disabled()
        page.get_by_role("button", name="Show what would change").click()
        expect(page.locator("#reload-answer")).to_contain_text("Would change")
        expect(page.locator("#reload-answer")).to_contain_text("other-*")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#reload-answer")).to_contain_text("Applied")
        for tab in ("Upstreams", "Usage", "Catalogue"):
            page.get_by_role("tab", name=tab).click()
            expect(page.locator(f"#panel-{tab.lower()} table").first).to_be_visible()


def test_admin_page_when_opened_then_axe_finds_nothing_and_a_wrong_token_is_refused(
    administered: Gateway, browser: Browser
) -> None:
    with visiting(browser, bare=True) as visitor:
        page = visitor.page
        enter(page, administered)
        assert visitor.findings() == []
        page.get_by_role("button", name="Leave").click()
        page.get_by_label("Token", exact=True).fill("wrong")
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#state")).to_contain_text("401")
        expect(page.locator("#inside")).to_be_hidden()
        visitor.complaints.clear()  # the browser itself reports the 401


def enter(page: Page, gateway: Gateway) -> None:
    """Paste the token and wait for the accounts."""
    page.goto(f"{gateway.url}/admin")
    page.get_by_label("Token", exact=True).fill(TOKEN)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#inside")).to_be_visible()
