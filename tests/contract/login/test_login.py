"""Requirement 28: signing in with Discord, and everything that is tried against it."""

import asyncio

import pytest

from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.login import ATTEMPT_S, SESSION_S
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.store.web_sessions import MOST_PER_PERSON
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import Failure as Refusal
from freetheai_gateway.web.login import FAILED_A_MINUTE
from tests.contract.discord.desk import VIP, sign_up
from tests.contract.login.conftest import Browser, Open, World, as_operator, callback, query_of

SESSION, ATTEMPT = "__Host-freetheai-session", "__Host-freetheai-login"


# --- the way there and back ---


async def test_sign_in_when_allowed_then_the_account_is_the_slash_commands_and_no_token_is_left(world: World) -> None:
    ada, key = await world.member("Ada")
    browser = await world.signed_in(ada)
    account = (await browser.api("GET", "/v1/account")).json
    assert account["key"]["prefix"] == key[:8]
    assert account["id"] == (await world.node.authenticator.caller(key)).account.id
    assert (world.discord.fake.oauth.live_tokens, world.discord.fake.oauth.revoked) == (0, 1)


async def test_login_when_begun_then_discord_is_asked_for_a_code_with_state_and_s256(world: World) -> None:
    """RFC 7636: the challenge is no verifier; nothing but the cookie holds the verifier."""
    browser = world.browser()
    location = (await browser.get("/login")).header(b"location")
    query = query_of(location)
    assert location.startswith(world.discord.authorize_url)
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["redirect_uri"] == world.callback
    assert len(query["code_challenge"]) == len(query["state"]) == 43
    verifier = browser.cookies[ATTEMPT].partition(".")[0]
    assert verifier not in location
    other = query_of((await world.browser().get("/login")).header(b"location"))
    assert {other["state"], other["code_challenge"]}.isdisjoint({query["state"], query["code_challenge"]})


async def test_sign_in_when_there_is_no_account_then_told_to_run_signup_and_nobody_is_signed_in(world: World) -> None:
    browser = world.browser()
    got = await world.sign_in(browser, world.person("Newcomer"))
    assert (got.status, SESSION in browser.cookies) == (403, False)
    assert "/signup" in got.text


async def test_sign_in_when_roles_changed_then_the_tier_does_too(world: World) -> None:
    ada, _ = await world.member("Ada")
    ada.member["roles"] = [VIP]
    account = (await (await world.signed_in(ada)).api("GET", "/v1/account")).json
    assert (account["tier_rank"], account["tier_source"]) == (2, "role")


async def test_sign_in_when_they_left_the_server_then_they_may_still_read_export_and_erase(world: World) -> None:
    ada, _ = await world.member("Ada")
    del world.discord.fake.members[ada.id]
    browser = await world.signed_in(ada)
    assert (await browser.api("GET", "/v1/account/export")).status == 200


async def test_sign_in_when_they_say_no_then_a_page_says_so(world: World) -> None:
    browser = world.browser()
    state = query_of((await browser.get("/login")).header(b"location"))["state"]
    got = await browser.get(callback(error="access_denied", state=state))
    assert (got.status, SESSION in browser.cookies) == (400, False)


@pytest.mark.parametrize(
    "trouble", [Refusal(500), Refusal(401), UpstreamFailed(Failure.REFUSED, Phase.CONNECT), Refusal(429, 0, 1.5)]
)
async def test_sign_in_when_discord_fails_then_503_and_nobody_is_locked_out(
    world: World, trouble: Refusal | UpstreamFailed
) -> None:
    """A failure of Discord's is nobody's attempt, however often."""
    ada, _ = await world.member("Ada")
    if isinstance(trouble, UpstreamFailed):
        trouble = Refusal(503)
    for _ in range(FAILED_A_MINUTE + 1):
        world.discord.fake.failures.append(trouble)
        got = await world.sign_in(world.browser(), ada)
        assert got.status == 503
    await world.signed_in(ada)


