"""Two gateways that share their limits in Redis, and a Redis that is stopped and started under load."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import FORGIVING, MEMBER, MODEL, PLAIN, STARTER, Plan, Value, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import call, chat
from tests.postgres import empty_postgres_url, postgres_template
from tests.redis_server import OwnServer, own_server

__all__ = ["empty_postgres_url", "postgres_template"]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnServer]:
    with own_server(tmp_path) as server:
        yield server


def shared(
    upstream: ScriptedUpstream,
    redis: OwnServer,
    database: str,
    *,
    on_failure: str = "local",
    pools: Mapping[str, Value] = FORGIVING,
) -> str:
    """Write a node's configuration."""
    limits = f'backend = "redis://127.0.0.1:{redis.target.port}/1"\non_failure = "{on_failure}"\ndeadline_s = 0.2\n'
    plan = render(Plan(upstream.base_url, pools=pools)).replace("[limits]\n", f"[limits]\n{limits}")
    return f'[database]\nurl = "{database}"\n{plan}'


def statuses(nodes: list[Gateway], key: Key, model: str, count: int) -> Counter[int]:
    """Ask many times at once, in turn on each node."""
    with ThreadPoolExecutor(16) as pool:
        replies = pool.map(lambda number: chat(nodes[number % len(nodes)], key, model).status, range(count))
        return Counter(replies)


def test_two_nodes_when_they_are_hammered_then_the_limits_hold_for_both_together(
    redis: OwnServer, empty_postgres_url: str, upstream: ScriptedUpstream, launch: Launch
) -> None:
    """10 requests a minute and 1 at a time: one minute's requests are admitted once, not once per node.

    And what one node has seen of an upstream, the other one knows.
    """
    config = shared(upstream, redis, empty_postgres_url, pools={"attempts": 1, "breaker_failures": 1})
    with launch(config) as first, launch(config) as second:
        key = first.create_key("starter", tier=STARTER)
        second.secrets.append(key.secret)
        for node in (first, second):
            eventually(lambda node=node: chat(node, key, "test/none").status == 400, "the node knows the key")  # type: ignore[misc]
        seen = statuses([first, second], key, PLAIN, 60)
        while seen[200] < 10:
            seen += statuses([first, second], key, PLAIN, 20)
        assert set(seen) == {200, 429}
        assert seen[200] == 10
        assert statuses([first, second], key, PLAIN, 20) == Counter({429: 20})
        upstream.play("scripted", "status?code=500")
        member = first.create_key("member", tier=MEMBER)
        eventually(lambda: chat(second, member, "test/none").status == 400, "the node knows the key")
        assert chat(first, member, MODEL).status == 502
        upstream.play("scripted", "plain")
        eventually(lambda: chat(second, member, MODEL).status == 503, "the other node leaves the upstream alone")


def test_redis_when_it_is_stopped_and_started_then_requests_go_on_and_it_heals(
    redis: OwnServer, upstream: ScriptedUpstream, launch: Launch
) -> None:
    """Each node enforces the limits alone meanwhile; the metric and the log say so."""
    with launch(shared(upstream, redis, "sqlite:///freetheai.db")) as gateway:
        key = gateway.create_key("starter", tier=STARTER)
        eventually(lambda: backend_is_up(gateway), "connected")
        assert chat(gateway, key, PLAIN).status == 200
        redis.stop()
        assert chat(gateway, key, PLAIN).status == 200
        eventually(lambda: not backend_is_up(gateway), "the metric says so")
        assert statuses([gateway], key, PLAIN, 12)[429] > 0
        redis.start()
        eventually(lambda: backend_is_up(gateway), "it heals")
        assert chat(gateway, key, PLAIN).status == 200
        output = gateway.output()
        assert "limits_backend_away" in output
        assert "limits_backend_back" in output


def test_redis_when_it_is_away_and_deny_was_chosen_then_requests_get_503(
    redis: OwnServer, upstream: ScriptedUpstream, launch: Launch
) -> None:
    redis.stop()
    with launch(shared(upstream, redis, "sqlite:///freetheai.db", on_failure="deny")) as gateway:
        key = gateway.create_key("starter", tier=STARTER)
        refused = chat(gateway, key, MODEL)
        assert (refused.status, refused.error()["code"]) == (503, "limits_unavailable")
        assert int(refused.headers["retry-after"]) > 0


def backend_is_up(gateway: Gateway) -> bool:
    """Read the metric."""
    return b"freetheai_limits_backend_up 1" in call(gateway, "GET", "/metrics").body
