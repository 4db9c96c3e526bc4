"""Whom we talk to: certificates, name resolution, refused connections and CONNECT proxies."""

import asyncio
import errno
import socket
import ssl

import pytest
import trustme

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamClient, UpstreamRequest
from freetheai_gateway.testing.tcp import Peer, Script, tcp_server
from tests.contract.upstream_client.calls import OK, answers, answers_and_stays, failure, read_all, request
from tests.contract.upstream_client.conftest import MakeClient

SECRET = "s3cr3t"


async def test_tls_when_the_authority_is_trusted_then_the_exchange_runs_and_the_connection_is_kept(
    make_client: MakeClient, trusting: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """Verification is on in every test of this file."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK)

    client = make_client(tls=trusting)
    async with tcp_server(script, tls=server_tls) as server:
        origin = Origin("https", "127.0.0.1", server.port)
        for _ in range(3):
            assert await read_all(await client.send(request(server, origin=origin))) == b"ok"
        assert len(server.peers) == 1


async def test_tls_when_the_authority_is_unknown_then_tls_failure_and_nothing_sent(
    client: UpstreamClient, server_tls: ssl.SSLContext
) -> None:
    """No key is ever shown to a server that can't prove its name."""
    async with tcp_server(answers(OK), tls=server_tls) as server:
        failed = await failure(client, request(server, origin=Origin("https", "127.0.0.1", server.port)))
    assert (failed.failure, failed.phase, failed.errno) == (Failure.TLS, Phase.TLS, None)
    assert not failed.request_sent


async def test_tls_when_the_certificate_is_for_another_name_then_tls_failure(
    make_client: MakeClient, trusting: ssl.SSLContext, authority: trustme.CA
) -> None:
    """A trusted authority is not enough."""
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.test").configure_cert(other)
    async with tcp_server(answers(OK), tls=other) as server:
        asked = request(server, origin=Origin("https", "127.0.0.1", server.port))
        failed = await failure(make_client(tls=trusting), asked)
    assert (failed.failure, failed.phase) == (Failure.TLS, Phase.TLS)


async def test_tls_when_the_peer_speaks_plain_http_then_tls_failure(client: UpstreamClient) -> None:
    """An `https` in the configuration where `http` was meant."""

    async def script(peer: Peer) -> None:
        await peer.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_left()

    async with tcp_server(script) as server:
        failed = await failure(client, request(server, origin=Origin("https", "127.0.0.1", server.port)))
    assert (failed.failure, failed.phase) == (Failure.TLS, Phase.TLS)


async def test_connect_when_nobody_listens_then_refused_with_errno(client: UpstreamClient) -> None:
    """The operating system's number stays, its words don't."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = Origin("http", "127.0.0.1", unused.getsockname()[1])
        failed = await failure(client, UpstreamRequest("GET", origin, "/"))
    assert (failed.failure, failed.phase, failed.errno) == (Failure.REFUSED, Phase.CONNECT, errno.ECONNREFUSED)
    assert str(origin.port) not in str(failed)
    assert not failed.request_sent


async def test_connect_when_the_name_does_not_exist_then_it_fails_in_resolve(client: UpstreamClient) -> None:
    """On a machine whose name server is out of reach the deadline comes first, in the same phase."""
    asked = UpstreamRequest("GET", Origin("http", "no-such-host.invalid", 80), "/", timeouts=Timeouts(connect_s=1))
    failed = await failure(client, asked)
    assert failed.failure in {Failure.RESOLVE, Failure.CONNECT_TIMEOUT}
    assert failed.phase is Phase.RESOLVE
    assert "no-such-host" not in str(failed)


# --- CONNECT proxies ------------------------------------------------------------------------------------------


def tunnel(heads: list[bytes], server_tls: ssl.SSLContext) -> Script:
    """Script: a proxy that is the upstream behind the tunnel too."""

    async def script(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await peer.start_tls(server_tls)
        for _ in range(2):
            heads.append(await peer.request())
            await peer.send(OK)

    return script


@pytest.mark.parametrize(
    ("userinfo", "authorization"),
    [("", b""), (f"user:{SECRET}%21@", b"Basic dXNlcjpzM2NyM3Qh")],
)
async def test_proxy_when_it_opens_the_tunnel_then_tls_runs_inside_and_the_tunnel_is_kept(
    make_client: MakeClient,
    trusting: ssl.SSLContext,
    server_tls: ssl.SSLContext,
    userinfo: str,
    authorization: bytes,
) -> None:
    """The proxy learns host and port, the upstream does not see the proxy's credentials."""
    client = make_client(tls=trusting)
    heads: list[bytes] = []
    async with tcp_server(tunnel(heads, server_tls)) as proxy:
        origin = Origin("https", "127.0.0.1", 8443, proxy=f"http://{userinfo}127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert await read_all(await client.send(UpstreamRequest("GET", origin, "/v1"))) == b"ok"
        assert len(proxy.peers) == 1
    assert heads[0].startswith(b"CONNECT 127.0.0.1:8443 HTTP/1.1\r\n")
    assert b"\r\nhost: 127.0.0.1:8443\r\n" in heads[0].lower()
    if authorization:
        assert b"authorization: " + authorization in heads[0].replace(b"Authorization", b"authorization")
    else:
        assert b"authorization" not in heads[0].lower()
    assert b"authorization" not in heads[1].lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\ndenied",
    ],
)
async def test_proxy_when_it_refuses_then_proxy_failure_and_nothing_sent(client: UpstreamClient, raw: bytes) -> None:
    """The upstream never saw the request; the proxy's credentials stay out of the error."""
    async with tcp_server(answers_and_stays(raw)) as proxy:
        origin = Origin("https", "127.0.0.1", 8443, proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        failed = await failure(client, UpstreamRequest("GET", origin, "/"))
        await proxy.peers[0].left()
    assert (failed.failure, failed.phase) == (Failure.PROXY, Phase.CONNECT)
    assert not failed.request_sent
    assert SECRET not in str(failed)


async def test_proxy_when_it_is_not_there_then_refused_in_connect(client: UpstreamClient) -> None:
    """As if the upstream itself could not be reached."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{unused.getsockname()[1]}"
        failed = await failure(client, UpstreamRequest("GET", Origin("https", "127.0.0.1", 443, proxy=proxy), "/"))
    assert (failed.failure, failed.phase) == (Failure.REFUSED, Phase.CONNECT)


async def test_proxy_when_origins_differ_by_it_then_connections_are_not_shared(client: UpstreamClient) -> None:
    """What was allowed to go direct says nothing about what must go through the proxy."""
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        if (await peer.head()).startswith(b"CONNECT"):
            asked.set()
            await peer.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        else:
            await peer.send(OK)
            await peer.until_left()

    async with tcp_server(script) as server:
        direct = Origin("https", "127.0.0.1", server.port)
        await read_all(await client.send(request(server)))
        proxied = Origin(direct.scheme, direct.host, direct.port, proxy=f"http://127.0.0.1:{server.port}")
        failed = await failure(client, UpstreamRequest("GET", proxied, "/"))
        assert failed.failure is Failure.PROXY
        assert asked.is_set()
