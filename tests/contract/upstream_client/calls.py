"""How the suite calls a client: short forms of requests, replies and failures."""

import pytest
from msgspec.structs import replace

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Origin, UpstreamClient, UpstreamFailed, UpstreamReply, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, Script, TcpServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def request(server: TcpServer, **changes: object) -> UpstreamRequest:
    """Ask the server for something, over plain TCP unless `origin` says otherwise."""
    plain = UpstreamRequest("POST", Origin("http", "127.0.0.1", server.port), "/v1/chat", body=b"{}")
    return replace(plain, **changes)


def streamed(server: TcpServer, timeouts: Timeouts | None = None) -> UpstreamRequest:
    """Ask for a stream."""
    return request(server, streamed=True, timeouts=timeouts or Timeouts())


async def read_all(reply: UpstreamReply) -> bytes:
    """Read a reply to its end and close it."""
    parts = []
    try:
        while part := await reply.read():
            parts.append(part)
    finally:
        reply.close()
    return b"".join(parts)


async def failure_of_reading(reply: UpstreamReply) -> UpstreamFailed:
    """Read what must fail, and give back how."""
    with pytest.raises(UpstreamFailed) as failed:
        await read_all(reply)
    return failed.value


async def failure(client: UpstreamClient, asked: UpstreamRequest) -> UpstreamFailed:
    """Send what must fail, at the head or in the body, and give back how."""
    with pytest.raises(UpstreamFailed) as failed:
        await read_all(await client.send(asked))
    return failed.value


def answers(*parts: bytes) -> Script:
    """Script: read one request, send the parts, close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*parts)

    return script


def answers_and_stays(*parts: bytes) -> Script:
    """Script: read one request, send the parts, then wait until the client leaves."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*parts)
        await peer.until_left()

    return script
