"""Keeping connections: when one carries the next request, and the race of a server that closes it."""

import asyncio

import pytest

from freetheai_gateway.services.ports import Failure, Phase, UpstreamClient
from freetheai_gateway.testing.tcp import Peer, tcp_server
from tests.contract.upstream_client.calls import (
    CHUNKED,
    OK,
    answers,
    failure,
    failure_of_reading,
    read_all,
    request,
)


async def answer_for_ever(peer: Peer) -> None:
    """Script: a server that keeps its connections."""
    while True:
        await peer.request()
        await peer.send(OK)


async def hold_back(peer: Peer) -> None:
    """Script: answer with heads; the test sends the ends."""
    while True:
        await peer.request()
        await peer.send(CHUNKED)


async def test_connection_when_the_reply_was_read_then_it_carries_the_next_request(client: UpstreamClient) -> None:
    """One connection serves requests that come one after another."""
    async with tcp_server(answer_for_ever) as server:
        for _ in range(5):
            assert await read_all(await client.send(request(server))) == b"ok"
        assert len(server.peers) == 1


async def test_connections_when_requests_overlap_then_each_has_its_own(client: UpstreamClient) -> None:
    """Nothing is pipelined, and all of them are kept."""
    async with tcp_server(hold_back) as server:
        for _ in range(2):
            replies = [await client.send(request(server)) for _ in range(3)]
            for peer in server.peers:
                await peer.send(b"0\r\n\r\n")
            for reply in replies:
                await read_all(reply)
        assert len(server.peers) == 3


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", id="close asked"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", id="HTTP/1.0"),
    ],
)
async def test_connection_when_the_peer_will_not_keep_it_then_we_close_it(client: UpstreamClient, raw: bytes) -> None:
    """The peer sees the close without closing itself."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await peer.until_left()

    async with tcp_server(script) as server:
        for number in range(2):
            assert await read_all(await client.send(request(server))) == b"ok"
            await (await server.peer(number)).left()


async def test_connection_when_bytes_follow_a_complete_reply_then_no_request_reads_them(
    client: UpstreamClient,
) -> None:
    """A reply that nobody asked for must not answer the next caller."""
    async with tcp_server(answers(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")) as server:
        for _ in range(2):
            assert await read_all(await client.send(request(server))) == b"ok"
        assert len(server.peers) == 2


async def test_connection_when_bytes_come_while_it_idles_then_no_request_reads_them(client: UpstreamClient) -> None:
    """The same, a moment later."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.until_left()

    async with tcp_server(script) as server:
        assert await read_all(await client.send(request(server))) == b"ok"
        await server.peers[0].send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
        for _ in range(10):  # turns of the loop, in which the client has read them
            await asyncio.sleep(0)
        assert await read_all(await client.send(request(server))) == b"ok"


async def test_reused_connection_when_it_is_closed_without_a_byte_then_the_request_is_sent_on_a_new_one(
    client: UpstreamClient,
) -> None:
    """The server closed an idle connection while the request was on its way."""
    requests = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.request())
        await peer.send(OK)
        await peer.request()  # read, and answered by closing

    async with tcp_server(script) as server:
        assert await read_all(await client.send(request(server))) == b"ok"
        assert await read_all(await client.send(request(server, body=b'{"second":true}'))) == b"ok"
        assert len(server.peers) == 2
    assert requests[1].endswith(b'{"second":true}')


async def test_reused_connection_when_it_closes_twice_in_a_row_then_the_second_time_is_a_failure(
    client: UpstreamClient,
) -> None:
    """Once more, not for ever: the new connection has no race to lose."""
    refuse = False

    async def script(peer: Peer) -> None:
        await peer.request()
        if not refuse:
            await peer.send(OK)
            await peer.request()

    async with tcp_server(script) as server:
        await read_all(await client.send(request(server)))
        refuse = True
        failed = await failure(client, request(server))
        assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.SENT)
        assert len(server.peers) == 2


async def test_reused_connection_when_the_head_had_begun_then_the_request_is_not_repeated(
    client: UpstreamClient,
) -> None:
    """A peer that had begun to answer may have executed the request."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-")

    async with tcp_server(script) as server:
        await read_all(await client.send(request(server)))
        failed = await failure(client, request(server))
        assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.HEAD)
        assert len(server.peers) == 1


async def test_fresh_connection_when_it_is_closed_without_a_byte_then_the_request_is_not_repeated(
    client: UpstreamClient,
) -> None:
    """A new connection can't have been idle: the peer took the request and gave up."""
    async with tcp_server(answers()) as server:
        failed = await failure(client, request(server))
        assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.SENT)
        assert failed.request_sent
        assert len(server.peers) == 1


async def test_reply_when_it_is_closed_early_then_the_peer_sees_it_and_reading_on_fails(
    client: UpstreamClient,
) -> None:
    """Half a reply never passes for a whole one, and closing twice is harmless."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nabc\r\n")
        await peer.until_left()

    async with tcp_server(script) as server:
        reply = await client.send(request(server))
        reply.close()
        reply.close()
        await (await server.peer()).left()
        failed = await failure_of_reading(reply)
    assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.BODY)


async def test_client_when_it_is_closed_then_idle_and_running_connections_go(client: UpstreamClient) -> None:
    """Nothing outlives `aclose`."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED if len(server.peers) == 1 else OK)
        await peer.until_left()

    async with tcp_server(script) as server:
        running = await client.send(request(server))
        idle = await client.send(request(server))
        await read_all(idle)
        await client.aclose()
        for peer in server.peers:
            await peer.left()
        running.close()