# --- replayed, foreign, expired ---


async def test_callback_when_played_again_then_refused_whoever_plays_it(world: World) -> None:
    """With the cookie that it came with, on this node and on the other; without it; with another's."""
    ada, _ = await world.member("Ada")
    browser = world.browser()
    way_back = world.says_yes((await browser.get("/login")).header(b"location"), ada)
    attempt = browser.cookies[ATTEMPT]
    assert (await browser.get(way_back)).status == 303
    assert ATTEMPT not in browser.cookies
    for thief in (
        Browser(world.asgi, {ATTEMPT: attempt}),
        Browser(world.other_asgi, {ATTEMPT: attempt}),
        Browser(world.asgi, {}),
        world.browser(peer="198.51.100.7"),
    ):
        got = await thief.get(way_back)
        assert (got.status, SESSION in thief.cookies) == (400, False)


async def test_attempt_when_used_once_then_a_fresh_code_does_not_revive_it(world: World) -> None:
    """The state itself is good once: a second code for the same attempt opens nothing, on neither node."""
    ada, _ = await world.member("Ada")
    browser = world.browser()
    location = (await browser.get("/login")).header(b"location")
    attempt = browser.cookies[ATTEMPT]
    assert (await browser.get(world.says_yes(location, ada))).status == 303
    for asgi in (world.asgi, world.other_asgi):
        thief = Browser(asgi, {ATTEMPT: attempt})
        assert (await thief.get(world.says_yes(location, ada))).status == 400
        assert SESSION not in thief.cookies


