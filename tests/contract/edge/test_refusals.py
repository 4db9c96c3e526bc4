"""What is no acceptable request is answered in the error envelope, and the connection closed."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from tests.contract.edge.serving import SOON_S, Reply, Service, answer, echo, serving

SMALL_CAP = 1_000
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def assert_refused(reply: Reply, status: int) -> None:
    """Check the status, the envelope, one id everywhere, and that the connection is given up."""
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["connection"] == "close"
    assert reply.headers["x-request-id"] == reply.headers["request-id"] == reply.error["request_id"]
    assert reply.error["request_id"].startswith("req_")
    assert "date" in reply.headers


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"hello?\r\n\r\n", id="garbage"),
        pytest.param(b"GET /\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param(b"GET / HTTP/2.0\r\n\r\n", id="HTTP/2 in the request line"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"a" * 60, id="TLS hello"),
        pytest.param(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", id="CONNECT"),
        pytest.param(b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", id="target without a host"),
        pytest.param("GET /é HTTP/1.1\r\nHost: a\r\n\r\n".encode(), id="raw byte in the target"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", id="NUL in a header"),
        pytest.param(b"GET / HTTP/1.1\r\nA b: c\r\n\r\n", id="blank in a name"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", id="folded header"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", id="bare line feeds"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", id="bad chunk"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", id="chunk too long"),
    ],
)
async def test_request_when_it_is_malformed_then_400_in_the_envelope_and_close(raw: bytes) -> None:
    """Never plain text, never silence."""
    async with serving(echo) as service:
        client = await service.connect()
        assert_refused(await client.ask(raw), 400)
        assert await client.is_closed()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", id="length and chunked"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", id="chunked and length"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 30\r\n", id="two lengths"),
        pytest.param(b"Content-Length: 5, 30\r\n", id="list of lengths"),
        pytest.param(b"Content-Length: +5\r\n", id="signed length"),
        pytest.param(b"Content-Length : 5\r\n", id="blank before the colon"),
        pytest.param(b"Transfer-Encoding: identity\r\n", id="identity"),
        pytest.param(b"Transfer-Encoding: xchunked\r\n", id="unknown coding"),
        pytest.param(b"Transfer-Encoding: chunked, identity\r\n", id="chunked not last"),
    ],
)
async def test_request_when_its_length_is_ambiguous_then_400_and_the_app_sees_nothing(headers: bytes) -> None:
    """Two readings of one length would let a request be smuggled past a proxy."""
    called = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    async with serving(app) as service:
        client = await service.connect()
        assert_refused(
            await client.ask(POST + headers + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400
        )
        assert await client.is_closed()
    assert called == []


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"u" * SMALL_CAP + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="target"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"v" * SMALL_CAP + b"\r\n\r\n", id="one value"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (SMALL_CAP // 5) + b"\r\n", id="many headers"),
    ],
)
async def test_head_when_it_is_over_the_cap_then_431(head: bytes) -> None:
    """Request line and headers count together, in one piece or in many."""
    async with serving(echo, max_header_bytes=SMALL_CAP) as service:
        assert_refused(await service.ask(head), 431)
        client = await service.connect()
        for start in range(0, len(head), 100):
            await client.send(head[start : start + 100])
            await asyncio.sleep(0)
        assert_refused(await client.reply(), 431)
        assert await client.is_closed()


async def test_head_when_it_is_just_under_the_cap_then_it_is_served() -> None:
    """The default cap lets 60 kB through, in any number of pieces, and after a large body."""
    large = b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"v" * 60_000 + b"\r\n\r\n"
    async with serving(echo) as service:
        client = await service.connect()
        assert (await client.ask(large)).status == 200
        body = b"b" * 150_000
        await client.send(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + large)
        assert (await client.reply()).body == b"POST / " + body
        assert (await client.reply()).body == b"GET / "


@pytest.mark.parametrize("piece", [b"a: " + b"v" * 60_000 + b"\r\n", b"a:" + b"v" * 60_000], ids=["lines", "value"])
async def test_head_when_it_never_ends_then_431_comes_while_it_is_sent_and_the_rest_is_not_kept(piece: bytes) -> None:
    """Sixty megabytes, as many headers or as one value."""
    async with serving(echo, discard_s=SOON_S) as service:
        client = await service.connect()
        await client.send(b"GET / HTTP/1.1\r\n" + piece * 10)
        assert_refused(await client.reply(), 431)
        tracemalloc.start()
        for _ in range(1_000):
            await client.send(piece)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 2_000_000


async def test_trailers_when_they_never_end_then_431() -> None:
    """What follows the last chunk counts as headers, too."""
    async with serving(echo, max_header_bytes=SMALL_CAP) as service:
        client = await service.connect()
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
        for _ in range(50):
            await client.send(b"t: " + b"v" * 100 + b"\r\n")
        assert_refused(await client.reply(), 431)


async def test_trailers_when_they_are_few_then_they_do_not_become_headers() -> None:
    """A trailer can't add a key to a request that is running."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        seen.append(scope["headers"])

    async with serving(app) as service:
        raw = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n"
        assert (await service.ask(raw)).body == b"POST / abc"
    assert seen == [[(b"host", b"a"), (b"transfer-encoding", b"chunked")]]


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
async def test_upgrade_when_asked_for_then_it_is_an_ordinary_request(upgrade: bytes) -> None:
    """Java's client asks for h2c with its first POST; its body and its next request must arrive."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\n"
    async with serving(echo) as service:
        client = await service.connect()
        await client.send(
            POST + offer + b"Content-Length: 3\r\n\r\nabc" + POST + offer + b"Content-Length: 2\r\n\r\nde"
        )
        assert (await client.reply()).body == b"POST / abc"
        assert (await client.reply()).body == b"POST / de"


async def test_garbage_when_an_answer_is_owed_then_that_comes_first() -> None:
    """A client that errs in its second request still gets the answer to its first."""
    async with serving(echo) as service:
        client = await service.connect()
        await client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\ngarbage\r\n\r\n")
        assert (await client.reply()).body == b"GET /1 "
        assert_refused(await client.reply(), 400)
        assert await client.is_closed()


async def test_body_when_it_breaks_in_a_waiting_request_then_that_one_never_begins() -> None:
    """The one before it is answered, the one after it is not read."""
    called = []
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope["path"])
        await release.wait()
        await answer(send, b"ok")

    async with serving(app) as service:
        client = await service.connect()
        await client.send(b"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        release.set()
        assert (await client.reply()).body == b"ok"
        assert_refused(await client.reply(), 400)
        assert await client.is_closed()
    assert called == ["/1"]


async def test_body_when_it_breaks_during_the_response_then_the_response_is_cut() -> None:
    """An error can't be written into the middle of a response."""
    begun = asyncio.Event()
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        begun.set()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async with serving(app) as service:
        client = await service.connect()
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.head()
        await begun.wait()
        await client.send(b"zz\r\n")
        assert await client.reader.read() == b"4\r\nhalf\r\n"
        await left.wait()


