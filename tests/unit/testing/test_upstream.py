"""The scripted upstream as a server: what it records, when it knows that a client left, and how it is steered."""

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator

import pytest
import trustme

from freetheai_gateway import jsonc
from freetheai_gateway.testing.exchanges import Outcome
from freetheai_gateway.testing.scripts import Close, Send, Wait
from freetheai_gateway.testing.upstream import ScriptedUpstream, upstream_in_thread


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


def request(model: str, *, stream: bool = True, keep_alive: bool = False) -> bytes:
    body = jsonc.encode({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
    connection = "keep-alive" if keep_alive else "close"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Odd: 1\r\nX-Odd: 2\r\nConnection: {connection}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(upstream: ScriptedUpstream, payload: bytes, ssl_context: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port, ssl=ssl_context)
    writer.write(payload)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_request_when_received_then_it_is_kept_as_it_came(upstream: ScriptedUpstream) -> None:
    """Method, target, headers in order and body bytes are recorded."""
    payload = request("plain")
    await ask(upstream, payload)
    (exchange,) = upstream.exchanges
    assert (exchange.method, exchange.target, exchange.outcome) == ("POST", "/v1/chat/completions", Outcome.DONE)
    assert [value for name, value in exchange.headers if name == "x-odd"] == ["1", "2"]
    assert payload.endswith(exchange.body)
    assert exchange.fields()["model"] == "plain"


@pytest.mark.parametrize(
    "model",
    ["never", "silence-after-head", "silence-mid-stream", "plain?head_delay_s=60", "plain?chunks=10&gap_s=60",
     "plain?chunks=1000&delay_s=0.01", "huge?size_bytes=50000000"],
)  # fmt: skip
async def test_client_when_it_leaves_before_the_end_then_the_exchange_is_cancelled(
    upstream: ScriptedUpstream, model: str
) -> None:
    """In every phase the leaving of the client is seen, and the gauge falls to zero."""
    _, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(request(model))
    await upstream.until(lambda: upstream.in_flight == 1)
    writer.close()
    await upstream.until(lambda: upstream.cancelled == 1)
    assert upstream.in_flight == 0
    assert upstream.exchanges[0].outcome is Outcome.CANCELLED
    assert upstream.exchanges[0].ended_at is not None


async def test_client_when_it_leaves_after_the_end_then_nothing_was_cancelled(upstream: ScriptedUpstream) -> None:
    """A kept-alive connection that closes between requests cancels nothing, and serves several in a row."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    for _ in range(2):
        writer.write(request("plain", keep_alive=True))
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    await upstream.until(lambda: upstream.connections_open == 0)
    assert (upstream.cancelled, upstream.in_flight) == (0, 0)
    assert [exchange.connection for exchange in upstream.exchanges] == [1, 1]


def test_connection_when_asked_again_at_once_then_every_request_is_answered() -> None:
    """A client that is quicker than the end of the last script is not forgotten."""
    with upstream_in_thread() as upstream, socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as client:
        for _ in range(500):
            client.sendall(request("plain?chunks=1", keep_alive=True))
            data = b""
            while not data.endswith(b"0\r\n\r\n"):
                data += client.recv(65536)
        assert upstream.cancelled == 0


async def test_script_when_played_then_the_client_gets_exactly_its_bytes(upstream: ScriptedUpstream) -> None:
    """A script replaces the reply byte for byte, for as many requests as it was set for."""
    upstream.play("m", (Send(b"HTTP/1.1 200"), Wait(0.001), Send(b" Fine\r\n\r\nbody"), Close()), times=1)
    assert await ask(upstream, request("m")) == b"HTTP/1.1 200 Fine\r\n\r\nbody"
    assert (await ask(upstream, request("m"))).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_connection_when_reset_then_the_client_sees_a_reset(upstream: ScriptedUpstream) -> None:
    """`reset` sends RST and not FIN."""
    with pytest.raises(ConnectionResetError):
        await ask(upstream, request("cut-before-head?reset=1"))


async def test_upstream_when_it_stops_listening_then_connections_are_refused(upstream: ScriptedUpstream) -> None:
    """The refused connection is the one mishap that no script can play."""
    upstream.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await ask(upstream, request("plain"))


async def test_upstream_when_given_a_certificate_then_it_speaks_tls() -> None:
    """An `ssl_context` makes it an https server."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with ScriptedUpstream(ssl_context=server) as upstream:
        assert upstream.base_url.startswith("https://")
        assert b"[DONE]" in await ask(upstream, request("plain"), client)


async def test_garbage_when_sent_then_the_server_answers_400_and_lives_on(upstream: ScriptedUpstream) -> None:
    """What is no HTTP is refused and counted nowhere."""
    assert (await ask(upstream, b"\x16\x03\x01 nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert b"[DONE]" in await ask(upstream, request("plain"))


def test_process_when_steered_by_its_control_endpoints_then_scripts_and_records_work() -> None:
    """`POST /_script` sets a reply, `GET /_seen` shows what came, SIGTERM ends it with 0."""
    command = [sys.executable, "-m", "freetheai_gateway.testing.upstream", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            address = jsonc.Decoder(dict[str, str])(process.stdout.readline())
            script = {"model": "m", "behaviour": "status?code=503&retry_after=7"}
            steps = {"model": "n", "steps": [Send(b"HTTP/1.1 204 Gone quiet\r\n\r\n")]}
            for body in (script, steps):
                post(f"{address['url']}/_script", jsonc.encode(body))
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{address['base_url']}/chat/completions", b'{"model":"m","messages":[{"role":"user"}]}')
            refused.value.close()
            assert (refused.value.code, refused.value.headers["retry-after"]) == (503, "7")
            assert post(f"{address['base_url']}/chat/completions", b'{"model":"n","messages":[{"role":"user"}]}') == b""
            seen = jsonc.Decoder(dict[str, object])(post(f"{address['url']}/_seen"))
            assert isinstance(seen["exchanges"], list)
            assert (len(seen["exchanges"]), seen["in_flight"], seen["cancelled"]) == (2, 0, 0)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_thread_when_left_then_the_upstream_has_stopped() -> None:
    """Synchronous tests get the same server on a loop of its own."""
    with upstream_in_thread() as upstream:
        assert b"never" in post(f"{upstream.base_url}/models")
        address = f"{upstream.base_url}/models"
    with pytest.raises(urllib.error.URLError):
        post(address)


def post(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, data=body, timeout=10) as reply:  # noqa: S310 (our own server)
        return bytes(reply.read())
