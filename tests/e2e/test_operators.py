"""Who may read `/metrics` and `/readyz`, what a draining server says, and the headers of every response."""

import re
import signal
from collections.abc import Iterator

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import PLAIN, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.refusals import assert_refused
from tests.e2e.wire import CHAT, Reply, call, chat, chat_body

TOKEN = "scrape-me-8c1d"
GUARDED = ("/metrics", "/readyz")
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer scrape-me"},
    {"x-api-key": TOKEN, "authorization": "Bearer other"},
)
NO_SUCH_ROUTE = r"There is no route /\w+\. See /v1/models for what can be called\."
TIMING = re.compile(r"gateway;dur=\d+\.\d")
TIMING_WITH_UPSTREAM = re.compile(r"gateway;dur=\d+\.\d, upstream;dur=\d+\.\d")


@pytest.fixture
def tokened(upstream: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway that asks scrapers for a token, and takes its time to stop."""
    plan = Plan(upstream.base_url, server={"shutdown_delay_s": 30.0})
    with launch(render(plan) + f'\n[metrics]\ntoken = "{TOKEN}"\n') as gateway:
        gateway.secrets.append(TOKEN)
        gateway.config.unlink()  # it holds the token; nothing else of the folder may
        yield gateway


@pytest.mark.parametrize("path", GUARDED)
def test_guarded_when_a_neighbour_asks_directly_then_it_may_read(gateway: Gateway, path: str) -> None:
    """Without a token, a peer on the same machine."""
    assert call(gateway, "GET", path).status == 200


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"])
def test_guarded_when_a_proxy_forwards_then_there_is_no_such_route(gateway: Gateway, path: str, header: str) -> None:
    """Behind a proxy everyone looks like a neighbour."""
    reply = call(gateway, "GET", path, headers={header: "127.0.0.1"})
    assert_refused(reply, 404, "not_found_error", NO_SUCH_ROUTE)


def test_guarded_when_a_token_is_set_then_it_alone_opens_until_the_end(tokened: Gateway) -> None:
    """In either header; a neighbour without it finds nothing.

    A draining server says so for `shutdown_delay_s` and goes on answering; a second signal does not wait for that.
    """
    token = {"authorization": f"Bearer {TOKEN}"}
    for path in GUARDED:
        assert call(tokened, "GET", path, headers=token).status == 200
        assert call(tokened, "GET", path, headers={"x-api-key": TOKEN}).status == 200
        for headers in WRONG:
            assert_refused(call(tokened, "GET", path, headers=headers), 404, "not_found_error", NO_SUCH_ROUTE)
    assert call(tokened, "GET", "/readyz", headers=token).json() == {"status": "ok"}
    tokened.signal(signal.SIGTERM)

    def draining() -> bool:
        reply = call(tokened, "GET", "/readyz", headers=token)
        return (reply.status, reply.json(), reply.headers.get("retry-after")) == (503, {"status": "draining"}, "1")

    eventually(draining, "the server says that it drains")
    assert call(tokened, "GET", "/healthz").status == 200
    tokened.signal(signal.SIGTERM)
    assert tokened.wait() == 0


def some_of_everything(gateway: Gateway, key: Key) -> Iterator[Reply]:
    """Read one response of each kind."""
    for path in ("/", "/v1", "/healthz", "/readyz", "/metrics", "/v1/health", "/v1/openapi.json", "/no/such/route"):
        yield call(gateway, "GET", path)
    for path in ("/v1/models", f"/v1/models/{PLAIN}", "/v1/models/full", "/v1/models/leaderboard", "/v1/models/none"):
        yield call(gateway, "GET", path, key=key)
        yield call(gateway, "GET", path)
    yield call(gateway, "OPTIONS", CHAT)
    yield call(gateway, "HEAD", "/v1/health")
    yield call(gateway, "DELETE", CHAT, key=key)
    yield call(gateway, "POST", CHAT, key=key, body=b"{")
    yield call(gateway, "POST", "/v1/messages", body=chat_body(PLAIN))


def test_response_when_it_comes_then_it_carries_ids_and_timing(gateway: Gateway, key: Key) -> None:
    """Whatever the route and the outcome; each request has an id of its own."""
    replies = list(some_of_everything(gateway, key))
    assert {reply.status for reply in replies} == {200, 204, 400, 401, 404, 405}
    for reply in replies:
        assert TIMING.fullmatch(reply.headers["server-timing"])
        assert reply.headers["x-request-id"] == reply.headers["request-id"]
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)


@pytest.mark.parametrize("stream", [False, True])
def test_timing_when_a_provider_was_called_then_its_share_is_apart(gateway: Gateway, key: Key, *, stream: bool) -> None:
    """What the gateway costs, and what it waited for."""
    reply = chat(gateway, key, PLAIN, stream=stream)
    assert TIMING_WITH_UPSTREAM.fullmatch(reply.headers["server-timing"])