async def test_pipeline_when_it_is_absurdly_long_then_400_after_the_answers() -> None:
    """Waiting requests cost memory before any limit of an account is looked at."""
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await answer(send, b"ok")

    async with serving(app) as service:
        client = await service.connect()
        await client.send(b"GET / HTTP/1.1\r\n\r\n" * 1_000)
        release.set()
        replies = [await client.reply() for _ in range(258)]
        assert [reply.status for reply in replies] == [200] * 257 + [400]
        assert await client.is_closed()


async def test_pipeline_when_it_goes_on_and_on_then_it_is_read_no_faster_than_answered() -> None:
    """Four hundred requests are more than may wait, but no more than may come one after the other."""
    turns = asyncio.Semaphore(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await turns.acquire()
        await echo(scope, receive, send)

    async with serving(app) as service:
        client = await service.connect()
        await client.send(b"GET / HTTP/1.1\r\n\r\n" * 200)
        assert (await client.reply()).status == 200
        await client.send(b"GET / HTTP/1.1\r\n\r\n" * 200)
        await asyncio.sleep(0.05)  # in which a wrong server would read on
        for _ in range(400):
            turns.release()
        assert {(await client.reply()).status for _ in range(399)} == {200}


async def test_service_when_clients_erred_then_it_serves_the_next() -> None:
    """Nothing is left of refused connections."""
    async with serving(echo) as service:
        await _refuse_some(service)
        assert (await service.ask(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"GET /ok "


async def _refuse_some(service: Service) -> None:
    for _ in range(5):
        client = await service.connect()
        assert (await client.ask(b"garbage\r\n\r\n")).status == 400
        client.leave()
