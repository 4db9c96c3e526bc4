"""The guard of what is fetched for clients: no door into the operator's network, however it is written."""

from collections.abc import Sequence

import pytest

from freetheai_gateway.domain.addresses import is_public
from freetheai_gateway.errors import InvalidRequest, RequestTooLarge
from freetheai_gateway.upstream.images.guarded_fetch import Fetched, GuardedFetcher, look_up

PUBLIC = "93.184.215.14"


class Internet:
    """Names and what they answer; each look-up and each request is kept."""

    def __init__(self, names: dict[str, list[Sequence[str]]], pages: dict[str, Fetched]) -> None:
        self.names = names
        self.pages = pages
        self.requests: list[tuple[str, Sequence[str]]] = []

    async def resolve(self, host: str) -> Sequence[str]:
        """Give the next answer of a name; the system's own for what is no name of this internet."""
        answers = self.names.get(host)
        if answers is None:
            return await look_up(host)
        return answers.pop(0)

    async def get(self, url: str, addresses: Sequence[str], max_bytes: int) -> Fetched:
        """Answer, and keep what was asked."""
        self.requests.append((url, addresses))
        page = self.pages[url]
        return page if page.body is None or len(page.body) <= max_bytes else Fetched(page.status, body=None)

    def fetcher(self) -> GuardedFetcher:
        """Build a fetcher into it."""
        return GuardedFetcher(100, resolve=self.resolve, get=self.get)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.0.0.8/",
        "https://[fd00::1]/",
        "https://user:word@example.org/",
        "https://example.org:8443/",
        "file:///etc/passwd",
        "https://",
    ],
)
async def test_address_when_it_is_not_a_public_https_one_then_nothing_is_fetched(url: str) -> None:
    """Whatever the spelling; the client is told in one sentence."""
    internet = Internet({"example.org": [[PUBLIC]]}, {})
    with pytest.raises(InvalidRequest, match="image can't be fetched"):
        await internet.fetcher().fetch(url, "image")
    assert internet.requests == []


async def test_redirect_when_it_leads_to_loopback_then_it_is_not_followed() -> None:
    """The first hop is asked, the second is not."""
    start = "https://example.org/a.png"
    internet = Internet({"example.org": [[PUBLIC]]}, {start: Fetched(302, "https://127.0.0.1/secret")})
    with pytest.raises(InvalidRequest, match="not an address of the public internet"):
        await internet.fetcher().fetch(start, "image")
    assert internet.requests == [(start, [PUBLIC])]


async def test_name_when_it_changes_to_a_private_address_then_the_second_look_up_is_refused() -> None:
    """And the first hop was pinned to what the first look-up gave."""
    start = "https://rebind.example/a.png"
    internet = Internet({"rebind.example": [[PUBLIC], ["10.0.0.1"]]}, {start: Fetched(302, "/b.png")})
    with pytest.raises(InvalidRequest, match="not an address of the public internet"):
        await internet.fetcher().fetch(start, "image")
    assert internet.requests == [(start, [PUBLIC])]


async def test_name_when_one_of_its_addresses_is_private_then_none_is_used() -> None:
    """A mixed answer is an attack or a mistake."""
    internet = Internet({"mixed.example": [[PUBLIC, "192.168.1.1"]]}, {})
    with pytest.raises(InvalidRequest):
        await internet.fetcher().fetch("https://mixed.example/", "image")
    assert internet.requests == []


async def test_picture_when_its_address_is_public_then_it_comes_pinned_and_within_the_cap() -> None:
    """Through one redirect; a larger one is refused with 413."""
    start, end, big = "https://a.example/1", "https://b.example/2", "https://a.example/big"
    internet = Internet(
        {"a.example": [[PUBLIC], [PUBLIC]], "b.example": [["2606:2800:21f::1"]]},
        {start: Fetched(301, end), end: Fetched(200, body=b"picture"), big: Fetched(200, body=b"x" * 101)},
    )
    assert await internet.fetcher().fetch(start, "image") == b"picture"
    assert internet.requests == [(start, [PUBLIC]), (end, ["2606:2800:21f::1"])]
    with pytest.raises(RequestTooLarge):
        await internet.fetcher().fetch(big, "image")


async def test_redirects_when_they_never_end_then_a_few_are_followed() -> None:
    """Four requests at most."""
    start = "https://loop.example/"
    internet = Internet({"loop.example": [[PUBLIC]] * 9}, {start: Fetched(302, start)})
    with pytest.raises(InvalidRequest, match="redirects too often"):
        await internet.fetcher().fetch(start, "image")
    assert len(internet.requests) == 4


@pytest.mark.parametrize(
    ("address", "public"),
    [(PUBLIC, True), ("2606:2800:21f::1", True), ("::ffff:8.8.8.8", True), ("100.64.0.1", False), ("224.0.0.1", False)],
)
def test_address_when_judged_then_only_public_unicast_is(address: str, *, public: bool) -> None:
    """Also inside IPv6."""
    assert is_public(address) is public