async def test_callback_when_sent_twice_at_once_on_two_nodes_then_one_session(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = world.browser()
    location = (await browser.get("/login")).header(b"location")
    attempt = browser.cookies[ATTEMPT]
    tabs = [Browser(asgi, {ATTEMPT: attempt}) for asgi in (world.asgi, world.other_asgi)]
    got = await asyncio.gather(*(tab.get(world.says_yes(location, ada)) for tab in tabs))
    assert sorted(each.status for each in got) == [303, 400]


async def test_callback_when_the_state_is_foreign_then_refused_and_the_code_stays_unused(world: World) -> None:
    """Login CSRF: an attacker's code and state in the victim's browser sign nobody in."""
    mallory, _ = await world.member("Mallory")
    attackers, victims = world.browser(), world.browser()
    way_back = world.says_yes((await attackers.get("/login")).header(b"location"), mallory)
    await victims.get("/login")
    assert (await victims.get(way_back)).status == 400
    assert SESSION not in victims.cookies
    code = query_of(way_back)["code"]
    for state in ("", "x", "é" * 43, "A" * 43, "\x00"):
        victim = world.browser(peer="198.51.100.9")
        await victim.get("/login")
        assert (await victim.get(callback(code=code, state=state))).status == 400
    assert (await attackers.get(way_back)).status == 303


async def test_attempt_when_too_old_or_changed_then_refused(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = world.browser()
    location = (await browser.get("/login?to=account")).header(b"location")
    attempt = browser.cookies[ATTEMPT]
    changed = attempt.replace(".account", ".admin")
    assert (await Browser(world.asgi, {ATTEMPT: changed}).get(world.says_yes(location, ada))).status == 400
    assert (await Browser(world.asgi, {ATTEMPT: "x" * 5_000}).get(world.says_yes(location, ada))).status == 400
    world.clock.advance(ATTEMPT_S + 1)
    assert (await browser.get(world.says_yes(location, ada))).status == 400


async def test_code_when_stolen_on_its_way_then_worthless_without_the_verifier(world: World) -> None:
    """PKCE: Discord itself refuses the code of another challenge."""
    ada, _ = await world.member("Ada")
    location = (await world.browser().get("/login")).header(b"location")
    stolen = query_of(world.says_yes(location, ada))["code"]
    thief = world.browser()
    state = query_of((await thief.get("/login")).header(b"location"))["state"]
    assert (await thief.get(callback(code=stolen, state=state))).status == 400
    assert SESSION not in thief.cookies


# --- cookies and sessions ---


async def test_cookies_when_set_over_https_then_host_bound_secure_http_only_and_lax(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = world.browser()
    begun = await browser.get("/login")
    back = await browser.get(world.says_yes(begun.header(b"location"), ada))
    set_by = [*begun.set_cookies, *(each for each in back.set_cookies if "Max-Age=0" not in each)]
    assert [each.partition("=")[0] for each in set_by] == [ATTEMPT, SESSION]
    for cookie in set_by:
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    assert f"Max-Age={int(SESSION_S)}" in set_by[1]
    assert browser.cookies[SESSION] not in back.text


async def test_cookies_when_on_loopback_over_http_then_the_same_without_secure(open_world: Open) -> None:
    world = await open_world("http://127.0.0.1:8000")
    ada, _ = await world.member("Ada")
    browser = world.browser()
    back = await world.sign_in(browser, ada)
    session = next(each for each in back.set_cookies if each.startswith("freetheai-session="))
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(session.split("; "))
    assert "Secure" not in session
    assert (await browser.api("GET", "/v1/account")).status == 200


async def test_login_when_only_plain_http_over_a_network_then_it_is_off(open_world: Open) -> None:
    world = await open_world("http://gateway.example")
    for path in ("/login", "/login/callback", "/logout"):
        assert (await world.browser().get(path)).status == 404
    assert "/login" not in (await world.browser().get("/account")).text


async def test_session_when_planted_before_signing_in_then_a_new_one_takes_its_place(world: World) -> None:
    """Session fixation: neither a made-up secret nor the attacker's own session is worth anything afterwards."""
    ada, _ = await world.member("Ada")
    mallory, _ = await world.member("Mallory")
    attacker = await world.signed_in(mallory)
    planted = attacker.cookies[SESSION]
    for value in (planted, "A" * 43):
        victim = Browser(world.asgi, {SESSION: value})
        await world.sign_in(victim, ada)
        assert victim.cookies[SESSION] != value
        assert (await victim.api("GET", "/v1/account")).json["name"] == "Ada"
    assert (await attacker.api("GET", "/v1/account")).status == 401


async def test_session_when_two_are_sent_then_none_counts(world: World) -> None:
    """Whoever can plant a second cookie signs nobody in as somebody else."""
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    both = f"{SESSION}={browser.cookies[SESSION]}; {SESSION}={'A' * 43}"
    got = await world.browser().api("GET", "/v1/account", cookie=both)
    assert got.status == 401


async def test_session_when_kept_then_only_as_a_digest(world: World) -> None:
    ada, _ = await world.member("Ada")
    secret = (await world.signed_in(ada)).cookies[SESSION]
    async with world.node._database.read("looking") as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM web_sessions")).all()
    assert len(rows) == 1
    assert secret.encode() not in repr(rows).encode()


async def test_session_when_it_expired_then_signed_out_on_every_node(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    elsewhere = Browser(world.other_asgi, browser.cookies)
    assert (await elsewhere.api("GET", "/v1/account")).status == 200
    world.clock.advance(SESSION_S + 1)
    for each in (browser, elsewhere):
        got = await each.api("GET", "/v1/account")
        assert (got.status, got.code) == (401, "signed_out")
        assert "Sign in with Discord" in (await each.get("/account")).text


async def test_session_when_signed_out_then_dead_on_the_other_node(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    kept = dict(browser.cookies)
    got = await browser.ask("POST", "/logout", f"csrf={await browser.csrf()}".encode())
    assert (got.status, got.header(b"location"), SESSION in browser.cookies) == (303, "/account", False)
    assert (await Browser(world.other_asgi, kept).api("GET", "/v1/account")).status == 401


async def test_session_when_the_account_is_suspended_then_dead_at_once_and_not_revived_by_restoring(
    world: World, operator: Person
) -> None:
    ada, _ = await world.member("Ada")
    browser = Browser(world.other_asgi, (await world.signed_in(ada)).cookies)
    account_id = (await browser.api("GET", "/v1/account")).json["id"]
    boss = await world.signed_in(operator)
    csrf = await boss.csrf("/admin")
    done = await boss.api("PUT", f"/admin/api/accounts/{account_id}/suspension", {"reason": "why"}, csrf=csrf)
    assert done.status == 200
    assert (await browser.api("GET", "/v1/account")).status == 401
    again = world.browser()
    assert "why" in (await world.sign_in(again, ada)).text
    assert SESSION not in again.cookies
    await boss.api("DELETE", f"/admin/api/accounts/{account_id}/suspension", csrf=csrf)
    assert (await browser.api("GET", "/v1/account")).status == 401
    await world.signed_in(ada)


async def test_sessions_when_one_person_opens_very_many_then_the_oldest_end(world: World) -> None:
    ada, _ = await world.member("Ada")
    browsers = []
    for _ in range(MOST_PER_PERSON + 1):
        browsers.append(await world.signed_in(ada))
        world.clock.advance(1)
    statuses = [(await each.api("GET", "/v1/account")).status for each in browsers]
    assert statuses == [401, *([200] * MOST_PER_PERSON)]


# --- open redirects ---

ELSEWHERE = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "%2f%2fevil.example",
    "%2F%5Cevil.example",
    "%252f%252fevil.example",
    "https://evil.example/",
    "https:evil.example",
    "//evil.example/%2f..",
    "javascript:alert(1)",
    "JaVaScRiPt://%0aalert(1)",
    "data:text/html,x",
    "/account%0d%0aLocation:%20https://evil.example",
    "account%0d%0aset-cookie:%20x=y",
    "%09//evil.example",
    "/account/../../evil",
    "/account@evil.example",
    ".evil.example",
    "account&to=//evil.example",
    "",
    "a" * 5_000,
]


@pytest.mark.parametrize("wanted", ELSEWHERE)
async def test_destination_when_it_is_none_of_ours_then_the_account_page(world: World, wanted: str) -> None:
    """What is asked for is a name in a table; nothing of it is ever part of an address."""
    ada = world.person("Ada")
    await world.member("Other")
    browser = world.browser()
    begun = await browser.get(f"/login?to={wanted}")
    assert begun.header(b"location").startswith(f"{world.discord.authorize_url}?")
    assert query_of(begun.header(b"location"))["redirect_uri"] == world.callback
    assert [name for name, _ in begun.headers].count(b"location") == 1
    assert "evil" not in begun.header(b"location") + "".join(begun.set_cookies)
    assert browser.cookies[ATTEMPT].endswith(".account")
    assert (await browser.get(world.says_yes(begun.header(b"location"), ada))).status == 403


async def test_login_when_the_browser_knows_us_by_another_name_then_it_begins_once_more_under_ours(
    open_world: Open,
) -> None:
    """Cookies belong to a name; whoever typed `localhost` would come back as a stranger. Never more than once."""
    world = await open_world("http://127.0.0.1:8000")
    browser = world.browser()
    for to, named in (("admin", "admin"), ("//evil.example", "account")):
        moved = await browser.get(f"/login?to={to}", host="localhost:8000")
        assert moved.header(b"location") == f"http://127.0.0.1:8000/login?to={named}&here=1"
        assert moved.set_cookies == []
    for host in ("127.0.0.1:8000", "evil.example"):
        begun = await browser.get("/login?to=admin&here=1", host=host)
        assert begun.header(b"location").startswith(world.discord.authorize_url)


async def test_destination_when_it_is_one_of_ours_then_one_gets_there(world: World, operator: Person) -> None:
    got = await world.sign_in(world.browser(), operator, "admin")
    assert got.header(b"location") == "/admin"
    got = await world.sign_in(world.browser(), operator, "//evil.example")
    assert got.header(b"location") == "/account"


# --- cross-site requests ---


async def test_change_when_the_token_is_missing_or_foreign_then_refused(world: World, operator: Person) -> None:
    """Every route that changes something with the cookie, for a member and for an operator."""
    ada, key = await world.member("Ada")
    eve, _ = await world.member("Eve")
    ours, theirs = await world.signed_in(ada), await world.signed_in(eve)
    boss = await world.signed_in(operator)
    foreign = await theirs.csrf()
    account_id = (await ours.api("GET", "/v1/account")).json["id"]
    writes: tuple[tuple[Browser, str, str, object], ...] = (
        (ours, "POST", "/v1/account/key", None),
        (ours, "DELETE", "/v1/account", {"confirm": "erase"}),
        (boss, "PUT", f"/admin/api/accounts/{account_id}/suspension", {}),
        (boss, "DELETE", f"/admin/api/accounts/{account_id}/suspension", {}),
        (boss, "PATCH", f"/admin/api/accounts/{account_id}", {"tier": 2}),
        (boss, "POST", "/admin/api/accounts", {"name": "x"}),
        (boss, "POST", "/admin/api/reload", {}),
    )
    for browser, method, path, sent in writes:
        for csrf in ("", foreign, "A" * 43, "é"):
            got = await browser.api(method, path, sent, csrf=csrf)
            assert (got.status, got.code) == (403, "csrf"), (method, path)
    for body in (b"", f"csrf={foreign}".encode(), b"\xff", b"csrf=" + b"A" * 900):
        assert (await ours.ask("POST", "/logout", body)).status == 403
    assert (await world.node.authenticator.caller(key)).account.state is AccountState.ACTIVE
    assert (await ours.api("GET", "/v1/account")).json["key"]["prefix"] == key[:8]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://gateway.example"},
        {"origin": "https://gateway.example.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_change_when_another_origin_asks_then_refused_even_with_the_token(
    world: World, headers: dict[str, str]
) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    csrf = await browser.csrf()
    assert (await browser.api("POST", "/v1/account/key", csrf=csrf, **headers)).code == "csrf"
    own = await browser.api("POST", "/v1/account/key", csrf=csrf, origin="https://gateway.example")
    assert own.status == 200


async def test_answer_when_read_with_the_cookie_then_no_other_origin_may_read_it(world: World) -> None:
    """The API is open to every origin, with keys; what a cookie opens is not."""
    ada, key = await world.member("Ada")
    browser = await world.signed_in(ada)
    for path in ("/v1/account", "/v1/account/requests", "/v1/account/export"):
        got = await browser.api("GET", path, origin="https://evil.example")
        assert got.status == 200
        assert not [name for name, _ in got.headers if name.startswith(b"access-control")]
        assert got.header(b"cache-control") == "no-store"
    with_key = await world.browser().api(
        "GET", "/v1/account", authorization=f"Bearer {key}", origin="https://a.example"
    )
    assert with_key.header(b"access-control-allow-origin") == "*"


# --- pace ---


async def test_sign_ins_when_too_many_fail_then_the_address_waits_and_others_do_not(world: World) -> None:
    ada, _ = await world.member("Ada")
    guesser = world.browser(peer="198.51.100.20")
    for _ in range(FAILED_A_MINUTE):
        assert (await guesser.get(callback(code="x", state="y"))).status == 400
    for path in ("/login", callback(code="x", state="y")):
        got = await guesser.get(path)
        assert (got.status, int(got.header(b"retry-after")) <= 60) == (429, True)
    await world.signed_in(ada)
    world.clock.advance(61)
    assert (await guesser.get("/login")).status == 303


async def test_codes_when_discord_refuses_too_many_then_it_is_not_asked_for_a_while(world: World) -> None:
    """From however many addresses; what Discord is not asked about locks nobody out."""
    ada, _ = await world.member("Ada")
    assert world.node._sign_in is not None
    world.node._sign_in.handlers._of_all = RefusalGuard(limit=2)
    for number in range(4):
        stranger = world.browser(peer=f"198.51.100.{number}")
        assert (await stranger.get(callback(code="x", state="y"))).status == 400
    await world.signed_in(ada)
    for number in range(2):
        guesser = world.browser(peer=f"198.51.100.{number + 10}")
        state = query_of((await guesser.get("/login")).header(b"location"))["state"]
        assert (await guesser.get(callback(code="made-up", state=state))).status == 400
    asked = len(world.discord.exchanges)
    assert (await world.browser().get(callback(code="x", state="y"))).status == 429
    assert len(world.discord.exchanges) == asked
    world.clock.advance(61)
    await world.signed_in(ada)


# --- operators ---


async def test_operator_when_signed_in_then_they_may_what_the_token_may_and_the_audit_names_them(
    world: World, operator: Person
) -> None:
    """No token is set here: the admin API is there because operators can sign in."""
    _, _ = await world.member("Ada")
    browser = await world.signed_in(operator)
    csrf = await browser.csrf("/admin")
    made = await browser.api("POST", "/admin/api/accounts", {"name": "Bo", "reason": "asked"}, csrf=csrf)
    assert made.status == 201
    entries = (await browser.api("GET", "/admin/api/audit")).json["data"]
    assert (entries[0]["actor"], entries[0]["reason"]) == (f"discord:{operator.id}", "asked")


async def test_admin_api_when_a_member_is_signed_in_then_403_and_nothing_is_told(world: World) -> None:
    ada, key = await world.member("Ada")
    browser = await world.signed_in(ada)
    for path in ("accounts", "audit", "usage", "openapi.json"):
        got = await browser.api("GET", f"/admin/api/{path}")
        assert (got.status, got.code) == (403, "not_an_operator")
    assert (await world.browser().api("GET", "/admin/api/accounts")).status == 401
    assert (await world.browser().api("GET", "/admin/api/accounts", authorization=f"Bearer {key}")).status == 401


async def test_admin_page_when_a_member_opens_it_then_it_does_nothing_but_let_them_out(world: World) -> None:
    ada, _ = await world.member("Ada")
    browser = await world.signed_in(ada)
    text = (await browser.get("/admin")).text
    assert "You are no operator" in text
    assert await browser.csrf("/admin") == ""
    token = text.partition('name="csrf" value="')[2].partition('"')[0]
    assert (await browser.ask("POST", "/logout", f"csrf={token}".encode())).status == 303
    assert SESSION not in browser.cookies


# --- hostile text ---

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def test_pages_when_names_are_markup_then_they_stay_text(open_world: Open) -> None:
    """Discord names, the site's name, a model's name and description: on every page, and in what goes wrong."""
    model = {"id": "glm/x", "name": EVIL, "description": EVIL, "upstreams": [{"provider": "zai", "model": "x"}]}
    world = await open_world(site={"name": EVIL}, models=[model])
    ada = world.person(EVIL)
    await sign_up(ada)
    boss = as_operator(world)
    boss.member["user"]["global_name"] = EVIL
    for person in (ada, boss):
        browser = await world.signed_in(person)
        for path in (
            "/account",
            "/admin",
            "/models",
            "/models/glm/x",
            "/docs",
            "/status",
            "/",
            "/nothing",
            "/login/callback",
        ):
            got = await browser.get(path)
            assert "<script>alert" not in got.text
            assert "<img src=x" not in got.text
            assert "script-src 'self'" in got.header(b"content-security-policy")
        assert "&lt;script&gt;alert(1)" in (await browser.get("/account")).text
    for path in ("/v1/account", "/v1/account/export"):
        assert (await (await world.signed_in(ada)).api("GET", path)).header(b"content-type") == "application/json"
