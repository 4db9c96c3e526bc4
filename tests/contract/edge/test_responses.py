"""Responses on the wire: framing, order, early answers, and apps that fail."""

import asyncio
from typing import Any

import pytest

from freetheai_gateway.errors import NotFound
from tests.contract.edge.serving import SOON_S, answer, echo, read_body, serving, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


async def test_requests_when_pipelined_then_they_are_answered_in_order_and_one_at_a_time() -> None:
    """The connection stays open for more."""
    running = 0
    most = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        await echo(scope, receive, send)
        running -= 1

    async with serving(app) as service:
        client = await service.connect()
        posts = [b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nb%d" % (n, n) for n in range(3)]
        await client.send(b"".join(posts))
        assert [(await client.reply()).body for _ in posts] == [b"POST /0 b0", b"POST /1 b1", b"POST /2 b2"]
        assert (await client.ask(GET)).body == b"GET / "
    assert most == 1


async def test_request_when_it_says_close_then_the_connection_is_closed_after_the_answer() -> None:
    """And the response says so."""
    async with serving(echo) as service:
        client = await service.connect()
        reply = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert reply.headers["connection"] == "close"
        assert await client.is_closed()


async def test_target_when_it_is_escaped_or_absolute_then_path_raw_path_and_query_are_told_apart() -> None:
    """Model ids may hold `%2F`, so the raw path is kept."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], scope["raw_path"], scope["query_string"]))
        await answer(send, b"")

    async with serving(app) as service:
        client = await service.connect()
        for target in (b"/a%2Fb%20c?x=%20", b"//v1//models/", b"http://host", b"http://host/x?y"):
            await client.ask(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert seen == [
        ("/a/b c", b"/a%2Fb%20c", b"x=%20"),
        ("//v1//models/", b"//v1//models/", b""),
        ("/", b"/", b""),
        ("/x", b"/x", b"y"),
    ]


async def test_client_when_a_forwarding_header_comes_then_the_scope_names_the_peer() -> None:
    """Which proxies are believed is the app's to say."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))
        await answer(send, b"")

    async with serving(app) as service:
        reply = await service.ask(b"GET / HTTP/1.1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\r\n")
        assert "server" not in reply.headers
    assert seen == [("127.0.0.1", "http")]


async def test_head_when_asked_for_then_there_is_no_body() -> None:
    """With a length or without one; the next answer follows at once."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"5")] if scope["path"] == "/length" else []
        await send(START | {"headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    async with serving(app) as service:
        client = await service.connect()
        for path in (b"/length", b"/stream"):
            reply = await client.ask(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path, has_body=False)
            assert reply.status == 200
        assert (await client.ask(GET)).body == b"hello"


@pytest.mark.parametrize(("version", "framing"), [(b"1.1", "chunked"), (b"1.0", None)])
async def test_stream_when_it_has_no_length_then_it_is_framed_as_the_client_understands(
    version: bytes, framing: str | None
) -> None:
    """Chunks for HTTP/1.1; HTTP/1.0 reads until the connection closes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for part in (b"a", b"", b"bc"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async with serving(app) as service:
        reply = await service.ask(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        assert reply.body == b"abc"
        assert reply.headers.get("transfer-encoding") == framing


async def test_expect_continue_when_the_app_reads_then_100_comes_first() -> None:
    """A client such as curl holds large bodies back until then."""
    async with serving(echo) as service:
        client = await service.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert await client.head() == (100, {})
        assert (await client.ask(b"body")).body == b"POST / body"


async def test_expect_continue_when_the_body_comes_already_then_no_100_is_sent() -> None:
    """A client that did not wait needs no leave (RFC 9110 section 10.1.1)."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.put_nowait((await receive())["body"])
        received.put_nowait((await receive())["body"])
        await answer(send, b"ok")

    async with serving(app) as service:
        client = await service.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbo")
        assert await received.get() == b"bo"
        assert (await client.ask(b"dy")).status == 200
        assert await received.get() == b"dy"


async def test_expect_continue_when_the_app_refuses_then_no_100_is_sent() -> None:
    """Not before the answer and not after it; the body need not be sent at all."""
    received = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"too large", status=413)
        received.append(await receive())

    async with serving(app) as service:
        client = await service.connect()
        reply = await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert reply.status == 413
        assert reply.headers["connection"] == "close"
        assert await client.is_closed()
    assert received == [{"type": "http.disconnect"}]


async def test_answer_when_it_is_early_then_a_client_that_sends_first_can_read_it() -> None:
    """Forty megabytes are thrown away, the 413 is not lost to a reset, and nobody waits for the end of the wait."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await answer(send, b"too large", status=413)

    async with serving(app, discard_s=10 * SOON_S) as service:
        client = await service.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(40):
            await client.send(b"b" * 1_000_000)
        reply = await client.reply()
        assert (reply.status, reply.body) == (413, b"too large")
        assert reply.headers["connection"] == "close"
        assert await client.is_closed()


async def test_answer_when_it_is_early_and_the_client_does_not_end_then_it_is_closed_on() -> None:
    """Throwing away has its end, too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", status=413)

    async with serving(app, discard_s=0.05) as service:
        client = await service.connect()
        await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\nsome")
        await until(lambda: not service.server.server_state.connections)


async def test_answer_when_it_is_early_and_large_and_nobody_reads_it_then_the_connection_is_aborted() -> None:
    """Neither side moves, so neither waiting may be the last."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * 20_000_000, status=413)

    async with serving(app, discard_s=0.05, progress_timeout_s=0.1) as service:
        client = await service.connect(receive_buffer_bytes=4_096)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\nsome")
        await until(lambda: service.server.server_state.total_requests == 1)
        await until(lambda: not service.server.server_state.connections)


async def test_body_when_the_app_does_not_read_then_the_client_is_held_back() -> None:
    """At most the high-water mark and one read are kept, however much is sent."""
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        body = await read_body(receive)
        assert body is not None
        await answer(send, b"%d" % len(body))

    async with serving(app) as service:
        client = await service.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n" + b"b" * 20_000_000)
        await asyncio.sleep(0.05)
        (connection,) = service.server.server_state.connections
        held = vars(connection)["_running"].buffered_bytes
        assert 0 < held < 1_000_000
        release.set()
        assert (await client.reply()).body == b"20000000"


@pytest.mark.parametrize("error", [ValueError("a secret"), asyncio.CancelledError()])
async def test_app_when_it_raises_before_its_answer_then_500_in_the_envelope(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log names the class and the id, and nothing of the message."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    async with serving(app) as service:
        reply = await service.ask(GET)
        assert reply.status == 500
        assert reply.error["type"] == "server_error"
        assert reply.headers["request-id"] in reply.error["message"]
        assert (await service.ask(GET)).status == 500
    logged = capsys.readouterr()
    assert type(error).__name__ in logged.out + logged.err
    assert "secret" not in logged.out + logged.err


async def test_app_when_it_raises_an_error_of_ours_then_that_is_rendered() -> None:
    """Without a body for HEAD."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotFound("There is no such page.")

    async with serving(app) as service:
        assert (await service.ask(GET)).error["message"] == "There is no such page."
        client = await service.connect()
        reply = await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", has_body=False)
        assert reply.status == 404
        assert await client.is_closed()


async def test_app_when_it_fails_while_another_task_receives_then_that_task_is_told() -> None:
    """It would wait for ever."""
    received = []
    tasks = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        tasks.append(asyncio.ensure_future(receive()))
        await asyncio.sleep(0)
        raise ValueError

    async with serving(app) as service:
        assert (await service.ask(GET)).status == 500
        async with asyncio.timeout(SOON_S):
            received.append(await tasks[0])
    assert received == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("body", [b"", b"first"])
async def test_app_when_it_fails_after_the_head_then_the_response_is_cut_off(body: bytes) -> None:
    """No end is pretended: the last chunk is missing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        raise ValueError

    async with serving(app) as service:
        client = await service.connect()
        await client.send(GET)
        status, _ = await client.head()
        assert status == 200
        assert await client.reader.read() == (b"5\r\nfirst\r\n" if body else b"")


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="nothing"),
        pytest.param([{"type": "http.response.body", "body": b"x"}], id="body first"),
        pytest.param([START | {"headers": [(b"a", b"b\r\nset-cookie: c")]}], id="line end in a value"),
        pytest.param([START | {"headers": [(b"a\r\nb", b"c")]}], id="line end in a name"),
    ],
)
async def test_app_when_its_response_is_none_then_500(messages: list[dict[str, Any]]) -> None:
    """Nothing of the wrong response reaches the wire."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async with serving(app) as service:
        reply = await service.ask(GET)
        assert reply.status == 500
        assert "set-cookie" not in reply.headers


async def test_body_when_it_is_longer_than_declared_then_the_client_gets_an_error_instead() -> None:
    """The head goes out with the first part of the body, so that nothing has been sent yet."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START | {"headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"longer"})

    async with serving(app) as service:
        assert (await service.ask(GET)).status == 500


