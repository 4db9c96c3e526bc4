"""Who passes for the operator's machinery."""

import pytest

from freetheai_gateway.errors import NotFound
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.web.operators import OperatorGate

TOKEN = "scrape-me-2f7c"
NEAR = b"127.0.0.1"


def passes(gate: OperatorGate, peer: str, *headers: tuple[bytes, bytes]) -> bool:
    """Knock."""
    request = Client("GET", "/metrics", headers).request
    request.client_host = peer
    try:
        gate.check(request)
    except NotFound:
        return False
    return True


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("192.168.1.5", False),
        ("203.0.113.9", False),
        ("::2", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_gate_when_there_is_no_token_then_loopback_passes(peer: str, expected: bool) -> None:
    """A peer whose address is not known is a stranger."""
    assert passes(OperatorGate(None), peer) is expected


@pytest.mark.parametrize("name", [b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"])
def test_gate_when_a_proxy_stands_between_then_nobody_passes(name: bytes) -> None:
    """Behind a proxy on the same machine, everyone comes from loopback."""
    assert not passes(OperatorGate(None), "127.0.0.1", (name, b"203.0.113.9"))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", f"Bearer {TOKEN}".encode())],
        [(b"x-api-key", TOKEN.encode())],
        [(b"authorization", f"Bearer {TOKEN}".encode()), (b"x-forwarded-for", NEAR)],
    ],
)
def test_gate_when_the_token_is_sent_then_anyone_passes(headers: list[tuple[bytes, bytes]]) -> None:
    """From anywhere, through anything."""
    assert passes(OperatorGate(TOKEN), "203.0.113.9", *headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer scrape-me")],
        [(b"authorization", "Bearer schlüssel".encode())],
        [(b"authorization", f"Bearer {TOKEN}".encode()), (b"x-api-key", b"another")],
    ],
)
def test_gate_when_the_token_is_wrong_then_not_even_loopback_passes(headers: list[tuple[bytes, bytes]]) -> None:
    """With a token set, the token alone decides; two that differ are none."""
    assert not passes(OperatorGate(TOKEN), "127.0.0.1", *headers)


def test_refusal_when_read_then_it_is_that_of_a_route_that_does_not_exist() -> None:
    """That there is one is nobody's business."""
    request = Client("GET", "/metrics").request
    request.client_host = "203.0.113.9"
    with pytest.raises(NotFound) as refused:
        OperatorGate(None).check(request)
    assert refused.value.message == "There is no route /metrics. See /v1/models for what can be called."
