"""Requests: what goes over the wire, and what is refused before."""

import pytest

from freetheai_gateway.services.ports import Origin, UpstreamClient
from freetheai_gateway.testing.tcp import Peer, Script, tcp_server
from freetheai_gateway.upstream.http1.framing import UnsendableRequest
from tests.contract.upstream_client.calls import OK, read_all, request


def records(requests: list[bytes]) -> Script:
    """Script: keep the request, answer."""

    async def script(peer: Peer) -> None:
        requests.append(await peer.request())
        await peer.send(OK)

    return script


def lines(raw: bytes) -> tuple[bytes, set[bytes], bytes]:
    """Split a request into its first line, its headers with names in lower case, and its body."""
    head, body = raw.split(b"\r\n\r\n", 1)
    start, *rest = head.split(b"\r\n")
    fields = (line.split(b":", 1) for line in rest)
    return start, {name.lower() + b":" + value for name, value in fields}, body


async def test_request_when_it_is_sent_then_it_holds_what_was_asked_and_the_framing_only(
    client: UpstreamClient,
) -> None:
    """No user agent, no accept of ours; the target is not quoted anew."""
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server:
        asked = request(server, target="/v1/a%2Fb:c?x=%20&y", headers=((b"x-api-key", b"k"),), body=b'{"a":1}')
        await read_all(await client.send(asked))
        start, headers, body = lines(requests[0])
        assert start == b"POST /v1/a%2Fb:c?x=%20&y HTTP/1.1"
        assert headers == {
            b"host: 127.0.0.1:%d" % server.port,
            b"x-api-key: k",
            b"accept-encoding: identity",
            b"content-length: 7",
        }
        assert body == b'{"a":1}'


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("POST", b"content-length: 0")])
async def test_request_when_it_has_no_body_then_a_length_stands_only_where_a_body_is_expected(
    client: UpstreamClient, method: str, length: bytes | None
) -> None:
    """RFC 9110 section 8.6."""
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server:
        await read_all(await client.send(request(server, method=method, body=b"")))
    _, headers, _ = lines(requests[0])
    assert {header for header in headers if b"content-length" in header} == ({length} if length else set())


async def test_request_when_encodings_are_given_then_they_stand_alone(client: UpstreamClient) -> None:
    """The caller that decompresses says so."""
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server:
        await read_all(await client.send(request(server, headers=((b"accept-encoding", b"gzip"),))))
    assert requests[0].lower().count(b"accept-encoding: gzip\r\n") == 1
    assert b"identity" not in requests[0]


async def test_request_when_the_body_is_large_then_it_arrives_whole(client: UpstreamClient) -> None:
    """Twenty megabytes, as with images in a conversation."""
    body = bytes(range(256)) * 80_000
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server:
        await read_all(await client.send(request(server, body=body)))
    assert requests[0].endswith(body)


async def test_request_when_the_peer_answers_before_reading_the_body_then_the_answer_arrives(
    client: UpstreamClient,
) -> None:
    """An early 413 explains itself; a connection error would not."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig")

    async with tcp_server(script) as server:
        reply = await client.send(request(server, body=b"x" * 20_000_000))
        assert reply.status == 413
        reply.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "/v1\r\nx-evil: 1"},
        {"target": "/v1 HTTP/1.1"},
        {"target": "/v1/\u00e4"},
        {"target": "/v1\0"},
        {"headers": ((b"x-a", b"1\r\nx-evil: 1"),)},
        {"headers": ((b"x-a", b"1\nx-evil: 1"),)},
        {"headers": ((b"x-a", b"1\r"),)},
        {"headers": ((b"x-a\r\nx-evil", b"1"),)},
        {"headers": ((b"x-a", b"1\0"),)},
    ],
)
async def test_request_when_a_value_would_end_its_line_then_nothing_is_sent(
    client: UpstreamClient, changes: dict[str, object]
) -> None:
    """Request splitting ends here, and the error does not quote what it refuses."""
    async with tcp_server(records([])) as server:
        with pytest.raises(UnsendableRequest) as refused:
            await client.send(request(server, **changes))
        assert not server.peers
    assert "evil" not in str(refused.value)


async def test_request_when_the_environment_names_a_proxy_then_it_is_not_used(
    client: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the configuration decides where prompts go."""
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server, tcp_server(records([])) as trap:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
        monkeypatch.setenv("no_proxy", "")
        await read_all(await client.send(request(server)))
        assert requests
        assert not trap.peers


async def test_request_when_the_host_is_a_name_then_it_is_resolved_and_sent_as_host(client: UpstreamClient) -> None:
    """The machine's own name needs no name server."""
    requests: list[bytes] = []
    async with tcp_server(records(requests)) as server:
        await read_all(await client.send(request(server, origin=Origin("http", "localhost", server.port))))
        assert b"host: localhost:%d" % server.port in lines(requests[0])[1]
