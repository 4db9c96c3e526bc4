"""The pages as people use them, in a real browser."""

import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from xml.dom import minidom

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MODEL, PLAIN, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.pages import DESKTOP, PHONE, started_browser, visiting
from tests.e2e.samples import run_sample, samples_of
from tests.e2e.wire import call

BROWSER = {"accept": "text/html"}
BUDGET_BYTES = 150_000
PAGES = (
    "/",
    "/docs",
    "/docs/reference",
    "/setup",
    "/setup/claude-code",
    "/models",
    f"/models/{PLAIN}",
    "/status",
    "/playground",
    "/privacy",
)
THOUSANDS = 5_000
EVIL = """"><img src=x onerror="pwned=1"><script>pwned=1</script>"""
"""Runs as soon as it stands in a page as it is; no line breaks, as in the names that the settings take."""
EVIL_ID = "evil/<svg/onload=pwned=1>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.mark.parametrize("path", PAGES)
def test_page_when_opened_then_it_is_small_fits_every_screen_and_axe_finds_nothing(
    path: str, gateway: Gateway, browser: Browser
) -> None:
    """Light on a desktop and dark on a phone; nothing comes from elsewhere, and the console is silent."""
    for dark, viewport in ((False, DESKTOP), (True, PHONE)):
        with visiting(browser, dark=dark, viewport=viewport, bare=True) as visitor:
            visitor.open(gateway.url + path)
            assert visitor.overflow == 0
            assert 0 < visitor.transferred < BUDGET_BYTES
            assert visitor.findings() == []


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/playground"])
def test_page_when_there_is_no_javascript_then_it_shows_the_same(path: str, gateway: Gateway, browser: Browser) -> None:
    with visiting(browser, scripts=False) as visitor:
        visitor.open(gateway.url + path)
        assert visitor.page.locator("main h1").inner_text()
        assert (
            visitor.page.locator("[data-script-hides]").all_inner_texts()
            == visitor.page.locator("[data-script-hides]:visible").all_inner_texts()
        )


def test_playground_when_a_key_is_pasted_then_tokens_appear_one_by_one(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, browser: Browser
) -> None:
    """As a person does it: paste the key, choose the model, ask; the first words are there before the last."""
    upstream.play("scripted", "plain?chunks=6&after=3&gap_s=0.4")
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/playground?model={MODEL}")
        page.get_by_label("API key").fill(key.secret)
        page.get_by_label("Your message").fill(f"Hello {CANARY}")
        page.get_by_role("button", name="Send").click()
        answer = page.locator("#thread .assistant")
        expect(page.locator("#thread .assistant").first).to_contain_text("tok0")
        assert "tok5" not in answer.inner_text()
        page.wait_for_selector("#thread .meta")
        assert "tok5" in answer.inner_text()
        assert "first token after" in answer.inner_text()


def test_playground_when_system_prompt_parameters_and_a_picture_are_given_then_the_model_gets_them(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, browser: Browser, tmp_path: Path
) -> None:
    """And the conversation before them."""
    picture = tmp_path / "red.png"
    Image.new("RGB", (8, 8), (200, 30, 30)).save(picture)
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/playground?model={PLAIN}")
        page.get_by_label("API key").fill(key.secret)
        page.get_by_label("Your message").fill("Hello")
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("#thread .meta")
        page.get_by_label("System prompt").fill("Be brief.")
        page.get_by_label("Temperature").fill("0.5")
        page.get_by_label("Longest reply").fill("77")
        page.get_by_label("Add a picture").set_input_files(picture)
        expect(page.locator("#attached img")).to_have_count(1)
        page.get_by_label("Your message").fill("What is this?")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#thread .meta")).to_have_count(2)
        assert page.locator("#thread .user img").count() == 1
    fields = upstream.exchanges[-1].fields()
    assert (fields["temperature"], fields["max_tokens"]) == (0.5, 77)
    system, hello, answer, question = cast("list[dict[str, Any]]", fields["messages"])
    assert (system, hello["content"]) == ({"role": "system", "content": "Be brief."}, "Hello")
    assert (answer["role"], "scripted" in answer["content"]) == ("assistant", True)
    words, image = question["content"]
    assert words == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"] == "data:image/png;base64," + b64encode(picture.read_bytes()).decode()


