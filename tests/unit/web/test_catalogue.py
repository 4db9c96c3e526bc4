"""Caching of the full catalogue, and what a leaderboard may be asked."""

from dataclasses import replace

import pytest

from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.ids import key_digest, new_key
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import GLM, chat_model, make_offer, member
from freetheai_gateway.testing.ports import StaticKeyLookup
from freetheai_gateway.web.catalogue import MAX_VIEWS, CatalogueRoutes
from tests.unit.web.answers import RankedUsage, ask, read_object

LOW, HIGH = new_key(), new_key()
FULL = "/v1/models/full"
LEADERBOARD = "/v1/models/leaderboard"
DAY_S = 86_400


class Shop:
    """The two routes over fakes; LOW is a key of tier 1, HIGH one of tier 3."""

    def __init__(self, offer: Offer | None = None, usage: RankedUsage | None = None) -> None:
        self.clock = FakeClock()
        self.usage = usage or RankedUsage()
        self.directory = Directory(offer or make_offer())
        self.observer = Observer(Metrics(), Thresholds(minimum_requests=1), self.clock)
        callers = {
            key_digest(LOW): member(),
            key_digest(HIGH): member(Account("acc_2", "Regular", 0.0, tier_override=3)),
        }
        authenticator = Authenticator(StaticKeyLookup(callers), self.directory)
        self.routes = CatalogueRoutes(
            self.directory, authenticator, self.observer, LaneBuilder({}, {}), usage=self.usage, clock=self.clock
        )

    async def full(self, key: str | None = LOW, *, etag: bytes = b"") -> Client:
        """Read the full catalogue."""
        headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
        return await ask(self.routes.full, FULL, [*headers, *([(b"if-none-match", etag)] if etag else [])])

    async def leaderboard(self, query: bytes = b"") -> Client:
        """Read the leaderboard."""
        return await ask(self.routes.leaderboard, LEADERBOARD, [(b"x-api-key", LOW.encode())], query=query)


async def test_full_when_read_then_it_may_be_kept_by_this_client_for_half_a_minute() -> None:
    """It depends on the key, so no shared cache may keep it, and none may mix keys up."""
    client = await Shop().full()
    assert client.status == 200
    assert client.headers[b"content-type"] == b"application/json"
    assert client.headers[b"cache-control"] == b"private, max-age=30"
    assert client.headers[b"vary"] == b"authorization, x-api-key"
    assert read_object(client.body)["object"] == "model_catalog"


@pytest.mark.parametrize("form", [b"%b", b"W/%b", b'"other", %b', b'"other",W/%b', b"*"])
async def test_full_when_the_client_has_it_then_304_without_a_body(form: bytes) -> None:
    """The comparison is weak (RFC 9110, section 13.1.2), and a star fits whatever there is."""
    shop = Shop()
    etag = (await shop.full()).headers[b"etag"]
    again = await shop.full(etag=form % etag if b"%b" in form else form)
    assert (again.status, again.body) == (304, b"")
    assert again.headers[b"etag"] == etag
    assert again.headers[b"cache-control"] == b"private, max-age=30"
    assert b"content-type" not in again.headers


async def test_full_when_only_time_passes_then_the_etag_stays() -> None:
    """`generated_at` is not content, and says when the content was made."""
    shop = Shop()
    before = await shop.full()
    shop.clock.advance(3_600)
    after = await shop.full()
    assert (after.headers[b"etag"], after.body) == (before.headers[b"etag"], before.body)


async def test_full_when_another_tier_looks_then_the_etag_differs() -> None:
    """Each sees its own access."""
    shop = Shop()
    low, high = await shop.full(LOW), await shop.full(HIGH)
    assert low.headers[b"etag"] != high.headers[b"etag"]


async def test_full_when_health_changes_then_the_etag_changes() -> None:
    """Health is content."""
    shop = Shop()
    before = (await shop.full()).headers[b"etag"]
    trace = Trace("req_1", "/v1/chat/completions", shop.clock)
    trace.status, trace.model = 502, GLM
    shop.observer.finished(trace)
    after = await shop.full(etag=before)
    assert after.status == 200
    assert after.headers[b"etag"] != before


