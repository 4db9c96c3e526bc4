"""Deadlines: each is a failure of its own and says how far the call had come."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamClient, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, tcp_server
from tests.contract.upstream_client.calls import (
    CHUNKED,
    OK,
    answers_and_stays,
    failure,
    failure_of_reading,
    read_all,
    request,
    streamed,
)

SHORT_S = 0.05
EVENT = b"3\r\nabc\r\n"


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Listen on a port whose queue is full: who connects gets no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
            waiting.append(caller)
        yield port
        for caller in waiting:
            caller.close()


def to(port: int, timeouts: Timeouts, scheme: str = "http") -> UpstreamRequest:
    """Ask a port for something."""
    return UpstreamRequest("GET", Origin(scheme, "127.0.0.1", port), "/", timeouts=timeouts)


async def test_connect_when_nobody_accepts_then_connect_timeout_and_nothing_sent(
    client: UpstreamClient, deaf_port: int
) -> None:
    """The one timeout after which another upstream may be tried without a second thought."""
    failed = await failure(client, to(deaf_port, Timeouts(connect_s=SHORT_S)))
    assert (failed.failure, failed.phase) == (Failure.CONNECT_TIMEOUT, Phase.CONNECT)
    assert not failed.request_sent


async def test_connect_when_the_total_is_shorter_then_total_timeout(client: UpstreamClient, deaf_port: int) -> None:
    """Whichever deadline passes first names the failure."""
    failed = await failure(client, to(deaf_port, Timeouts(total_s=SHORT_S)))
    assert (failed.failure, failed.phase) == (Failure.TOTAL_TIMEOUT, Phase.CONNECT)


async def test_connect_when_the_handshake_stalls_then_connect_timeout_and_nothing_sent(client: UpstreamClient) -> None:
    """TLS belongs to connecting; aiohttp does not tell the two apart."""
    async with tcp_server(Peer.until_left) as server:
        failed = await failure(client, to(server.port, Timeouts(connect_s=SHORT_S), "https"))
        await (await server.peer()).left()
    assert failed.failure is Failure.CONNECT_TIMEOUT
    assert failed.phase in {Phase.CONNECT, Phase.TLS}
    assert not failed.request_sent


async def test_stream_when_the_head_does_not_come_then_head_timeout_in_sent(client: UpstreamClient) -> None:
    """The peer sees the close."""
    async with tcp_server(answers_and_stays()) as server:
        failed = await failure(client, streamed(server, Timeouts(first_byte_s=SHORT_S)))
        await (await server.peer()).left()
    assert (failed.failure, failed.phase) == (Failure.HEAD_TIMEOUT, Phase.SENT)
    assert failed.request_sent


async def test_stream_when_the_head_stops_half_way_then_head_timeout(client: UpstreamClient) -> None:
    """Bytes of the head are no first byte."""
    async with tcp_server(answers_and_stays(b"HTTP/1.1 200 OK\r\ncontent-")) as server:
        failed = await failure(client, streamed(server, Timeouts(first_byte_s=SHORT_S)))
    assert failed.failure is Failure.HEAD_TIMEOUT
    assert failed.phase in {Phase.SENT, Phase.HEAD}  # aiohttp does not tell them apart


async def test_stream_when_no_body_follows_the_head_then_head_timeout_in_body(client: UpstreamClient) -> None:
    """A provider that answers 200 at once and then thinks has not delivered its first byte."""
    async with tcp_server(answers_and_stays(CHUNKED)) as server:
        failed = await failure(client, streamed(server, Timeouts(first_byte_s=SHORT_S)))
        await (await server.peer()).left()
    assert (failed.failure, failed.phase) == (Failure.HEAD_TIMEOUT, Phase.BODY)


async def test_stream_when_it_falls_silent_then_idle_timeout_in_body(client: UpstreamClient) -> None:
    """Also where the deadline for the first byte is far longer, and still armed."""
    async with tcp_server(answers_and_stays(CHUNKED + EVENT)) as server:
        failed = await failure(client, streamed(server, Timeouts(first_byte_s=60, idle_s=SHORT_S)))
        await (await server.peer()).left()
    assert (failed.failure, failed.phase) == (Failure.IDLE_TIMEOUT, Phase.BODY)


async def test_stream_when_bytes_keep_coming_then_the_idle_deadline_moves_along(client: UpstreamClient) -> None:
    """Three silences, each shorter than the deadline and together longer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(3):
            await peer.send(EVENT)
            await asyncio.sleep(0.3)
        await peer.send(b"0\r\n\r\n")

    async with tcp_server(script) as server:
        reply = await client.send(streamed(server, Timeouts(first_byte_s=0.6, idle_s=0.6)))
        assert await read_all(reply) == b"abcabcabc"


