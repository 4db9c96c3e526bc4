"""Somebody else's web page, in a real browser, uses the gateway with `fetch`."""

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e import browser
from tests.e2e.configuration import MODEL, PLAIN, STARTER, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import CANARY, Gateway, Key
from tests.e2e.wire import CHAT, Object, Reply, call
from tests.skipping import skip_or_fail

ORIGIN = "https://chat.example"


@pytest.fixture(scope="module")
def starter(shared: Gateway) -> Key:
    return shared.create_key("page", tier=STARTER)


@pytest.fixture(scope="module")
def outcome(
    shared: Gateway, starter: Key, upstream_server: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Object:
    """Open the page once; the tests look at what it found out."""
    if not browser.is_installed():
        skip_or_fail("Chromium is not installed: apt-get install chromium")
    upstream_server.play("scripted", "plain?chunks=6&after=3&gap_s=0.3")
    settings: Object = {"base": shared.base_url, "key": starter.secret, "model": MODEL, "canary": CANARY}
    seen = browser.open_page(settings, tmp_path_factory.mktemp("browser"))
    assert "failed" not in seen, seen
    assert seen["origin"] != shared.url
    return seen


def part(outcome: Object, name: str) -> Object:
    """Take one part of what the page found out."""
    found = outcome[name]
    assert isinstance(found, dict)
    return found


def test_page_when_it_streams_then_tokens_arrive_one_by_one(outcome: Object) -> None:
    """The first ones are read while the model still speaks; the end is there, too."""
    stream = part(outcome, "stream")
    first, text = str(stream["first"]), str(stream["all"])
    assert stream["status"] == 200
    assert "tok0" in first
    assert "tok5" not in first
    assert text.endswith("data: [DONE]\n\n")
    assert text.count("data: {") >= 6


def test_page_when_it_was_answered_then_it_may_read_id_timing_and_limits(outcome: Object, shared: Gateway) -> None:
    """A browser hides every header that is not exposed; the id is that of the log line."""
    stream = part(outcome, "stream")
    (line,) = [line for line in shared.log_lines() if line["request_id"] == stream["request_id"]]
    assert (line["route"], line["status"], line["model"]) == (CHAT, 200, MODEL)
    assert str(stream["timing"]).startswith("gateway;dur=")
    limits = part(stream, "limits")
    assert (limits["x-ratelimit-limit"], limits["x-concurrency-limit"]) == ("10", "1")
    assert all(str(value).isdigit() for value in limits.values())


def test_page_when_it_is_refused_then_it_may_read_why(outcome: Object) -> None:
    """Without the headers on errors, too, a page would see nothing but "Failed to fetch"."""
    assert part(outcome, "refusal") == {"status": 401, "code": "invalid_api_key", "same_id": True}


def test_page_when_it_reads_public_data_then_no_key_is_needed(outcome: Object) -> None:
    """Health and description for everyone; the catalogue with its tag for who has a key."""
    assert (part(outcome, "health")["status"], part(outcome, "description")["status"]) == (200, 200)
    catalogue = part(outcome, "catalogue")
    assert (catalogue["status"], catalogue["object"]) == (200, "model_catalog")
    assert str(catalogue["etag"]).startswith('"')


def test_preflight_when_the_browser_sent_it_then_it_held_no_key_and_was_answered(
    outcome: Object, shared: Gateway
) -> None:
    """Browsers ask first, and never send the key with it."""
    assert outcome
    asked = [line for line in shared.log_lines() if line["method"] == "OPTIONS" and line["route"] == CHAT]
    assert asked
    assert all(line["status"] == 204 and "account" not in line and "key" not in line for line in asked)


def preflight(gateway: Gateway, path: str, **headers: str) -> Reply:
    """Ask as a browser does before it sends a key."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(gateway, "OPTIONS", path, headers={"origin": ORIGIN, **sent})


@pytest.mark.parametrize(("path", "method"), [(CHAT, "POST"), ("/v1/messages", "POST"), ("/v1/models/full", "GET")])
def test_preflight_when_headers_are_asked_for_then_exactly_they_are_echoed(
    gateway: Gateway, path: str, method: str
) -> None:
    """Any header that an SDK may send some day; nothing counts, nothing is read."""
    asked = "authorization,content-type,x-stainless-os,anthropic-dangerous-direct-browser-access"
    reply = preflight(gateway, path, access_control_request_method=method, access_control_request_headers=asked)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-headers"] == asked
    assert method in reply.headers["access-control-allow-methods"].split(", ")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert int(reply.headers["access-control-max-age"]) > 0
    assert reply.headers["x-request-id"]


def test_origin_when_it_is_not_listed_then_only_public_answers_may_be_read(
    upstream: ScriptedUpstream, launch: Launch
) -> None:
    """With `server.cors_origins` set, other pages get no permission, but for what is public anyway."""
    config = render(Plan(upstream.base_url)).replace("[server]", f'[server]\ncors_origins = ["{ORIGIN}"]', 1)
    with launch(config) as gateway:
        for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
            reply = call(gateway, "GET", "/v1/models", headers={"origin": origin})
            assert reply.status == 401
            assert reply.headers.get("access-control-allow-origin") == allowed
            assert reply.headers["vary"] == "origin"
            for path in ("/v1/health", "/v1/openapi.json"):
                public = call(gateway, "GET", path, headers={"origin": origin})
                assert public.headers["access-control-allow-origin"] == "*"
        assert PLAIN.encode() not in reply.body
