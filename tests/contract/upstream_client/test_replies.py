"""Replies: how bodies end, what is skipped, what is refused."""

import asyncio

import pytest

from freetheai_gateway.services.ports import Failure, Phase, UpstreamClient, UpstreamFailed
from freetheai_gateway.testing.tcp import Peer, tcp_server
from tests.contract.upstream_client.calls import CHUNKED, OK, answers, failure, read_all, request, streamed


async def test_reply_when_it_has_a_length_then_status_headers_and_body_arrive(client: UpstreamClient) -> None:
    """Names come in lower case, in the order they came, values without the blanks around them."""
    head = b"HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\nX-Two: b\r\nX-Two: a\r\nContent-Length: 5\r\n\r\n"
    async with tcp_server(answers(head + b"later")) as server:
        reply = await client.send(request(server))
        assert reply.status == 429
        assert list(reply.headers) == [
            (b"retry-after", b"7"),
            (b"x-two", b"b"),
            (b"x-two", b"a"),
            (b"content-length", b"5"),
        ]
        assert await read_all(reply) == b"later"


async def test_reply_when_it_says_that_all_was_taken_then_nothing_more_comes(client: UpstreamClient) -> None:
    """`at_end` may be late, and is never early: what it spares is a last read that gives nothing."""
    async with tcp_server(answers(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) as server:
        reply = await client.send(request(server))
        body = b""
        while not reply.at_end and (data := await reply.read()):
            body += data
        assert body == b"abcde"
        assert await reply.read() == b""


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end", id="close-delimited"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", 200, b"", id="close-delimited and empty"),
        pytest.param(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, b"abcde", id="chunked"),
        pytest.param(CHUNKED + b'3;a=1;b="c"\r\nabc\r\n0;z\r\nX-T: 1\r\n\r\n', 200, b"abc", id="extensions, trailers"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", id="no content"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", id="not modified"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", id="100"),
        pytest.param(b"HTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + OK, 200, b"ok", id="103, 102"),
        pytest.param(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 302, b"", id="redirect"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nGZIP", 200, b"GZIP", id="encoded"
        ),
    ],
)
async def test_reply_when_it_is_sound_then_it_is_given_as_it_is(
    client: UpstreamClient, raw: bytes, status: int, body: bytes
) -> None:
    """Framing is undone and nothing else: no redirect is followed, nothing is decompressed."""
    async with tcp_server(answers(raw)) as server:
        reply = await client.send(request(server))
        assert reply.status == status
        assert await read_all(reply) == body
        assert len(server.peers) == 1


async def test_reply_when_the_method_is_head_then_it_ends_with_its_head(client: UpstreamClient) -> None:
    """The length is that of the body that GET would bring."""
    async with tcp_server(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")) as server:
        reply = await client.send(request(server, method="HEAD", body=b""))
        assert (b"content-length", b"1000") in reply.headers
        assert await read_all(reply) == b""


async def test_reply_when_it_trickles_byte_by_byte_then_it_is_whole(client: UpstreamClient) -> None:
    """A slow peer is no malformed one."""
    raw = CHUNKED.replace(b"\r\n\r\n", b"\r\nx-a: b\r\n\r\n") + b"3\r\nabc\r\n0\r\n\r\n"
    async with tcp_server(answers(*(raw[at : at + 1] for at in range(len(raw))))) as server:
        reply = await client.send(streamed(server))
        assert (b"x-a", b"b") in reply.headers
        assert await read_all(reply) == b"abc"


async def test_reply_when_it_brings_cookies_then_the_next_request_keeps_none(client: UpstreamClient) -> None:
    """The upstream's cookies belong to no one."""
    requests = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            requests.append(await peer.request())
            await peer.send(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")

    async with tcp_server(script) as server:
        await read_all(await client.send(request(server)))
        await read_all(await client.send(request(server)))
    assert requests[0] == requests[1]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx y z\r\n\r\n", id="no header"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", id="a huge header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n", id="a thousand headers"),
    ],
)
async def test_head_when_it_is_malformed_or_over_a_cap_then_protocol_failure(
    client: UpstreamClient, raw: bytes
) -> None:
    """What came was no answer, and the request may have been executed."""
    async with tcp_server(answers(raw)) as server:
        failed = await failure(client, request(server))
    assert failed.failure is Failure.PROTOCOL
    assert failed.phase is Phase.HEAD
    assert failed.request_sent


async def test_body_when_a_chunk_is_malformed_then_it_does_not_end_cleanly(client: UpstreamClient) -> None:
    """A broken stream never looks like a whole one."""
    first_read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\nabc\r\n")
        await first_read.wait()
        await peer.send(b"zz\r\n")
        await peer.until_left()

    async with tcp_server(script) as server:
        reply = await client.send(request(server))
        assert await reply.read() == b"abc"
        first_read.set()
        with pytest.raises(UpstreamFailed) as failed:
            await read_all(reply)
        await (await server.peer()).left()
    assert failed.value.failure in {Failure.PROTOCOL, Failure.CLOSED}  # aiohttp does not tell them apart
    assert failed.value.phase is Phase.BODY


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", id="length"),
        pytest.param(CHUNKED + b"5\r\nshort\r\n", id="no last chunk"),
        pytest.param(CHUNKED + b"9\r\nshort", id="inside a chunk"),
    ],
)
async def test_body_when_the_peer_closes_early_then_closed_in_body(client: UpstreamClient, raw: bytes) -> None:
    """A cut stream is told from a finished one."""
    async with tcp_server(answers(raw)) as server:
        failed = await failure(client, request(server))
    assert (failed.failure, failed.phase) == (Failure.CLOSED, Phase.BODY)


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n"])
async def test_body_when_the_peer_resets_then_closed_in_body(client: UpstreamClient, raw: bytes) -> None:
    """A reset never counts as the end, not even of a body that ends with its connection."""
    first_read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await first_read.wait()
        peer.reset()

    async with tcp_server(script) as server:
        reply = await client.send(request(server))
        assert await reply.read() == b"abc"
        first_read.set()
        with pytest.raises(UpstreamFailed) as failed:
            await read_all(reply)
    assert (failed.value.failure, failed.value.phase) == (Failure.CLOSED, Phase.BODY)


async def test_body_when_nobody_reads_then_the_peer_is_held_back(client: UpstreamClient) -> None:
    """Ten thousand chunks of 4 kB don't pile up in memory: the peer gets rid of what buffers hold and no more."""
    event = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(10_000):
            await peer.send(event)
            sent += 1
        await peer.send(b"0\r\n\r\n")

    async with tcp_server(script) as server:
        reply = await client.send(streamed(server))
        while True:  # until the peer makes no progress any more
            before = sent
            await asyncio.sleep(0.05)
            if sent == before > 0:
                break
        assert sent < 9_000
        largest = 0
        total = 0
        while part := await reply.read():
            largest = max(largest, len(part))
            total += len(part)
        reply.close()
    assert total == 10_000 * 4096
    assert largest < 1024 * 1024