async def test_stream_when_it_lives_and_brings_no_content_then_content_timeout(client: UpstreamClient) -> None:
    """Comments and pings move the idle deadline and not this one."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(EVENT)
            await asyncio.sleep(0.02)

    async with tcp_server(script) as server:
        timeouts = Timeouts(first_content_s=0.15, idle_s=60)
        failed = await failure(client, streamed(server, timeouts))
    assert (failed.failure, failed.phase) == (Failure.CONTENT_TIMEOUT, Phase.BODY)


async def test_stream_when_content_came_then_only_the_idle_deadline_holds(client: UpstreamClient) -> None:
    """What was noted in time stays so, on a connection that is used again too."""
    async with tcp_server(answers_and_stays(CHUNKED + EVENT)) as server:
        reply = await client.send(streamed(server, Timeouts(first_content_s=0.2, idle_s=0.4)))
        assert await reply.read() == b"abc"
        reply.content_came()
        failed = await failure_of_reading(reply)
    assert failed.failure is Failure.IDLE_TIMEOUT


async def test_stream_when_the_reader_is_slow_then_the_idle_deadline_does_not_pass(client: UpstreamClient) -> None:
    """The peer is not blamed for the time that we take, though its deadline ran while we still waited."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, EVENT)
        await peer.until_left()

    async with tcp_server(script) as server:
        reply = await client.send(streamed(server, Timeouts(idle_s=0.2)))
        assert await reply.read() == b"abc"
        reading = asyncio.get_running_loop().create_task(reply.read())
        await asyncio.sleep(0)
        await server.peers[0].send(EVENT)
        assert await reading == b"abc"
        await asyncio.sleep(0.3)
        await server.peers[0].send(b"0\r\n\r\n")
        assert await reply.read() == b""
        reply.close()


async def test_stream_when_it_takes_too_long_in_all_then_total_timeout_in_body(client: UpstreamClient) -> None:
    """A stream that never falls silent ends too."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(EVENT)
            await asyncio.sleep(0.01)

    async with tcp_server(script) as server:
        failed = await failure(client, streamed(server, Timeouts(total_s=0.1)))
    assert (failed.failure, failed.phase) == (Failure.TOTAL_TIMEOUT, Phase.BODY)


async def test_whole_reply_when_head_and_body_are_slow_then_only_the_total_counts(client: UpstreamClient) -> None:
    """A model that is not streaming says nothing until it has finished."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok")
        await asyncio.sleep(0.05)
        await peer.send(b"ay")

    async with tcp_server(script) as server:
        asked = request(server, timeouts=Timeouts(first_byte_s=0.01, idle_s=0.01))
        assert await read_all(await client.send(asked)) == b"okay"


async def test_whole_reply_when_it_does_not_come_then_total_timeout_in_sent(client: UpstreamClient) -> None:
    """The peer sees the close."""
    async with tcp_server(answers_and_stays()) as server:
        failed = await failure(client, request(server, timeouts=Timeouts(total_s=SHORT_S)))
        await (await server.peer()).left()
    assert (failed.failure, failed.phase) == (Failure.TOTAL_TIMEOUT, Phase.SENT)


async def test_upload_when_the_peer_does_not_read_then_total_timeout(client: UpstreamClient) -> None:
    """A body that can't be written has the same deadline."""
    stop = asyncio.Event()

    async def script(_: Peer) -> None:
        await stop.wait()

    async with tcp_server(script) as server:
        asked = request(server, body=b"x" * 20_000_000, timeouts=Timeouts(total_s=0.2))
        failed = await failure(client, asked)
        stop.set()
    assert (failed.failure, failed.phase) == (Failure.TOTAL_TIMEOUT, Phase.SENT)


async def test_reused_connection_when_the_next_request_has_shorter_deadlines_then_they_hold(
    client: UpstreamClient,
) -> None:
    """Deadlines belong to a request, not to its connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(CHUNKED + EVENT)
        await peer.until_left()

    async with tcp_server(script) as server:
        await read_all(await client.send(request(server)))
        reply = await client.send(streamed(server, Timeouts(idle_s=SHORT_S)))
        failed = await failure_of_reading(reply)
        assert (failed.failure, failed.phase) == (Failure.IDLE_TIMEOUT, Phase.BODY)
        assert len(server.peers) == 1