@pytest.mark.parametrize("rest", [b"", b"t, and too long"])
async def test_body_when_it_is_not_as_long_as_declared_then_the_connection_ends(rest: bytes) -> None:
    """A kept connection would give the next answer a wrong beginning."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START | {"headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"shor", "more_body": True})
        await send({"type": "http.response.body", "body": rest})

    async with serving(app) as service:
        client = await service.connect()
        await client.send(GET)
        await client.head()
        assert len(await client.reader.read()) < 5


async def test_app_when_it_sends_after_the_end_then_the_next_response_is_unharmed() -> None:
    """A second response would be taken for the answer to the next request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"one")
        await answer(send, b"two")

    async with serving(app) as service:
        client = await service.connect()
        assert (await client.ask(GET)).body == b"one"
        assert (await client.ask(GET)).body == b"one"


async def test_drain_when_a_response_has_not_begun_then_it_says_close() -> None:
    """The client then opens a new connection, which another node may answer."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await release.wait()
        await answer(send, b"ok")

    async with serving(app) as service:
        client = await service.connect()
        await client.send(GET)
        await entered.wait()
        service.server.stop()
        await until(lambda: service.server.draining)
        release.set()
        assert (await client.reply()).headers["connection"] == "close"
        assert await client.is_closed()
        await service.ended
