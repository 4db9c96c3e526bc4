"""Both clients on both event loops."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import trustme
import uvloop

from freetheai_gateway.services.ports import UpstreamClient
from freetheai_gateway.upstream.aiohttp_client import AiohttpClient
from freetheai_gateway.upstream.http1 import Http1Client

MakeClient = Callable[..., UpstreamClient]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the loop that production uses and on the standard one."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(params=[Http1Client, AiohttpClient])
async def make_client(request: pytest.FixtureRequest) -> AsyncIterator[MakeClient]:
    """Make clients of the kind under test; they are closed at the end."""
    made: list[UpstreamClient] = []

    def make(tls: ssl.SSLContext | None = None) -> UpstreamClient:
        made.append(request.param(tls=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(make_client: MakeClient) -> UpstreamClient:
    """Make a client that trusts no authority."""
    return make_client()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Found a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Trust that authority and no other."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Hold a certificate of the authority for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
