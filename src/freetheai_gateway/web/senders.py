"""Who sent a request: the peer, or, behind proxies that the configuration trusts, whom they name in X-Forwarded-For."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MOST_HOPS = 16
"""How many entries of the header are looked at, from its end."""
_IPV6_SITE_BITS = 64
"""One customer has at least a /64 (RFC 6177), and all the addresses in it."""

_Address = IPv4Address | IPv6Address


class TrustedProxies:
    """`server.trusted_proxies`. Without any, the header means nothing: everyone can send it."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(network, strict=False) for network in networks)

    def sender(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """Name who is to be counted: an IPv4 address, or the first 64 bits of an IPv6 address.

        Each proxy appends whom it heard from, so the entries are read from the end; the first that is no trusted
        proxy is the sender. What stands before it could be made up. An entry that is no address ends the search.
        """
        address = _parse(peer)
        if address is None:
            return peer
        if self._trusts(address):
            for entry in reversed(_entries(headers)[-MOST_HOPS:]):
                before = _parse(entry)
                if before is None:
                    break
                address = before
                if not self._trusts(address):
                    break
        return _counted(address)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


NO_PROXIES = TrustedProxies()


def _entries(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """Read all entries of all such headers; they count as one list (RFC 9110, section 5.3)."""
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [entry.strip() for value in values for entry in value.rsplit(",", MOST_HOPS)]


def _parse(text: str) -> _Address | None:
    """Read an address, also one with a port or in brackets, as some proxies write it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _IPV6_SITE_BITS), strict=False))