def test_playground_when_stopped_then_the_stream_ends_and_one_can_go_on(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, browser: Browser
) -> None:
    """The upstream is let go (the fixture looks), and the next question is answered."""
    upstream.play("scripted", "plain?chunks=40&after=2&gap_s=30")
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/playground?model={MODEL}")
        page.get_by_label("API key").fill(key.secret)
        page.get_by_label("Your message").fill("Hello")
        page.get_by_label("Your message").press("Enter")
        expect(page.locator("#thread .assistant").first).to_contain_text("tok0")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#thread .assistant").first).to_contain_text("(stopped)")
        page.get_by_label("Model").first.select_option(PLAIN)
        page.get_by_label("Your message").fill("Again")
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("#thread .meta")


def test_playground_when_the_key_is_wrong_then_the_words_of_the_gateway_are_shown(
    gateway: Gateway, browser: Browser
) -> None:
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/playground?model={PLAIN}")
        page.get_by_label("API key").fill("fta_wrong")
        page.get_by_label("Your message").fill("Hello")
        page.get_by_role("button", name="Send").click()
        assert "API key is incomplete" in page.locator("#thread .error").inner_text()
        visitor.complaints.clear()  # the browser itself reports the 401


@pytest.fixture(scope="module")
def crowded(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway whose catalogue has thousands of models, and names from somebody with bad intentions."""
    models = "".join(
        f'[[models]]\nid = "many{n % 40}/model-{n}"\nkind = "chat"\ncontext_window = {8192 * (1 + n % 9)}\n'
        f'[[models.upstreams]]\nprovider = "scripted"\nmodel = "plain"\n'
        for n in range(THOUSANDS)
    )
    evil = (
        f"[[models]]\nid = '{EVIL_ID}'\nname = '{EVIL}'\ndescription = '{EVIL}'\nretires_at = 2030-01-01\n"
        f"[[models.upstreams]]\nprovider = 'scripted'\nmodel = 'plain'\n"
    )
    with launch(render(Plan(upstream_server.base_url, site_name=EVIL)) + evil + models) as gateway:
        yield gateway


def test_catalogue_when_it_has_thousands_then_typing_filters_and_the_address_can_be_shared(
    crowded: Gateway, browser: Browser
) -> None:
    """What one typed stands in the address; opened by somebody else, it shows the same."""
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{crowded.url}/models")
        assert visitor.transferred < BUDGET_BYTES
        page.get_by_label("Search").fill("model-49")
        page.get_by_label("Prefix").select_option("many9")
        expect(page.locator(".count")).to_contain_text("3 of")
        shown = page.locator(".models code").all_inner_texts()
        shared = page.url
        assert "q=model-49" in shared
        assert "prefix=many9" in shared
    with visiting(browser, scripts=False) as visitor:
        visitor.open(shared)
        assert visitor.page.locator(".models code").all_inner_texts() == shown
        assert visitor.page.get_by_label("Search").input_value() == "model-49"


def test_model_when_opened_then_its_tier_and_a_ready_sample_are_there(gateway: Gateway, browser: Browser) -> None:
    with visiting(browser) as visitor:
        visitor.open(f"{gateway.url}/models")
        visitor.page.get_by_label("Search").fill(ABOVE)
        expect(visitor.page.locator(".count")).to_contain_text("1 of")
        visitor.page.locator(".models a").first.click()
        assert visitor.page.url == f"{gateway.url}/models/{ABOVE}"
        facts = visitor.page.locator(".facts").inner_text()
        assert "Regular" in facts
        assert ABOVE in visitor.page.locator("[data-sample=chat-curl]").inner_text()


# --- people with bad intentions --------------------------------------------------------------------------------


def test_pages_when_names_and_addresses_hold_markup_then_it_is_shown_and_never_run(
    crowded: Gateway, browser: Browser
) -> None:
    """Stored (site, model, description) and reflected (each field of an address); escaping alone has to hold."""
    said, written = quote(EVIL), quote(EVIL_ID)
    paths = (
        "/",
        f"/docs?model={written}",
        "/docs/reference",
        f"/setup/claude-code?model={said}",
        f"/setup/{said}",
        f"/models?q={said}&prefix={said}&kind={said}&feature={said}&input={said}&sort={said}&page={said}",
        "/models?q=evil",
        f"/models/{written}",
        f"/models/{said}",
        f"/status?q={said}&state={said}",
        "/status?q=evil",
        f"/playground?model={written}",
        "/privacy",
        f"/{said}",
    )
    with visiting(browser, bare=True) as visitor:
        page = visitor.page
        for path in paths:
            visitor.open(crowded.url + path)
            assert EVIL in page.title() + page.locator("body").inner_text(), path
            assert page.evaluate("typeof pwned") == "undefined", path
            assert page.locator("img[src=x], svg[onload]").count() == 0, path
        visitor.open(f"{crowded.url}/models")
        page.get_by_label("Search").fill("evil")
        expect(page.locator(".count")).to_contain_text("1 of")
        assert EVIL in page.locator(".models").inner_text()
        assert page.evaluate("typeof pwned") == "undefined"
        visitor.complaints.clear()  # the browser reports the addresses that are not there
    feed = minidom.parseString(call(crowded, "GET", "/status/feed.xml").body)  # noqa: S318 - our own bytes
    assert EVIL_ID in "".join(text.data for node in feed.getElementsByTagName("title") for text in node.childNodes)  # type: ignore[union-attr]


def test_policy_when_markup_got_in_all_the_same_then_the_browser_runs_and_loads_nothing_of_it(
    gateway: Gateway, browser: Browser
) -> None:
    """The second wall: inline scripts and styles, handlers, foreign pictures, frames, forms and connections."""
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/models")
        page.evaluate(
            """async () => {
              window.refused = new Set();
              document.addEventListener("securitypolicyviolation", event => refused.add(event.effectiveDirective));
              const put = html => document.body.append(document.createRange().createContextualFragment(html));
              put('<script>window.pwned = 1</script>');
              put('<button id="evil" onclick="window.pwned = 1">x</button>');
              document.getElementById("evil").click();
              put('<p style="color: red">x</p>');
              put('<img src="http://127.0.0.1:9/x.png">');
              put('<iframe src="http://127.0.0.1:9/"></iframe>');
              put('<base href="http://127.0.0.1:9/">');
              put('<object data="http://127.0.0.1:9/x"></object>');
              put('<form id="leak" action="http://127.0.0.1:9/" method="post"></form>');
              document.getElementById("leak").submit();
              await fetch("http://127.0.0.1:9/").catch(() => {});
              await import("data:text/javascript,window.pwned=1").catch(() => {});
            }"""
        )
        expected = {
            "script-src-elem",
            "script-src-attr",
            "style-src-attr",
            "img-src",
            "frame-src",
            "base-uri",
            "object-src",
            "form-action",
            "connect-src",
        }
        eventually(lambda: expected <= set(page.evaluate("[...refused]")), "everything is refused")
        assert page.evaluate("typeof pwned") == "undefined"
        assert page.url == f"{gateway.url}/models"
        visitor.complaints.clear()  # it says what it refused


def test_pages_when_sent_then_their_headers_shut_others_out(gateway: Gateway) -> None:
    """Also where nothing is: nothing inline, no frame, no guess of a type, no foreign reader, no shared cache."""
    for path in (*PAGES, "/account", "/admin", "/nothing/here", "/models/no/such-model", "/setup/nobody"):
        headers = call(gateway, "GET", path, headers={**BROWSER, "origin": "https://elsewhere.example"}).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'", path
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        assert headers["cache-control"] in {"private, no-cache", "no-store"}, path
        assert "cookie" in headers["vary"], path
        assert "access-control-allow-origin" not in headers, path
    for path in ("/llms.txt", "/status/feed.xml"):
        assert call(gateway, "GET", path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        ("GET /nothing/here", 404, "There is no such page"),
        ("GET /models/test/plian", 404, "Did you mean test/plain"),
        ("POST /docs", 405, "POST is not allowed"),
        ("DELETE /", 405, "DELETE is not allowed"),
    ],
)
def test_error_when_somebody_looks_with_a_browser_then_it_is_a_page(
    request_line: str, status: int, words: str, gateway: Gateway, key: Key
) -> None:
    """With the request's id; a program is told the same in JSON."""
    method, path = request_line.split()
    page, program = call(gateway, method, path, headers=BROWSER), call(gateway, method, path, key=key)
    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in page.body.decode()
    assert page.headers["x-request-id"] in page.body.decode()
    assert page.headers.get("allow") == program.headers.get("allow")
    assert (program.status, program.error()["request_id"]) == (status, program.headers["x-request-id"])


# --- hands that hold no mouse ----------------------------------------------------------------------------------


def test_docs_when_only_the_keyboard_is_used_then_everything_is_reached_and_seen(
    gateway: Gateway, browser: Browser
) -> None:
    """The skip link comes first, focus shows, tabs move with arrows, and what is copied is the sample."""
    with visiting(browser) as visitor:
        page = visitor.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor.open(f"{gateway.url}/docs?model={PLAIN}")
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.locator("#chat [role=tab]").first.focus()
        page.keyboard.press("ArrowRight")
        tab = page.get_by_role("tab", name="Python").first
        expect(tab).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#chat").get_by_text("Copied")).to_be_visible()
        shown = page.locator("[data-sample=chat-python]").inner_text()
        assert page.evaluate("navigator.clipboard.readText()") == shown.strip() + "\n"


def test_status_when_it_refreshes_itself_then_what_was_opened_stays_open_and_a_new_verdict_is_told(
    gateway: Gateway, browser: Browser
) -> None:
    """The page is not loaded again; a board that cannot be fetched leaves the old one."""

    def board(verdict: str) -> str:
        return (
            f'<div class="banner status-{verdict}"><p role="status" id="verdict">{verdict}</p><small>now</small></div>'
            f'<div id="prefixes"><details id="days-test"><summary>1 day</summary>{verdict}</details></div>'
        )

    boards = iter([board("up"), board("degraded")])
    with visiting(browser) as visitor:
        page = visitor.page
        visitor.open(f"{gateway.url}/status")
        expect(page.locator("#prefixes h2").first).to_be_visible()
        page.route("**/status?part=board", lambda route: route.fulfill(body=next(boards), content_type="text/html"))
        refresh = 'document.dispatchEvent(new Event("visibilitychange"))'
        page.evaluate(refresh)
        page.get_by_text("1 day").click()
        page.locator("h1").click()
        page.evaluate("document.activeElement.blur()")
        page.evaluate(refresh)
        expect(page.locator("#verdict")).to_have_text("degraded")
        expect(page.locator(".banner")).to_have_class("banner status-degraded")
        expect(page.locator("#days-test")).to_have_attribute("open", "")
        page.unroute("**/status?part=board")
        page.route("**/status?part=board", lambda route: route.abort())
        page.evaluate(refresh)
        expect(page.locator("#verdict")).to_have_text("degraded")
        visitor.complaints.clear()  # the browser reports what was aborted


# --- samples ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "chat-curl",
        "chat-python",
        "chat-javascript",
        "messages-curl",
        "messages-python",
        "responses-python",
        "models-curl",
        "full-curl",
        "health-curl",
    ],
)
def test_sample_when_pasted_as_the_docs_show_it_then_it_runs(
    name: str, gateway: Gateway, key: Key, tmp_path: Path
) -> None:
    """With nothing but the key in the environment."""
    shown = samples_of(gateway, f"/docs?model={PLAIN}")
    done = run_sample(name, shown[name], key, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert '"error"' not in done.stdout


@pytest.mark.parametrize("slug", ["openai-sdk", "anthropic-sdk", "curl"])
def test_guide_when_followed_to_the_letter_then_the_client_is_answered(
    slug: str, gateway: Gateway, key: Key, tmp_path: Path
) -> None:
    """The exports of one step hold for the next, as in a shell."""
    exports, script = "", ""
    for text in samples_of(gateway, f"/setup/{slug}?model={PLAIN}").values():
        exports += "\n".join(line for line in text.splitlines() if line.startswith("export ")) + "\n"
        script = text
    if slug.endswith("sdk"):
        (tmp_path / "hello.py").write_text(script)
        script = f"{sys.executable} hello.py"
    done = run_sample("guide-curl", exports + script, key, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scripted" in done.stdout


def test_llms_text_and_feed_when_read_then_they_are_plain_and_well_formed(gateway: Gateway) -> None:
    text = call(gateway, "GET", "/llms.txt")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert PLAIN.encode() in text.body
    assert gateway.base_url.encode() in text.body
    feed = minidom.parseString(call(gateway, "GET", "/status/feed.xml").body)  # noqa: S318 - our own bytes
    assert feed.documentElement is not None
    assert feed.documentElement.tagName == "feed"
