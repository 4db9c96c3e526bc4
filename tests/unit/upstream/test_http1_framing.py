"""HTTP/1.1 framing as values: no socket, no loop."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.services.ports import Origin, UpstreamRequest
from freetheai_gateway.upstream.http1.framing import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MalformedReply,
    ReplyParser,
    UnsendableRequest,
    render_connect,
    render_request,
)

CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6;ext=1\r\nhello \r\n5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
WITH_LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nx-a: \t b \t\r\n\r\nhello world"
TO_THE_END = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world"


def parsed(*parts: bytes, method: str = "POST") -> ReplyParser:
    parser = ReplyParser()
    parser.begin(method)
    for part in parts:
        parser.feed(part)
    return parser


# --- replies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [CHUNKED, WITH_LENGTH, TO_THE_END])
def test_reply_when_it_is_split_anywhere_then_the_result_is_the_same(raw: bytes) -> None:
    """Two reads, cut at every byte boundary; and one read per byte."""
    whole = parsed(raw)
    cuts = [[raw[:at], raw[at:]] for at in range(1, len(raw))] + [[raw[at : at + 1] for at in range(len(raw))]]
    for parts in cuts:
        parser = parsed(*parts)
        assert (parser.status, parser.headers) == (200, whole.headers)
        assert b"".join(parser.chunks) == b"hello world"
        assert parser.buffered_bytes == len(b"hello world")
        assert parser.complete is whole.complete
        assert parser.reusable is whole.reusable
        assert parser.feed_eof()


@given(body=st.binary(min_size=1, max_size=2000), cuts=st.lists(st.integers(1, 3000), max_size=20))
def test_chunked_reply_when_chunks_and_reads_fall_anyhow_then_the_body_is_what_was_sent(
    body: bytes, cuts: list[int]
) -> None:
    """Chunk borders of the sender and read borders of the network are independent."""
    third = max(1, len(body) // 3)
    chunks = [body[at : at + third] for at in range(0, len(body), third)]
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    raw += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    borders = [0, *sorted({cut % len(raw) for cut in cuts}), len(raw)]
    parser = parsed(*(raw[start:end] for start, end in pairwise(borders)))
    assert b"".join(parser.chunks) == body
    assert parser.complete
    assert parser.reusable


def test_reply_when_it_is_taken_then_bytes_are_handed_over_once() -> None:
    """Many chunks come as one piece, and the count starts anew."""
    parser = parsed(CHUNKED)
    assert parser.take() == b"hello world"
    assert parser.buffered_bytes == 0
    assert parser.take() == b""


def test_reply_when_interim_replies_precede_then_their_headers_are_gone() -> None:
    """103 Early Hints are for browsers."""
    assert parsed(CHUNKED).headers == [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    ("raw", "reusable"),
    [
        (WITH_LENGTH, True),
        (WITH_LENGTH.replace(b"x-a: \t b \t", b"connection: close"), False),
        (WITH_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (WITH_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"x-a: \t b \t", b"connection: keep-alive"), True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", True),
        (WITH_LENGTH + b"x", False),
        (WITH_LENGTH + WITH_LENGTH, False),
    ],
)
def test_connection_when_a_reply_is_complete_then_it_says_whether_it_may_be_reused(raw: bytes, reusable: bool) -> None:
    """RFC 9112 section 9.3; and never after bytes that nobody asked for."""
    parser = parsed(raw)
    assert parser.complete
    assert parser.reusable is reusable


def test_connection_when_bytes_follow_later_then_it_is_no_longer_reusable_and_the_reply_stands() -> None:
    """The garbage is not part of the body."""
    parser = parsed(WITH_LENGTH, b"GARBAGE\r\n\r\n")
    assert not parser.reusable
    assert b"".join(parser.chunks) == b"hello world"


def test_connection_when_it_is_reused_then_the_second_reply_owes_nothing_to_the_first() -> None:
    """One parser serves all the replies of its connection."""
    parser = parsed(CHUNKED)
    first = parser.headers
    parser.begin("POST")
    assert (parser.started, parser.head_complete, parser.complete, parser.reusable) == (False,) * 4
    parser.feed(WITH_LENGTH)
    assert parser.headers == [(b"content-length", b"11"), (b"x-a", b"b")]
    assert first[0] == (b"content-type", b"text/event-stream")
    assert b"".join(parser.chunks) == b"hello world"


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
def test_reply_when_its_method_has_no_body_then_it_is_complete_and_its_connection_spent(method: str) -> None:
    """The parser can't be told to expect no body."""
    parser = parsed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", method=method)
    assert parser.complete
    assert not parser.reusable
    assert not parser.chunks


