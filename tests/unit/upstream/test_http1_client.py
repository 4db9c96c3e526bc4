"""What only our own client promises: its counters, its sweep, its buffer, and a resolver that hangs."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamFailed, UpstreamReply, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, TcpServer, tcp_server
from freetheai_gateway.upstream.http1 import Http1Client, PoolLimits
from freetheai_gateway.upstream.http1.connection import HIGH_WATER_BYTES

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
async def client() -> AsyncIterator[Http1Client]:
    """Keep two idle connections, for a twentieth of a second."""
    client = Http1Client(PoolLimits(idle_s=0.05, idle_per_origin=2), NO_TLS)
    yield client
    await client.aclose()
    assert client.open_connections == client.idle_connections == 0


def ask(server: TcpServer) -> UpstreamRequest:
    return UpstreamRequest("GET", Origin("http", "127.0.0.1", server.port), "/")


async def finish(reply: UpstreamReply) -> None:
    while await reply.read():
        pass
    reply.close()


async def answer_once(peer: Peer) -> None:
    await peer.request()
    await peer.send(OK)
    await peer.until_left()


async def test_counters_when_exchanges_run_and_end_then_they_follow(client: Http1Client) -> None:
    """Open counts all, idle those that wait; more than may idle are closed."""
    async with tcp_server(answer_once) as server:
        replies = [await client.send(ask(server)) for _ in range(3)]
        assert (client.open_connections, client.idle_connections) == (3, 0)
        for reply in replies:
            await finish(reply)
        assert client.idle_connections == 2
        await server.peers[0].left()


async def test_idle_connections_when_they_idle_too_long_then_they_are_closed(client: Http1Client) -> None:
    """Without another request having to come."""
    async with tcp_server(answer_once) as server:
        await finish(await client.send(ask(server)))
        assert client.idle_connections == 1
        await server.peers[0].left()
    assert client.open_connections == 0


async def test_idle_connection_when_the_peer_closes_it_then_it_is_forgotten(client: Http1Client) -> None:
    """Before the next request finds it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async with tcp_server(script) as server:
        await finish(await client.send(ask(server)))
        while client.open_connections:  # noqa: ASYNC110 - the client has no event for it, and needs none
            await asyncio.sleep(0)
        assert client.idle_connections == 0


async def test_idle_connection_when_it_was_given_up_in_this_very_turn_then_it_is_not_chosen(
    client: Http1Client,
) -> None:
    """The loop has not reported it lost yet."""
    async with tcp_server(answer_once) as server:
        await finish(await client.send(ask(server)))
        next(iter(client._open)).data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert client.idle_connections == 1
        await finish(await client.send(ask(server)))
        assert len(server.peers) == 2


async def test_reply_when_it_is_closed_then_it_has_no_hold_on_the_connection(client: Http1Client) -> None:
    """The connection may serve somebody else by then."""
    async with tcp_server(answer_once) as server:
        reply = await client.send(ask(server))
        await finish(reply)
        assert client.idle_connections == 1
        with pytest.raises(UpstreamFailed) as failed:
            await reply.read()
        assert failed.value.failure is Failure.CLOSED


async def test_reply_when_closed_by_another_task_then_its_reader_fails_at_once(client: Http1Client) -> None:
    """A client that disconnects closes the reply from outside."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK[:-1])
        await peer.until_left()

    async with tcp_server(script) as server:
        reply = await client.send(ask(server))
        assert await reply.read() == b"o"
        reading = asyncio.get_running_loop().create_task(reply.read())
        await asyncio.sleep(0)
        reply.close()
        with pytest.raises(UpstreamFailed) as failed:
            await reading
        assert (failed.value.failure, failed.value.phase) == (Failure.CLOSED, Phase.BODY)
        await server.peers[0].left()


async def test_body_when_nobody_reads_then_the_buffer_stays_near_its_mark(client: Http1Client) -> None:
    """One read of the socket may come on top, no more."""
    total = 32 * HIGH_WATER_BYTES

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        await peer.send(*([b"x" * HIGH_WATER_BYTES] * 32))

    async with tcp_server(script) as server:
        reply = await client.send(ask(server))
        received = 0
        while True:
            for _ in range(20):  # turns of the loop in which all would arrive if nothing held it back
                await asyncio.sleep(0)
            part = await reply.read()
            assert len(part) <= 2 * HIGH_WATER_BYTES
            if not part:
                break
            received += len(part)
        reply.close()
    assert received == total


@pytest.mark.parametrize("timeouts", [Timeouts(connect_s=0.02), Timeouts(total_s=0.02)])
async def test_resolve_when_the_name_server_is_silent_then_the_deadline_ends_it(
    client: Http1Client, monkeypatch: pytest.MonkeyPatch, timeouts: Timeouts
) -> None:
    """A name server that does not answer is a connect timeout in phase resolve."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    with pytest.raises(UpstreamFailed) as failed:
        await client.send(UpstreamRequest("GET", Origin("http", "slow.test", 80), "/", timeouts=timeouts))
    assert failed.value.phase is Phase.RESOLVE
    expected = Failure.TOTAL_TIMEOUT if timeouts.total_s < timeouts.connect_s else Failure.CONNECT_TIMEOUT
    assert failed.value.failure is expected


async def test_resolve_when_cancelled_then_it_ends_at_once(
    client: Http1Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was opened."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    asked = UpstreamRequest("GET", Origin("http", "slow.test", 80), "/")
    sending = asyncio.get_running_loop().create_task(client.send(asked))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert client.open_connections == 0


async def hang(*_: object, **__: object) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "127.0.0.1:1", "http://:99999"])
async def test_proxy_when_its_url_is_not_understood_then_proxy_failure(client: Http1Client, proxy: str) -> None:
    """Never a direct connection instead."""
    with pytest.raises(UpstreamFailed) as failed:
        await client.send(UpstreamRequest("GET", Origin("http", "127.0.0.1", 1, proxy=proxy), "/"))
    assert failed.value.failure is Failure.PROXY


async def test_send_when_the_client_is_closed_then_closed_in_connect(client: Http1Client) -> None:
    """A request that comes during shutdown leaves no connection behind."""
    async with tcp_server(answer_once) as server:
        await client.aclose()
        with pytest.raises(UpstreamFailed) as failed:
            await client.send(ask(server))
        assert (failed.value.failure, failed.value.phase) == (Failure.CLOSED, Phase.CONNECT)
        assert client.open_connections == 0


async def test_reused_connection_when_it_closes_too_late_for_a_race_then_the_request_is_not_repeated() -> None:
    """A server that died at work on a request must not be given it twice: the answer may already be paid for."""
    requests = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.request())
        await peer.send(OK)
        requests.append(await peer.request())  # executed, and then the server dies

    hasty = Http1Client(PoolLimits(race_s=0.0), NO_TLS)
    async with tcp_server(script) as server:
        await finish(await hasty.send(ask(server)))
        with pytest.raises(UpstreamFailed) as caught:
            await hasty.send(ask(server))
        assert (caught.value.failure, caught.value.phase) == (Failure.CLOSED, Phase.SENT)
        assert len(requests) == 2
    await hasty.aclose()
