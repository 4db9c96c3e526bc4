"""Finding the key in what people paste into a header."""

import pytest

from freetheai_gateway.errors import Unauthenticated
from freetheai_gateway.ids import new_key
from freetheai_gateway.web.credentials import presented_key

KEY = new_key()


def _key(*values: str, name: bytes = b"authorization") -> str | None:
    return presented_key([(name, value.encode("utf-8", "surrogateescape")) for value in values])


@pytest.mark.parametrize(
    "value",
    [
        "Bearer {}",
        "bearer {}",
        "BEARER   {}",
        "Bearer\t{}",
        "Bearer: {}",
        "bearer:{}",
        "Bearer Bearer {}",
        "Bearer bearer BEARER {}",
        "{}",
        " {} ",
        'Bearer "{}"',
        "Bearer '{}'",
        "'Bearer {}'",
        '"Bearer "{}""',
        "Bearer `{}`",
        "Bearer \u201c{}\u201d",
        "Bearer \u2018{}\u2019",
        'Bearer " {} "',
        "\"'{}'\"",
        'Bearer "Bearer {}"',
        "Bearer {} \t",
    ],
)
@pytest.mark.parametrize("name", [b"authorization", b"x-api-key"])
def test_key_when_wrapped_in_blanks_quotes_or_schemes_then_it_is_found(value: str, name: bytes) -> None:
    """Shells, configuration files and documentation all add something."""
    assert _key(value.format(KEY), name=name) == KEY


@pytest.mark.parametrize(
    "value", ["", " ", "Bearer", "Bearer ", "bearer:", '""', 'Bearer ""', "Bearer Bearer", "\u201c\u201d"]
)
def test_key_when_nothing_is_left_then_there_is_none(value: str) -> None:
    """An empty variable is a missing key, not a wrong one."""
    assert _key(value) is None


def test_key_when_there_is_no_header_then_there_is_none() -> None:
    """Other headers are not looked at."""
    assert presented_key([(b"x-authorization", KEY.encode()), (b"cookie", KEY.encode())]) is None


@pytest.mark.parametrize(
    "value", ["bearer_token", "BearerToken abc", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer\x00x"]
)
def test_key_when_it_is_something_else_then_it_stays_something_else(value: str) -> None:
    """What can't be a key is refused later, not repaired into one."""
    assert KEY != _key(value) is not None


def test_key_when_both_headers_hold_the_same_then_it_is_that_key() -> None:
    """Some clients send both, each in its own way; an empty one does not count."""
    authorization, other = (b"authorization", b'Bearer "' + KEY.encode() + b'"'), (b"x-api-key", KEY.encode())
    assert presented_key([authorization, other]) == KEY
    assert presented_key([other, authorization]) == KEY
    assert presented_key([(b"authorization", b"Bearer "), other]) == KEY
    assert presented_key([authorization, (b"x-api-key", b"")]) == KEY


@pytest.mark.parametrize("names", [(b"authorization", b"x-api-key"), (b"authorization", b"authorization")])
def test_key_when_headers_hold_different_ones_then_neither_is_taken(names: tuple[bytes, bytes]) -> None:
    """Which one was meant can't be known; none is quoted."""
    other = new_key()
    with pytest.raises(Unauthenticated) as caught:
        presented_key([(names[0], KEY.encode()), (names[1], other.encode())])
    assert caught.value.message == "Authorization and x-api-key hold different API keys; send one of them."
    assert KEY not in str(caught.value)
    assert caught.value.headers == ((b"www-authenticate", b"Bearer"),)


@pytest.mark.parametrize("value", ["Bearer ключ", "Bearer \udcff\udcfe", "Bearer fta_é"])
def test_key_when_not_ascii_then_it_is_text_of_some_kind(value: str) -> None:
    """No bytes may raise anything else than a refusal."""
    assert _key(value)


@pytest.mark.parametrize("unit", ["Bearer ", "bearer:", '"', " ", "x", "\u201c", 'Bearer "'])
@pytest.mark.timeout(2)
def test_key_when_a_megabyte_long_then_it_is_read_in_one_pass(unit: str) -> None:
    """Far above the edge's cap of 64 kB; taking the wrapping off layer by layer took six seconds."""
    _key(unit * (1_000_000 // len(unit)))
