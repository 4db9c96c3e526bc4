"""A request learns that its client has left: once, in time, and never when it has its answer."""

import asyncio
import socket
from typing import Any

import pytest

from tests.contract.edge.serving import SOON_S, answer, connection_of, read_body, serving, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Waiting:
    """An app that begins to answer, or does not, and then waits until its client leaves."""

    def __init__(self, *, begins: bool = False) -> None:
        self.begins = begins
        self.entered = asyncio.Event()
        self.called = asyncio.Event()
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        connection = connection_of(scope)
        connection.on_disconnect(self._count)
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.entered.set()
        await self.called.wait()
        assert connection.disconnected
        assert await receive() == {"type": "http.disconnect"}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"into the void"})

    def _count(self) -> None:
        self.calls += 1
        self.called.set()


@pytest.mark.parametrize("begins", [False, True])
async def test_client_when_it_closes_before_the_end_then_the_callback_comes_once(begins: bool) -> None:
    """Before the head of the response and in mid-response; what is sent later goes nowhere."""
    app = Waiting(begins=begins)
    async with serving(app, half_close_grace_s=0.01) as service:
        client = await service.connect()
        await client.send(GET)
        await app.entered.wait()
        client.leave()
        async with asyncio.timeout(SOON_S):
            await app.called.wait()
    assert app.calls == 1


async def test_client_when_it_resets_then_the_callback_comes_at_once() -> None:
    """No grace for a client that has said that it reads nothing more."""
    app = Waiting()
    async with serving(app, half_close_grace_s=60) as service:
        client = await service.connect()
        await client.send(GET)
        await app.entered.wait()
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.writer.transport.abort()
        async with asyncio.timeout(SOON_S):
            await app.called.wait()
    assert app.calls == 1


async def test_client_when_it_has_its_answer_then_the_callback_never_comes() -> None:
    """An app may go on working after its response; the client may go."""
    calls = []
    left = asyncio.Event()
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection = connection_of(scope)
        connection.on_disconnect(lambda: calls.append("called"))
        await answer(send, b"ok")
        await left.wait()
        assert await receive() == {"type": "http.disconnect"}
        assert not connection.disconnected
        done.set()

    async with serving(app) as service:
        client = await service.connect()
        await client.ask(GET)
        (connection,) = service.server.server_state.connections
        client.leave()
        await until(lambda: connection not in service.server.server_state.connections)
        left.set()
        await done.wait()
    assert calls == []


async def test_callback_when_it_is_set_after_the_client_left_then_it_comes_at_once() -> None:
    """An app that looks late is told, too; one that takes its callback back is not."""
    calls = []
    entered = asyncio.Event()
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection = connection_of(scope)
        connection.on_disconnect(lambda: calls.append("taken back"))
        connection.on_disconnect(None)
        entered.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        connection.on_disconnect(lambda: calls.append("late"))
        done.set()

    async with serving(app, half_close_grace_s=0.01) as service:
        client = await service.connect()
        await client.send(GET)
        await entered.wait()
        client.leave()
        async with asyncio.timeout(SOON_S):
            await done.wait()
    assert calls == ["late"]


async def test_pipelined_requests_when_the_client_leaves_then_only_the_running_one_is_told() -> None:
    """The answered one has its answer, the waiting one never began."""
    told = []
    second_runs = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        connection_of(scope).on_disconnect(lambda: told.append(path))
        if path == "/1":
            await answer(send, b"one")
        else:
            second_runs.set()
            while (await receive())["type"] != "http.disconnect":
                pass

    async with serving(app, half_close_grace_s=0.01) as service:
        client = await service.connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in (1, 2)))
        assert (await client.reply()).body == b"one"
        await second_runs.wait()
        client.leave()
        await until(lambda: bool(told))
    assert told == ["/2"]


async def test_client_when_it_half_closes_then_it_still_gets_a_quick_answer() -> None:
    """What `nc` does; the second request of a pipeline is answered, too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        await answer(send, scope["path"].encode())

    async with serving(app, half_close_grace_s=60) as service:
        client = await service.connect()
        await client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.writer.write_eof()
        assert (await client.reply()).body == b"/1"
        assert (await client.reply()).body == b"/2"
        assert await client.is_closed()


async def test_client_when_it_half_closes_and_the_answer_takes_long_then_it_counts_as_gone() -> None:
    """It can't be told from one that has left, and nobody pays for an answer that nobody reads."""
    app = Waiting(begins=True)
    async with serving(app, half_close_grace_s=0.02) as service:
        client = await service.connect()
        await client.send(GET)
        await app.entered.wait()
        client.writer.write_eof()
        async with asyncio.timeout(SOON_S):
            await app.called.wait()
    assert app.calls == 1


async def test_client_when_it_leaves_in_mid_body_then_the_app_reads_a_disconnect() -> None:
    """Half a body is never taken for a whole one."""
    bodies = []
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append(await read_body(receive))
        done.set()

    async with serving(app, half_close_grace_s=60) as service:
        client = await service.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        client.leave()
        async with asyncio.timeout(SOON_S):
            await done.wait()
    assert bodies == [None]
