"""Nobody holds a connection for ever: each kind of waiting has its end."""

import asyncio
import socket
from typing import Any

import pytest

from freetheai_gateway.errors import RequestTimeout
from tests.contract.edge.serving import SOON_S, answer, connection_of, echo, read_body, serving, until

SHORT_S = 0.2
LONGER_S = 0.5
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_head_when_only_half_of_it_comes_then_408() -> None:
    """On a new connection and on a kept-alive one."""
    async with serving(echo, header_timeout_s=SHORT_S) as service:
        for before in (0, 1):
            client = await service.connect()
            for _ in range(before):
                await client.ask(GET)
            reply = await client.ask(b"GET / HTTP/1.1\r\nHost:")
            assert reply.status == 408
            assert reply.headers["connection"] == "close"
            assert reply.error["request_id"] == reply.headers["x-request-id"]
            assert await client.is_closed()


async def test_head_when_it_drips_then_408_all_the_same() -> None:
    """The deadline holds for the whole head and is not moved by a byte."""
    async with serving(echo, header_timeout_s=SHORT_S) as service:
        client = await service.connect()
        drip = asyncio.ensure_future(_drip(client.writer))
        assert (await client.reply()).status == 408
        drip.cancel()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\n")
    while True:
        writer.write(b"a: b\r\n")
        await asyncio.sleep(0.01)


async def test_connection_when_nothing_comes_then_it_is_closed_without_a_word() -> None:
    """A port scanner, or a browser's spare connection; empty lines are nothing, too."""
    async with serving(echo, header_timeout_s=SHORT_S) as service:
        silent, blank = await service.connect(), await service.connect()
        await blank.send(b"\r\n\r\n")
        assert await silent.is_closed()
        assert await blank.is_closed()


async def test_connection_when_it_idles_then_it_is_closed() -> None:
    """After an answer, once the idle time has passed."""
    async with serving(echo, idle_timeout_s=SHORT_S) as service:
        client = await service.connect()
        assert (await client.ask(GET)).status == 200
        assert await client.is_closed()


async def test_request_when_the_app_takes_its_time_then_no_deadline_of_the_edge_ends_it() -> None:
    """How long an answer may take is the app's to say."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.1)
        await answer(send, b"slow")

    async with serving(app, header_timeout_s=0.01, progress_timeout_s=0.01, idle_timeout_s=0.01) as service:
        assert (await service.ask(GET)).body == b"slow"


async def test_body_when_it_stops_then_receive_raises_and_the_app_may_answer() -> None:
    """The app renders the 408 in the dialect of its route."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await read_body(receive)
        except RequestTimeout as error:
            await answer(send, error.message.encode(), status=error.status)

    async with serving(app, progress_timeout_s=SHORT_S) as service:
        client = await service.connect()
        reply = await client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert reply.status == 408
        assert reply.headers["connection"] == "close"
        assert reply.body.startswith(b"The body of the request stopped arriving")
        assert await client.is_closed()


async def test_body_when_it_stops_and_the_app_lets_it_through_then_the_edge_answers() -> None:
    """An app that knows nothing of the edge is served, too."""
    async with serving(echo, progress_timeout_s=SHORT_S) as service:
        reply = await service.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert reply.status == 408
        assert reply.error["type"] == "invalid_request_error"


async def test_body_when_it_is_slow_but_moves_then_it_is_read() -> None:
    """Each byte gives it the whole time again."""
    async with serving(echo, progress_timeout_s=LONGER_S) as service:
        client = await service.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(LONGER_S / 8)
            await client.send(b"b")
        assert (await client.reply()).body == b"POST / bbbbbbbbbb"


class Endless:
    """An app that sends until its client leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection = connection_of(scope)
        connection.on_disconnect(self._count)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not connection.disconnected:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        self.left.set()

    def _count(self) -> None:
        self.calls += 1


async def test_reader_when_it_stops_then_the_connection_is_aborted_and_the_app_told() -> None:
    """A client that does not read would otherwise hold its upstream for ever."""
    app = Endless()
    async with serving(app, progress_timeout_s=SHORT_S) as service:
        with await _silent_reader(service.server.bound_port):
            async with asyncio.timeout(SOON_S):
                await app.left.wait()
            assert not service.server.server_state.connections
    assert app.calls == 1


@pytest.mark.parametrize("closes", [False, True])
async def test_reader_when_it_stops_after_the_end_of_a_response_then_the_connection_is_aborted(closes: bool) -> None:
    """A large answer is handed over whole; what the client does not take must not stay for ever."""
    answered = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * 20_000_000, *([(b"connection", b"close")] if closes else []))
        answered.set()

    async with serving(app, progress_timeout_s=SHORT_S) as service:
        with await _silent_reader(service.server.bound_port):
            await answered.wait()
            await until(lambda: not service.server.server_state.connections)


async def test_reader_when_it_is_slow_but_reads_then_it_gets_everything() -> None:
    """Only standing still counts, not taking long."""
    total = 30_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"x" * total)

    async with serving(app, progress_timeout_s=LONGER_S) as service:
        client = await service.connect(receive_buffer_bytes=65_536)
        await client.send(GET)
        await client.head()
        received = 0
        for enough in range(0, total, total // 20):
            await asyncio.sleep(LONGER_S / 15)
            while received < enough:
                received += len(await client.reader.read(total))
        assert await client.reader.readexactly(total - received)


async def _silent_reader(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, GET)
    return sock
