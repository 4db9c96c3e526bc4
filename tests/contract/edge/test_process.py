"""Signals, the drain and the exit code, in a process as production runs it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.edge.serving import SOON_S, Client

PROGRAM = Path(__file__).with_name("process.py")


@dataclass
class Process:
    """The running program."""

    process: asyncio.subprocess.Process
    port: int = 0
    clients: list[Client] = field(default_factory=list)

    async def word(self) -> str:
        """Read its next report."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SOON_S):
            return (await self.process.stdout.readline()).decode().strip()

    async def connect(self) -> Client:
        """Open a connection."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def begin(self, path: str) -> Client:
        """Send a request and wait until its response has begun."""
        client = await self.connect()
        await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await client.head()
        assert await client.reader.readuntil(b"begun \r\n") == b"6\r\nbegun \r\n"
        return client

    async def exit_code(self) -> int:
        """Wait for the end."""
        async with asyncio.timeout(SOON_S):
            return await self.process.wait()


@asynccontextmanager
async def running(port: int = 0, drain_timeout_s: float = 5, shutdown_delay_s: float = 0) -> AsyncIterator[Process]:
    """Start the program and wait until it serves."""
    arguments = [str(PROGRAM), str(port), str(drain_timeout_s), str(shutdown_delay_s)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    running = Process(process)
    try:
        assert await running.word() == "opened"
        running.port = int((await running.word()).removeprefix("started "))
        yield running
    finally:
        for client in running.clients:
            client.leave()
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_when_responses_are_open_then_all_finish_and_the_exit_code_is_0(number: signal.Signals) -> None:
    """Twenty slow responses go on, idle connections are closed, nobody new is let in."""
    async with running() as server:
        idle = await server.connect()
        assert (await idle.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"done"
        unused = await server.connect()
        clients = [await server.begin("/slow") for _ in range(20)]
        server.process.send_signal(number)
        assert await server.word() == "draining"
        assert await idle.is_closed()
        assert await unused.is_closed()
        with pytest.raises(ConnectionRefusedError):
            await server.connect()
        for client in clients:
            assert await client.reader.read() == b"4\r\ndone\r\n0\r\n\r\n"
        assert await server.word() == "closed"
        assert await server.word() == "ended"
        assert await server.exit_code() == 0


async def test_sigterm_when_the_drain_takes_too_long_then_requests_are_cancelled_and_the_exit_code_is_0() -> None:
    """An app may still say goodbye to its client."""
    async with running(drain_timeout_s=0.1) as server:
        client = await server.begin("/endless")
        server.process.send_signal(signal.SIGTERM)
        for word in ("draining", "cancelled", "closed", "ended"):
            assert await server.word() == word
        assert await client.reader.read() == b"4\r\ndone\r\n0\r\n\r\n"
        assert await server.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_when_it_comes_twice_then_the_process_ends_at_once(number: signal.Signals) -> None:
    """Somebody at a terminal does not want to wait for the drain."""
    async with running(drain_timeout_s=60) as server:
        await server.begin("/endless")
        server.process.send_signal(number)
        assert await server.word() == "draining"
        server.process.send_signal(number)
        words = {await server.word() for _ in range(3)}
        assert words == {"cancelled", "closed", "ended"}
        assert await server.exit_code() == 0


async def test_sigterm_when_there_is_a_shutdown_delay_then_connections_are_accepted_meanwhile() -> None:
    """A load balancer needs time to see that the node is not ready."""
    async with running(shutdown_delay_s=0.5) as server:
        server.process.send_signal(signal.SIGTERM)
        assert await server.word() == "draining"
        client = await server.connect()
        assert (await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"done"
        assert await client.is_closed()
        assert await server.exit_code() == 0


async def test_drain_when_half_a_head_has_come_then_that_request_is_still_answered() -> None:
    """It was on its way before the signal, and its client would have to guess otherwise."""
    async with running() as server:
        keeper = await server.begin("/slow")
        client = await server.connect()
        await client.send(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        assert await server.word() == "draining"
        reply = await client.ask(b"Host: a\r\n\r\n")
        assert (reply.body, reply.headers["connection"]) == (b"done", "close")
        assert await client.is_closed()
        assert await keeper.reader.read() == b"4\r\ndone\r\n0\r\n\r\n"
        assert await server.exit_code() == 0


async def test_sighup_when_it_comes_then_the_callback_is_called_and_requests_go_on() -> None:
    """As often as it comes."""
    async with running() as server:
        client = await server.begin("/slow")
        for _ in range(2):
            server.process.send_signal(signal.SIGHUP)
            assert await server.word() == "reload"
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"4\r\ndone\r\n0\r\n\r\n"
        assert (await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"done"


async def test_port_when_it_is_taken_then_one_line_says_so_and_the_app_is_not_opened() -> None:
    """No traceback, and nothing is started in vain."""
    async with running() as server:
        arguments = [str(PROGRAM), str(server.port), "1", "0"]
        second = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(SOON_S):
            out, err = await second.communicate()
        assert out.decode() == f"Cannot listen on 127.0.0.1 port {server.port}: the port is taken.\n"
        assert err == b""
        assert second.returncode == 1
