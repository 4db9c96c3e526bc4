"""A connection that is gone leaves nothing that would wait for the garbage collector."""

import asyncio
import ssl
from contextlib import suppress

import pytest
import uvloop

from freetheai_gateway.services.ports import Origin, UpstreamFailed, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, Script, tcp_server
from freetheai_gateway.upstream.http1 import Http1Client
from tests.circles import watched
from tests.contract.upstream_client.calls import CHUNKED, OK, answers, read_all, request, streamed

ENDS = {
    "closed before the head": answers(),
    "cut in the body": answers(CHUNKED, b"5\r\nab"),
    "no HTTP": answers(b"SSH-2.0\r\n\r\n"),
    "no length": answers(b"HTTP/1.1 200 OK\r\n\r\nok"),
    "closed after the reply": answers(OK),
}
OURS = ("freetheai_gateway.upstream", "httptools")


@pytest.mark.parametrize("end", ENDS)
async def test_connection_when_it_is_gone_then_nothing_of_it_is_in_a_circle(end: str) -> None:
    """Its parser and the machine inside know each other; so do a timer and whom it wakes."""
    with watched() as left:
        await _use(ENDS[end])
        assert [name for name in left() if name.startswith(OURS)] == []


async def _use(script: Script) -> None:
    client = Http1Client(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    async with tcp_server(script) as server:
        for asked in (request(server), streamed(server)):
            await _ask(client, asked)
    await client.aclose()


async def _ask(client: Http1Client, asked: UpstreamRequest) -> None:
    with suppress(UpstreamFailed):
        await read_all(await client.send(asked))


async def test_connection_when_it_is_never_made_then_nothing_of_it_is_in_a_circle() -> None:
    """Nobody speaks TLS there; nobody listens there."""
    with watched() as left:
        await _use_in_vain()
        assert [name for name in left() if name.startswith(OURS)] == []


async def _use_in_vain() -> None:
    client = Http1Client(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    async with tcp_server(_no_tls) as server:
        if isinstance(asyncio.get_running_loop(), uvloop.Loop):  # the standard loop's TLS is a circle by itself
            await _ask(client, request(server, origin=Origin("https", "127.0.0.1", server.port)))
    await _ask(client, request(server))
    await client.aclose()


async def _no_tls(peer: Peer) -> None:
    await peer.send(b"no TLS")