async def test_full_when_the_offer_is_swapped_then_the_new_one_is_seen() -> None:
    """A reload needs no restart of anything."""
    shop = Shop()
    before = (await shop.full()).headers[b"etag"]
    shop.directory.offer = make_offer(chat_model(), chat_model("new/model"))
    after = await shop.full(etag=before)
    data = read_object(after.body)["data"]
    assert isinstance(data, list)
    assert [entry["id"] for entry in data] == [GLM, "new/model"]


async def test_full_when_very_many_views_were_asked_for_then_the_oldest_is_made_anew() -> None:
    """What is kept has a bound; a view that was dropped is only rendered again."""
    shop = Shop()
    first = await shop.full()
    for number in range(MAX_VIEWS):
        shop.directory.offer = make_offer(chat_model(f"m/{number}"))
        await shop.full()
    shop.directory.offer = make_offer()
    shop.clock.advance(60)
    again = await shop.full()
    assert again.headers[b"etag"] == first.headers[b"etag"]
    assert again.body != first.body


@pytest.mark.parametrize(("key", "public", "status"), [(None, False, 401), (None, True, 200), (new_key(), True, 401)])
async def test_full_when_there_is_no_good_key_then_the_configuration_decides(
    key: str | None, public: bool, status: int
) -> None:
    """A public catalogue needs no key, but a wrong one is still wrong."""
    shop = Shop(replace(make_offer(), public_catalog=public))
    for client in (await shop.full(key), await ask(shop.routes.leaderboard, LEADERBOARD, _bearer(key))):
        assert client.status == status


def _bearer(key: str | None) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {key}".encode())] if key else []


async def test_leaderboard_when_read_then_ranks_count_from_one() -> None:
    """Models that are not in the catalogue any more are not shown, and leave no gap."""
    usage = RankedUsage((GLM, 4_120), ("gone/model", 99), ("rev/x", 7))
    shop = Shop(make_offer(chat_model(), chat_model("rev/x")), usage)
    client = await shop.leaderboard()
    assert read_object(client.body) == {
        "object": "list",
        "window": "30d",
        "generated_at": "2026-11-23T01:30:00Z",
        "data": [
            {"rank": 1, "alias_model": GLM, "total_requests": 4_120},
            {"rank": 2, "alias_model": "rev/x", "total_requests": 7},
        ],
    }


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (b"", ("since_day", "2026-10-25", 10)),
        (b"window=30d&limit=1", ("since_day", "2026-10-25", 1)),
        (b"window=all&limit=100", ("since_day", None, 100)),
        (b"window=24h&limit=007", ("since", FakeClock().wall() - DAY_S, 7)),
        (b"limit=5&limit=6&other=x", ("since_day", "2026-10-25", 6)),
    ],
)
async def test_leaderboard_when_asked_for_a_window_then_the_store_is_asked_for_it(
    query: bytes, asked: tuple[str, float | str | None, int]
) -> None:
    """24 hours to the second; 30 UTC days, today included; everything."""
    shop = Shop()
    assert (await shop.leaderboard(query)).status == 200
    assert shop.usage.asked == [asked]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (b"limit=0", "limit"),
        (b"limit=101", "limit"),
        (b"limit=-1", "limit"),
        (b"limit=ten", "limit"),
        (b"limit=", "limit"),
        (b"limit=%C2%B2", "limit"),
        (b"limit=1e1", "limit"),
        (b"limit=" + b"9" * 5_000, "limit"),
        (b"window=7d", "window"),
        (b"window=", "window"),
        (b"window=24H", "window"),
        (b"&".join(b"a=1" for _ in range(50)), None),
    ],
)
async def test_leaderboard_when_the_query_is_wrong_then_400_names_the_field(query: bytes, param: str | None) -> None:
    """And the store is not asked."""
    shop = Shop()
    client = await shop.leaderboard(query)
    error = read_object(client.body)["error"]
    assert isinstance(error, dict)
    assert (client.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert shop.usage.asked == []
