"""Response heads: bytes, and what must not become bytes."""

import pytest

from freetheai_gateway.web.edge.response_head import ResponseMisuse, render_head


def test_head_when_rendered_then_names_are_lower_case_and_order_and_repeats_stay() -> None:
    """Cookies come twice; a name that was seen before is rendered as the first time."""
    headers = [(b"Set-Cookie", b"a"), (b"X-B", b""), (b"set-cookie", b"c\td")]
    for _ in range(2):
        head, framing = render_head(200, headers)
        assert head == b"HTTP/1.1 200 OK\r\nset-cookie: a\r\nx-b: \r\nset-cookie: c\td"
        assert framing == {}


def test_head_when_it_has_framing_headers_then_they_are_given_back_each_time() -> None:
    """Also on the second head with the same names, in any case."""
    headers = [(b"Content-Length", b"5"), (b"Connection", b"close"), (b"transfer-encoding", b"x")]
    for _ in range(2):
        _, framing = render_head(204, headers)
        assert framing == {b"content-length": b"5", b"connection": b"close", b"transfer-encoding": b"x"}


def test_head_when_the_status_has_no_phrase_then_the_line_is_still_whole() -> None:
    """RFC 9112 section 4: the blank before an absent phrase stays."""
    assert render_head(499, [])[0] == b"HTTP/1.1 499 "


@pytest.mark.parametrize("control", [b"\r", b"\n", b"\r\n", b"\0", b"\x1f", b"\x7f"])
def test_value_when_it_holds_a_control_character_then_the_head_is_refused(control: bytes) -> None:
    """Else a value from outside could begin a header or a body of its own."""
    with pytest.raises(ResponseMisuse):
        render_head(200, [(b"a", b"b"), (b"c", b"d" + control + b"e")])


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\0", b"(a)"])
def test_name_when_it_is_no_token_then_the_head_is_refused_each_time(name: bytes) -> None:
    """A refused name is not remembered as a good one."""
    for _ in range(2):
        with pytest.raises(ResponseMisuse):
            render_head(200, [(name, b"b")])


def test_value_when_it_holds_bytes_beyond_ascii_then_it_passes() -> None:
    """RFC 9110 section 5.5 calls them opaque."""
    assert render_head(200, [(b"a", "é".encode())])[0].endswith("a: é".encode())
