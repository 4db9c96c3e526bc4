"""Cancelling a call, wherever it waits: the upstream sees the close and can stop working."""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any

import pytest

from freetheai_gateway.services.ports import Origin, UpstreamClient, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, tcp_server
from freetheai_gateway.upstream.http1 import Http1Client
from tests.contract.upstream_client.calls import CHUNKED, OK, answers_and_stays, read_all, request, streamed
from tests.contract.upstream_client.conftest import MakeClient


async def cancel(call: Coroutine[Any, Any, object], when: asyncio.Event | None = None) -> None:
    """Run a call until an event, or until it can only be waiting, and cancel it."""
    task = asyncio.get_running_loop().create_task(call)
    if when is not None:
        await when.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def assert_nothing_open(client: UpstreamClient) -> None:
    """Where the client counts its connections, it has none."""
    if isinstance(client, Http1Client):
        assert client.open_connections == 0


async def test_send_when_cancelled_during_the_handshake_then_the_peer_sees_the_close(client: UpstreamClient) -> None:
    """The peer has read our hello and says nothing."""
    hello = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read(1)
        hello.set()
        await peer.until_left()

    async with tcp_server(script) as server:
        await cancel(client.send(request(server, origin=Origin("https", "127.0.0.1", server.port))), hello)
        await server.peers[0].left()
    assert_nothing_open(client)


async def test_send_when_cancelled_during_connect_to_a_proxy_then_the_proxy_sees_the_close(
    client: UpstreamClient,
) -> None:
    """The proxy has read CONNECT and says nothing."""
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await peer.until_left()

    async with tcp_server(script) as proxy:
        origin = Origin("https", "upstream.test", 443, proxy=f"http://127.0.0.1:{proxy.port}")
        await cancel(client.send(UpstreamRequest("GET", origin, "/")), asked)
        await proxy.peers[0].left()
    assert_nothing_open(client)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-"])
async def test_send_when_cancelled_before_the_head_then_the_peer_sees_the_close(
    client: UpstreamClient, sent: bytes
) -> None:
    """A client that leaves while the model thinks stops the bill."""
    received = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        received.set()
        await peer.until_left()

    async with tcp_server(script) as server:
        await cancel(client.send(request(server)), received)
        await server.peers[0].left()
    assert_nothing_open(client)


async def test_send_when_cancelled_on_a_reused_connection_then_the_peer_sees_the_close_and_no_second_request(
    client: UpstreamClient,
) -> None:
    """The close that we caused ourselves is not the race that repeats a request."""
    second = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        second.set()
        await peer.until_left()

    async with tcp_server(script) as server:
        await read_all(await client.send(request(server)))
        await cancel(client.send(request(server)), second)
        await server.peers[0].left()
        assert len(server.peers) == 1
    assert_nothing_open(client)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(CHUNKED + b"3\r\nabc\r\n", id="between chunks"),
        pytest.param(CHUNKED + b"9\r\nabc", id="inside a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", id="inside a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nabc", id="before the close"),
    ],
)
async def test_read_when_cancelled_then_the_peer_sees_the_close(client: UpstreamClient, sent: bytes) -> None:
    """Before the reply is closed: cancelling alone is enough."""
    async with tcp_server(answers_and_stays(sent)) as server:
        reply = await client.send(streamed(server))
        assert await reply.read() == b"abc"
        await cancel(read_on(reply.read()))
        await server.peers[0].left()
        reply.close()
    assert_nothing_open(client)


async def test_read_when_cancelled_inside_tls_then_the_peer_sees_the_close(
    make_client: MakeClient, trusting: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """No polite farewell that the peer would have to answer first."""
    client = make_client(tls=trusting)
    async with tcp_server(answers_and_stays(CHUNKED + b"3\r\nabc\r\n"), tls=server_tls) as server:
        reply = await client.send(request(server, origin=Origin("https", "127.0.0.1", server.port)))
        assert await reply.read() == b"abc"
        await cancel(read_on(reply.read()))
        await server.peers[0].left()
        reply.close()
    assert_nothing_open(client)


async def test_send_when_cancelled_in_mid_upload_then_the_peer_sees_the_close(client: UpstreamClient) -> None:
    """What could not be written yet is not written any more."""
    head = asyncio.Event()
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        head.set()
        await go_on.wait()
        await peer.until_left()

    async with tcp_server(script) as server:
        await cancel(client.send(request(server, body=b"x" * 20_000_000)), head)
        go_on.set()
        await server.peers[0].left()
        assert server.peers[0].received_bytes < 20_000_000
    assert_nothing_open(client)


async def read_on(read: Coroutine[Any, Any, bytes]) -> None:
    """Read; nothing comes."""
    assert not await read
