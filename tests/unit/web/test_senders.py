"""Who is counted as the sender of a request."""

import pytest

from freetheai_gateway.web.senders import MOST_HOPS, NO_PROXIES, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:ffff::/48"])


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    """Make the header, as often as there are values."""
    return [(b"x-forwarded-for", value.encode()) for value in values]


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "10.0.0.1"])
def test_header_when_no_proxy_is_trusted_then_it_means_nothing(peer: str) -> None:
    """Not from loopback either."""
    assert NO_PROXIES.sender(peer, forwarded("198.51.100.1")) == peer


@pytest.mark.parametrize(
    ("peer", "values", "sender"),
    [
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2,10.0.0.3"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ffff::1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("", ["198.51.100.1"], ""),
        ("10.0.0.1", ["\x00\n'; DROP TABLE accounts --"], "10.0.0.1"),
    ],
)
def test_sender_when_proxies_are_trusted_then_it_is_the_last_entry_that_none_of_them_is(
    peer: str, values: list[str], sender: str
) -> None:
    """Whoever stands before it may be made up by the sender; what is no address ends the search."""
    assert PROXIES.sender(peer, forwarded(*values)) == sender


def test_sender_when_it_has_an_ipv6_address_then_its_network_is_counted() -> None:
    """A guesser has 2^64 of them."""
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::", "2001:DB8:1:2:0:0:0:9"]
    assert {NO_PROXIES.sender(address, []) for address in addresses} == {"2001:db8:1:2::/64"}


def test_header_when_it_is_endless_then_only_its_end_is_read() -> None:
    """Entries of trusted proxies, more than any chain has."""
    long = ",".join(["198.51.100.1"] + ["10.0.0.2"] * (MOST_HOPS + 5))
    assert PROXIES.sender("10.0.0.1", forwarded(long)) == "10.0.0.2"
