"""The client leaves: in every phase the upstream is let go, the slot is free, and the record says 499, once."""

import socket
import time
from collections.abc import Callable

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MEMBER, MODEL, MUTE, PLAIN
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import chat, chat_body, connected, hang_up, raw_request, read_until

CONTRACT_S = 1.0
"""How long the upstream may run on after the client left."""

PHASES = {
    "head-whole": ("never", False, b""),
    "head-streamed": ("never", True, b""),
    "first-chunk": ("silence-after-head", True, b""),
    "next-chunk": ("silence-mid-stream?after=3", True, b"from"),
    "mid-stream": ("plain?chunks=2000&delay_s=0.005", True, b"tok3"),
    "whole-body": ("silence-mid-body", False, b""),
}


def finish(plain: socket.socket) -> None:
    """Close the connection in an orderly way."""
    plain.close()


def slot_is_free(gateway: Gateway, key: Key) -> None:
    """Wait until the account with one request at a time is served again, holding no slot but its own."""
    eventually(lambda: chat(gateway, key, PLAIN).status == 200, "the slot is free again")
    assert chat(gateway, key, PLAIN).headers["x-concurrency-remaining"] == "0"


@pytest.mark.parametrize("leave", [finish, hang_up])
@pytest.mark.parametrize("phase", list(PHASES))
def test_client_when_it_leaves_then_the_upstream_is_cancelled_and_the_slot_is_free(
    gateway: Gateway,
    keys: dict[str, Key],
    upstream: ScriptedUpstream,
    phase: str,
    leave: Callable[[socket.socket], None],
) -> None:
    """Waiting for the head, for a chunk, in mid-stream, in a whole body; by FIN and by RST."""
    behaviour, stream, until = PHASES[phase]
    upstream.play("scripted", behaviour)
    logged = len(gateway.log_lines())
    with connected(gateway) as plain:
        plain.sendall(raw_request(keys["member"], chat_body(MODEL, stream=stream)))
        if until:
            read_until(plain, until)
        eventually(lambda: upstream.in_flight == 1, "the upstream got the request")
        leave(plain)
        left_at = time.monotonic()
        eventually(lambda: upstream.cancelled == 1, "the upstream sees the client leave")
    ended_at = upstream.exchanges[0].ended_at
    assert ended_at is not None
    assert ended_at - left_at < CONTRACT_S
    slot_is_free(gateway, keys["member"])

    def left() -> int:
        return [line["status"] for line in gateway.log_lines()[logged:]].count(499)

    eventually(lambda: left() > 0, "the request is logged")
    assert left() == 1
    assert len(upstream.exchanges) > 1


def test_client_when_it_leaves_while_the_gateway_connects_then_the_attempt_is_dropped(
    gateway: Gateway, keys: dict[str, Key], mute: socket.socket
) -> None:
    """The provider takes the connection and never begins TLS; the deadline for that is far away."""
    with connected(gateway) as plain:
        plain.sendall(raw_request(keys["member"], chat_body(MUTE, stream=True)))
        attempt, _ = mute.accept()
        with attempt:
            attempt.settimeout(10)
            assert attempt.recv(65536).startswith(b"\x16\x03")
            hang_up(plain)
            left_at = time.monotonic()
            assert attempt.recv(65536) == b""
            assert time.monotonic() - left_at < CONTRACT_S
    slot_is_free(gateway, keys["member"])


def test_client_when_it_leaves_while_it_sends_then_nothing_was_begun(
    gateway: Gateway, keys: dict[str, Key], upstream: ScriptedUpstream
) -> None:
    """Half a body is no request."""
    with connected(gateway) as plain:
        plain.sendall(raw_request(keys["member"], chat_body(MODEL), length=100_000))
        hang_up(plain)
    slot_is_free(gateway, keys["member"])
    assert {exchange.fields()["model"] for exchange in upstream.exchanges} == {"plain"}


def test_record_when_the_client_left_then_it_says_499_and_stands_once(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    """One request that was answered, one left in mid-stream, one left before the head: three records, never four."""
    key = gateway.create_key("leaver", tier=MEMBER)
    answered = chat(gateway, key, PLAIN).headers["x-request-id"]
    with connected(gateway) as plain:
        upstream.play("scripted", "silence-mid-stream?after=3")
        plain.sendall(raw_request(key, chat_body(MODEL, stream=True)))
        head = read_until(plain, b"from").decode("latin-1")
        left = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("x-request-id"))
        hang_up(plain)
    eventually(lambda: upstream.cancelled == 1, "the upstream sees the client leave")
    with connected(gateway) as plain:
        upstream.play("scripted", "never")
        plain.sendall(raw_request(key, chat_body(MODEL)))
        eventually(lambda: upstream.in_flight == 1, "the upstream got the request")
        hang_up(plain)
    eventually(lambda: upstream.cancelled == 2, "the upstream sees the client leave")

    def requests() -> list[object]:
        return [row["requests"] for row in gateway.usage("account") if row["account_id"] == key.account_id]

    eventually(lambda: requests() == [3], "three records of the account", within_s=15)
    first, second = gateway.find_requests([answered, left])
    assert first is not None
    assert second is not None
    assert (first["request_id"], first["status"], first["account_id"]) == (answered, 200, key.account_id)
    assert (second["request_id"], second["status"], second["code"]) == (left, 499, "client_canceled")
    assert int(str(second["output_tokens"])) > 0
