"""Which addresses belong to the public internet: what a member names may never lead into the operator's own network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

_TRANSLATED = tuple(IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))
"""IPv6 that carries an IPv4 address to some gateway (NAT64, 6to4, Teredo, compatible): never needed, easily abused."""
_HTTPS_PORT = 443


class NotPublic(ValueError):
    """An address or URL that may not be fetched; the text may be shown."""


def is_public(address: str) -> bool:
    """Whether an IP address, in any spelling that a resolver gives, is a public unicast one."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif any(parsed in network for network in _TRANSLATED):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def host_of(url: str) -> str:
    """Give the host of a URL that may be looked up. Raises `NotPublic`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NotPublic("it is not a URL") from None
    if parts.scheme.lower() != "https":
        raise NotPublic("only https addresses are fetched")
    if parts.username is not None or parts.password is not None:
        raise NotPublic("it holds a user name")
    if port not in {None, _HTTPS_PORT}:
        raise NotPublic("only port 443 is fetched from")
    if not host:
        raise NotPublic("it names no host")
    return host
