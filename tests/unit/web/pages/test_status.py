"""The status page: the board, and its 90 days out of what the database sums."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from freetheai_gateway.domain.health import PrefixDay, Thresholds
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import StoreUnavailable
from freetheai_gateway.services.reports import NodeReports, NoSiblings
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import chat_model, make_offer
from freetheai_gateway.web.health import HealthRoutes
from freetheai_gateway.web.pages.frame import Frame, show_day, show_share, show_wait
from freetheai_gateway.web.pages.history import DAYS, READ_AT_MOST_EVERY_S, History, draw
from freetheai_gateway.web.pages.status import StatusPages, changes_of
from tests.unit.web.answers import RankedUsage, ask

RULES = Thresholds(minimum_requests=4, degraded_from=0.1, down_from=0.5)
TODAY, YESTERDAY, FIRST = "2026-11-23", "2026-11-22", "2026-08-26"
NOW = FakeClock().wall()


class KnownDays(RankedUsage):
    """Knows how prefixes did, unless it is away."""

    def __init__(self, *days: PrefixDay) -> None:
        super().__init__()
        self.days: Sequence[PrefixDay] | None = days
        self.since: list[float] = []
        self.hangs = False
        self.asked_for_days = asyncio.Event()

    async def prefix_days(self, since: float, thresholds: Thresholds) -> Sequence[PrefixDay]:
        """Give them."""
        assert thresholds is RULES
        if self.hangs:
            self.asked_for_days.set()
            await asyncio.Event().wait()
        self.since.append(since)
        if self.days is None:
            raise StoreUnavailable
        return self.days


def test_bar_when_drawn_then_every_day_is_in_it_once_and_days_without_requests_are_joined() -> None:
    """90 days in order, today last."""
    bar = draw([PrefixDay(TODAY, "glm", 9, 1), PrefixDay(FIRST, "glm", 1, 9, down_hours=1)], NOW, RULES)["glm"]
    assert [(each.start, each.length, each.status) for each in bar.stretches] == [
        (0, 1, "down"),
        (1, DAYS - 2, "none"),
        (DAYS - 1, 1, "degraded"),
    ]
    assert (bar.stretches[0].first_day, bar.stretches[1].last_day, bar.stretches[2].first_day) == (
        FIRST,
        YESTERDAY,
        TODAY,
    )
    assert bar.stretches[0].told == "26 Aug 2026: 90\N{NARROW NO-BREAK SPACE}% of 10 requests failed; down for 1 hour"
    assert bar.answered == 0.5
    assert [day.first_day for day in bar.troubled] == [TODAY, FIRST]


def test_bars_when_several_prefixes_then_each_has_its_own_and_what_is_older_is_left_out() -> None:
    """The database may give a day more: the bar begins where it begins."""
    days = [PrefixDay(TODAY, "glm", 4, 0), PrefixDay(TODAY, "rev", 0, 4), PrefixDay("2026-08-25", "rev", 9, 0)]
    bars = draw(days, NOW, RULES)
    assert (bars["glm"].answered, bars["rev"].answered) == (1.0, 0.0)


async def test_history_when_many_look_then_it_is_read_once_a_minute_from_the_first_midnight() -> None:
    clock, usage = FakeClock(), KnownDays(PrefixDay(TODAY, "glm", 4, 0))
    history = History(usage, RULES, clock)
    for _ in range(3):
        assert set(await history.bars() or ()) == {"glm"}
    assert usage.since == [1_795_392_000.0 - (DAYS - 1) * 86_400]
    clock.advance(READ_AT_MOST_EVERY_S)
    await history.bars()
    assert len(usage.since) == 2


async def test_history_when_the_database_is_away_then_the_last_one_stays() -> None:
    """Nothing is known before the first reading, and that is told apart from no requests."""
    clock, usage = FakeClock(), KnownDays()
    days, usage.days = usage.days, None
    history = History(usage, RULES, clock)
    assert await history.bars() is None
    clock.advance(READ_AT_MOST_EVERY_S)
    usage.days = days
    assert await history.bars() == {}
    usage.days = None
    clock.advance(READ_AT_MOST_EVERY_S)
    assert await history.bars() == {}


async def test_history_when_the_database_hangs_then_visitors_get_what_is_known() -> None:
    """The one who asks waits for a moment, the others not at all."""
    clock, usage = FakeClock(), KnownDays(PrefixDay(TODAY, "glm", 4, 0))
    history = History(usage, RULES, clock, patience_s=0.05)
    known = await history.bars()
    clock.advance(READ_AT_MOST_EVERY_S)
    usage.hangs = True
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(history.bars())
        await usage.asked_for_days.wait()
        assert await history.bars() is known
        assert not asking.done()
    assert asking.result() is known


class Board:
    """The page over three prefixes: one that fails, one that answers, one that nobody called."""

    def __init__(self, *days: PrefixDay) -> None:
        clock = FakeClock()
        observer, usage = Observer(Metrics(), RULES, clock), KnownDays(*days)
        directory = Directory(make_offer(*(chat_model(f"{prefix}/a") for prefix in ("idle", "glm", "rev"))))
        for model, status in (("glm/a", 200), ("rev/a", 502)):
            for _ in range(4):
                trace = Trace("req_1", "/v1/chat/completions", clock)
                trace.model, trace.status, trace.attempts = model, status, 1
                clock.advance(0.5)
                trace.mark_first_token()
                observer.finished(trace)
        health = HealthRoutes(directory, observer, usage, clock, NodeReports(Metrics(), {}, observer, NoSiblings()))
        self.pages = StatusPages(Frame(directory), directory, health.body, History(usage, RULES, clock), clock)

    async def show(self, query: bytes = b"") -> str:
        """Open it."""
        return (await ask(self.pages.show, "/status", query=query)).body.decode()


def prefixes(page: str) -> list[str]:
    return re.findall(r'<a href="/models\?prefix=(\w+)"', page)


async def test_board_when_shown_then_what_is_unwell_comes_first_and_each_prefix_says_how_it_does() -> None:
    page = await Board().show()
    assert prefixes(page) == ["rev", "glm", "idle"]
    assert "Some models have trouble" in page
    assert re.search(r"30 min</th>.*>4<.*>100\N{NARROW NO-BREAK SPACE}%<", page)
    assert re.search(r">0\N{NARROW NO-BREAK SPACE}%<.*>5\d\d\N{NARROW NO-BREAK SPACE}ms<", page)
    assert page.count("No requests in 90 days.") == 1


async def test_board_when_a_day_went_badly_then_it_can_be_read_without_colour_and_without_seeing() -> None:
    """By its height, by the words that belong to it, and in a list that opens."""
    board = Board(PrefixDay(TODAY, "glm", 90, 0), PrefixDay(YESTERDAY, "glm", 40, 60, down_hours=2))
    page = await board.show()
    drawn = {
        status: (height, words)
        for status, height, words in re.findall(
            r'<rect class="(\w+)"[^>]* height="(\d+)" role="img"><title>(.*?)</title>', page
        )
    }
    assert drawn["up"] == ("32", "23 Nov 2026: all 90 requests answered")
    words = "22 Nov 2026: 60\N{NARROW NO-BREAK SPACE}% of 100 requests failed; down for 2 hours"
    assert drawn["down"] == ("10", words)
    assert drawn["none"][1].startswith("26 Aug 2026 to 21 Nov 2026: no requests")
    assert "1 day with trouble" in page
    assert page.count(words) == 2


@pytest.mark.parametrize(
    ("query", "shown"),
    [(b"q=GL", ["glm"]), (b"state=unknown", ["idle"]), (b"state=nonsense&part=board", ["rev", "glm", "idle"])],
)
async def test_board_when_searched_then_name_and_state_filter(query: bytes, shown: list[str]) -> None:
    assert prefixes(await Board().show(query)) == shown


def test_changes_when_listed_then_they_are_of_90_days_and_what_goes_later_comes_first() -> None:
    """What is announced for later, what came, what has no day; nothing of last year, and nothing before its day."""
    models = [
        replace(chat_model("a/soon"), retires_at="2026-12-31"),
        replace(chat_model("a/new"), created=int(NOW) - 86_400),
        replace(chat_model("a/gone"), retired=True),
        replace(chat_model("a/old"), created=int(NOW) - 91 * 86_400),
        replace(chat_model("a/long-gone"), retired=True, retires_at="2025-11-23"),
        replace(chat_model("a/coming"), created=int(NOW) + 86_400),
        chat_model("a/plain"),
    ]
    assert [(change.model.id, change.what, change.day) for change in changes_of(models, NOW)] == [
        ("a/soon", "retiring", "2026-12-31"),
        ("a/new", "new", YESTERDAY),
        ("a/gone", "retired", ""),
    ]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (show_share(0.999999), "99.99\N{NARROW NO-BREAK SPACE}%"),
        (show_share(1.0), "100\N{NARROW NO-BREAK SPACE}%"),
        (show_wait(340), "340\N{NARROW NO-BREAK SPACE}ms"),
        (show_wait(1_240), "1.2\N{NARROW NO-BREAK SPACE}s"),
        (show_wait(45_400), "45\N{NARROW NO-BREAK SPACE}s"),
        (show_day("2026-03-09"), "9 Mar 2026"),
    ],
)
def test_figures_of_the_board_when_shown_then_they_do_not_flatter(shown: str, text: str) -> None:
    assert shown == text
