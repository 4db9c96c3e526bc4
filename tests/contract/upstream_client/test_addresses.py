"""A host name with several addresses of which one is dead: the next one answers, and soon."""

import asyncio
import socket
from typing import Any

import pytest

from freetheai_gateway.services.ports import Origin, UpstreamClient
from freetheai_gateway.testing.tcp import TcpServer, tcp_server
from tests.contract.upstream_client.calls import OK, answers, read_all, request

NAME = "several.test"
DEAD = "127.0.0.2"
SOON_S = 2.0
"""Far less than a connect deadline, far more than a second address takes."""


def _resolve_to(monkeypatch: pytest.MonkeyPatch, server: TcpServer) -> None:
    """Have a name resolve to a dead address first."""
    kind = type(asyncio.get_running_loop())
    resolve = kind.getaddrinfo

    async def getaddrinfo(loop: asyncio.AbstractEventLoop, host: str, port: int, **more: int) -> list[Any]:
        if host != NAME:
            return await resolve(loop, host, port, **more)
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*stream, (DEAD, server.port)), (*stream, ("127.0.0.1", server.port))]

    monkeypatch.setattr(kind, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "is silent"])
async def test_host_when_its_first_address_is_dead_then_the_next_one_is_used(
    client: UpstreamClient, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    """One that refuses, and one that takes no connection and says nothing."""
    async with tcp_server(answers(OK)) as server:
        with socket.socket() as dead:
            dead.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            dead.bind((DEAD, server.port))
            waiting: list[socket.socket] = []
            if is_silent:
                dead.listen(0)
                for _ in range(4):  # its queue is full: the system drops what comes now
                    waiting.append(full := socket.socket())
                    full.setblocking(False)
                    full.connect_ex((DEAD, server.port))
            _resolve_to(monkeypatch, server)
            started = asyncio.get_running_loop().time()
            reply = await client.send(request(server, origin=Origin("http", NAME, server.port)))
            assert await read_all(reply) == b"ok"
            assert asyncio.get_running_loop().time() - started < SOON_S
            for one in waiting:
                one.close()