@pytest.mark.parametrize(
    ("raw", "complete"),
    [
        (TO_THE_END, True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc", True),
        (WITH_LENGTH[:-1], False),
        (CHUNKED[:-2], False),
        (CHUNKED.replace(b": chunked", b": gzip, Chunked")[:-2], False),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n", False),
        (b"", False),
    ],
)
def test_reply_when_the_connection_ends_then_only_a_body_without_length_is_complete(raw: bytes, complete: bool) -> None:
    """RFC 9112 section 6.3, rule 8."""
    parser = parsed(raw)
    assert parser.feed_eof() is complete
    assert not parser.reusable


@pytest.mark.parametrize(
    "raw",
    [
        b"hello",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_reply_when_it_breaks_the_grammar_then_malformed(raw: bytes) -> None:
    """Leniency is how requests and replies are smuggled."""
    with pytest.raises(MalformedReply) as malformed:
        parsed(raw)
    assert not str(malformed.value)


def head(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nx: " + b"a" * size + b"\r\n\r\n"


@pytest.mark.parametrize("piece", [100, 1 << 20])
def test_head_when_it_is_near_the_cap_then_below_passes_and_above_is_malformed(piece: int) -> None:
    """In small reads and in one."""
    for size, passes in ((MAX_HEAD_BYTES - 200, True), (MAX_HEAD_BYTES + 200, False)):
        raw = head(size)
        parts = [raw[at : at + piece] for at in range(0, len(raw), piece)]
        if passes:
            assert parsed(*parts).head_complete
        else:
            with pytest.raises(MalformedReply):
                parsed(*parts)


def test_head_when_it_never_ends_then_memory_is_bounded() -> None:
    """One header without end, and interim replies without end."""
    for piece in (b"a" * 1000, b"HTTP/1.1 100 Continue\r\n\r\n" * 40):
        parser = parsed() if piece.startswith(b"HTTP") else parsed(b"HTTP/1.1 200 OK\r\nx: ")
        with pytest.raises(MalformedReply):
            for _ in range(2 * MAX_HEAD_BYTES // 1000):
                parser.feed(piece)


def test_head_when_a_small_one_comes_with_much_body_then_only_the_head_counts() -> None:
    """One read may bring both."""
    body = b"x" * (2 * MAX_HEAD_BYTES)
    parser = parsed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert parser.complete
    assert parser.buffered_bytes == len(body)


def test_head_when_it_has_too_many_headers_then_malformed() -> None:
    """The cap itself still passes."""
    parsed(b"HTTP/1.1 204 No Content\r\n" + b"x: y\r\n" * MAX_HEADERS + b"\r\n")
    with pytest.raises(MalformedReply):
        parsed(b"HTTP/1.1 204 No Content\r\n" + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n")


@pytest.mark.parametrize("start", [b"0\r\nx: ", b"5;"])
def test_body_when_trailers_or_extensions_never_end_then_malformed(start: bytes) -> None:
    """What is thrown away is counted too."""
    parser = parsed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n", start)
    with pytest.raises(MalformedReply):
        for _ in range(2 * MAX_HEAD_BYTES // 1000):
            parser.feed(b"a" * 1000)


@given(st.binary(max_size=300), st.integers(0, len(CHUNKED)))
def test_reply_when_bytes_are_arbitrary_then_nothing_but_malformed_reply_is_raised(noise: bytes, at: int) -> None:
    """No input of a peer gets past the parser as another exception."""
    parser = ReplyParser()
    try:
        parser.feed(CHUNKED[:at] + noise)
        parser.feed(CHUNKED[at:])
    except MalformedReply:
        return
    assert parser.feed_eof() in {True, False}


# --- requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "api.example", 443), b"api.example"),
        (Origin("http", "api.example", 80), b"api.example"),
        (Origin("http", "api.example", 443), b"api.example:443"),
        (Origin("https", "2001:db8::1", 443), b"[2001:db8::1]"),
        (Origin("http", "::1", 8080), b"[::1]:8080"),
    ],
)
def test_host_when_the_port_is_the_default_then_it_is_left_out(origin: Origin, host: bytes) -> None:
    """Addresses of version 6 stand in brackets."""
    assert b"\r\nhost: " + host + b"\r\n" in render_request(UpstreamRequest("GET", origin, "/"))


def test_request_when_it_is_rendered_then_it_is_these_bytes() -> None:
    """The whole head at once."""
    asked = UpstreamRequest("POST", Origin("https", "api.example", 443), "/v1?x=1", ((b"x-api-key", b"k"),), b"{}")
    assert render_request(asked) == (
        b"POST /v1?x=1 HTTP/1.1\r\nhost: api.example\r\nx-api-key: k\r\n"
        b"accept-encoding: identity\r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_request_when_no_body_is_expected_then_no_length_is_given(method: str) -> None:
    """RFC 9110 section 8.6."""
    assert b"content-length" not in render_request(UpstreamRequest(method, Origin("http", "a.example", 80), "/"))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_header_when_its_bytes_are_arbitrary_then_it_is_refused_or_stays_one_line(name: bytes, value: bytes) -> None:
    """Nothing that is rendered has more lines than it should."""
    asked = UpstreamRequest("GET", Origin("http", "a.example", 80), "/", ((name, value),))
    hostile = any(byte in name + value for byte in b"\r\n\0")
    try:
        rendered = render_request(asked)
    except UnsendableRequest:
        assert hostile
    else:
        assert not hostile
        assert len(rendered.split(b"\r\n")) == (5 if name == b"accept-encoding" else 6)


def test_connect_when_it_is_rendered_then_the_port_always_stands() -> None:
    """RFC 9110 section 9.3.6 knows no default."""
    rendered = render_connect(Origin("https", "api.example", 443), "user", "p\u00e4ss")
    assert rendered == (
        b"CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n"
        b"proxy-authorization: Basic dXNlcjpww6Rzcw==\r\n\r\n"
    )
