"""The contract of `UsageStore`."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from freetheai_gateway.clock import utc_day
from freetheai_gateway.domain.health import PrefixDay, Thresholds
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.ports import ModelRequests, StoreFailed, UsageRow, UsageStore, UsageTotals
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage

NewRecord = Callable[..., UsageRecord]
DAY_S = 86_400.0
NOON = 1_795_392_000.0 + 43_200.0
TODAY = "2026-11-23"


def test_store_when_typed_then_fulfils_the_port(usage: SqlUsage) -> None:
    """The type checker reads this test."""
    ports: tuple[UsageStore, ...] = (usage,)
    assert len(ports) == 1


async def test_record_when_inserted_then_reads_back_as_it_went_in(usage: SqlUsage, new_record: NewRecord) -> None:
    """Every field survives, set and unset."""
    full = UsageRecord(
        request_id="req_full",
        started_at=1_795_397_400.123_456_7,
        duration_ms=1,
        account_id="acc_1",
        key_id="key_1",
        route="/v1/messages",
        model="glm/glm-5.1",
        status=499,
        code="client_canceled",
        provider="zai",
        upstream_model="glm-5.1",
        success=True,
        streamed=True,
        estimated=True,
        attempts=2,
        first_token_ms=0,
        input_tokens=2**40,
        output_tokens=4,
        cached_tokens=5,
        reasoning_tokens=6,
        images=7,
        cost_micro_usd=8,
    )
    bare = new_record()
    assert await usage.insert([full, bare]) == 2
    assert await usage.find("req_full") == full
    assert await usage.find(bare.request_id) == bare
    assert await usage.find("req_nothing") is None


async def test_records_when_inserted_again_then_counted_once(usage: SqlUsage, new_record: NewRecord) -> None:
    """What is there already changes nothing, in the same batch or a later one."""
    first, second, third = new_record(), new_record(), new_record()
    assert await usage.insert([first, second, first]) == 2
    assert await usage.insert([second, third]) == 1
    assert await usage.insert([first, second, third]) == 0
    assert await usage.insert([]) == 0
    assert await usage.totals() == UsageTotals(3, 300, 60)


async def test_records_when_inserted_by_many_at_once_then_counted_once(usage: SqlUsage, new_record: NewRecord) -> None:
    """Concurrent inserts of the same records agree on who was first."""
    records = [new_record() for _ in range(20)]
    new = await asyncio.gather(*(usage.insert(records) for _ in range(5)))
    assert sorted(new) == [0, 0, 0, 0, 20]
    assert (await usage.delivered_on(TODAY)).answers == {"acc_1": 20}


async def test_insert_when_cancelled_at_any_moment_then_the_next_one_need_not_wait(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """A driver's connection that is given up in mid-statement must not keep the lock of its transaction."""
    gc.disable()  # which would free the connection now and then
    try:
        for turns in range(40):
            batch = [new_record() for _ in range(100)]
            inserting = asyncio.get_running_loop().create_task(usage.insert(batch))
            for _ in range(turns):
                await asyncio.sleep(0)
            inserting.cancel()
            await asyncio.wait({inserting})
            assert await usage.insert(batch) in {0, 100}
    finally:
        gc.enable()


async def test_record_when_unstorable_then_refused_and_nothing_of_the_batch_is_kept(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """A number beyond 64 bits is refused in words that do not quote it."""
    good = new_record()
    with pytest.raises(StoreFailed) as raised:
        await usage.insert([good, new_record(input_tokens=2**63)])
    assert str(2**63) not in str(raised.value)
    assert await usage.find(good.request_id) is None
    assert await usage.totals() == UsageTotals()


async def test_report_when_grouped_then_sums_each_group(usage: SqlUsage, new_record: NewRecord) -> None:
    """Each grouping names its own field, leaves the others empty and puts the busiest first, but days in order."""
    await usage.insert(
        [
            new_record(started_at=NOON - DAY_S, cached_tokens=1, reasoning_tokens=2, images=3, cost_micro_usd=4),
            new_record(account_id="acc_2", provider="openai", model="img/gpt-image-2"),
            new_record(account_id="acc_2", success=False, status=502, provider=""),
        ]
    )
    by_day = await usage.report("day")
    assert by_day[0] == UsageRow("2026-11-22", "", "", "", 1, 1, 100, 20, 1, 2, 3, 4)
    assert [(row.day, row.requests) for row in by_day] == [("2026-11-22", 1), (TODAY, 2)]
    assert [(row.account_id, row.requests, row.successes) for row in await usage.report("account")] == [
        ("acc_2", 2, 1),
        ("acc_1", 1, 1),
    ]
    assert [(row.model, row.requests) for row in await usage.report("model")] == [
        ("glm/glm-5.1", 2),
        ("img/gpt-image-2", 1),
    ]
    assert {row.provider: row.requests for row in await usage.report("provider")} == {"": 1, "openai": 1, "zai": 1}
    assert [row.account_id for row in await usage.report("account", since=TODAY)] == ["acc_2"]


async def test_report_when_grouping_is_unknown_then_value_error(usage: SqlUsage) -> None:
    """The error names what there is."""
    with pytest.raises(ValueError, match="provider, account, model, day"):
        await usage.report("colour")


async def test_successes_when_counted_then_by_utc_day_and_delivered_only(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """Midnight UTC divides, failures do not count, and accounts without an answer are absent."""
    midnight = NOON - 43_200.0
    await usage.insert(
        [
            new_record(started_at=midnight - 0.001),
            new_record(started_at=midnight),
            new_record(started_at=midnight + DAY_S - 0.001, model="another"),
            new_record(started_at=midnight + DAY_S),
            new_record(success=False, account_id="acc_2"),
        ]
    )
    assert (await usage.delivered_on(TODAY)).answers == {"acc_1": 2}


async def test_leaderboard_when_ranked_then_most_called_first_and_only_what_answered(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """Names that never answered may be anything a client wrote, so they are left out."""
    old = [new_record(model="old", started_at=NOON - DAY_S) for _ in range(3)]
    new = [new_record(model="new", success=success) for success in (True, False)]
    await usage.insert([*old, *new, new_record(model="<script>", success=False), new_record(model="also")])
    assert await usage.leaderboard(None, 2) == [ModelRequests("old", 3), ModelRequests("new", 2)]
    assert await usage.leaderboard(TODAY, 10) == [ModelRequests("new", 2), ModelRequests("also", 1)]


async def test_prefix_days_when_summed_then_hours_that_went_badly_are_told_apart(
    database: Database, usage: SqlUsage, new_record: NewRecord
) -> None:
    """By the rule of `/v1/health`; two nodes write into the same hours, and what came twice is counted once."""
    rules = Thresholds(minimum_requests=4, degraded_from=0.25, down_from=0.5)

    def hour(at: int, successes: int, errors: int) -> list[UsageRecord]:
        started = NOON + at * 3_600.0
        good = [new_record(started_at=started, attempts=1) for _ in range(successes)]
        return good + [
            new_record(started_at=started, attempts=2, status=502, success=False, code="provider_error")
            for _ in range(errors)
        ]

    of_nobody = [
        new_record(status=499, code="client_canceled", attempts=1),
        new_record(status=400, code="invalid_request_error", attempts=1),
        new_record(status=503, code="restarting", attempts=1),
    ]
    bad = hour(2, 2, 2)
    await usage.insert([*hour(0, 9, 0), *of_nobody, new_record(model="plain", attempts=1)])
    await asyncio.gather(usage.insert([*hour(1, 3, 1), *bad]), SqlUsage(database).insert([*bad, *hour(3, 0, 3)]))
    await usage.insert([new_record(started_at=NOON - DAY_S, attempts=1)])
    days = await usage.prefix_days(NOON - DAY_S, rules)
    assert sorted(days, key=lambda day: (day.day, day.prefix)) == [
        PrefixDay("2026-11-22", "glm", 1, 0),
        PrefixDay(TODAY, "glm", 14, 6, down_hours=1),
        PrefixDay(TODAY, "plain", 1, 0),
    ]
    assert [day.day for day in await usage.prefix_days(NOON, rules)] == [TODAY, TODAY]


async def test_prune_when_days_are_over_then_old_rows_go_and_totals_stay(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """Records go by their instant, roll-ups by their day, and what was ever served stays counted."""
    ages = (0, 1, 2, 5)
    records = [new_record(started_at=NOON - age * DAY_S) for age in ages]
    await usage.insert(records)
    assert await usage.prune(NOON, raw_days=1, rollup_days=2) == 6
    assert [await usage.find(record.request_id) is not None for record in records] == [True, True, False, False]
    assert [row.day for row in await usage.report("day")] == ["2026-11-21", "2026-11-22", TODAY]
    assert await usage.totals() == UsageTotals(4, 400, 80)
    assert await usage.prune(NOON, raw_days=1, rollup_days=2) == 0


async def test_prune_when_days_are_over_then_how_prefixes_did_goes_with_the_other_sums(
    usage: SqlUsage, new_record: NewRecord
) -> None:
    """To the hour."""
    await usage.insert([new_record(started_at=NOON - hours * 3_600.0, attempts=1) for hours in (0, 48, 49)])
    await usage.prune(NOON, raw_days=1, rollup_days=2)
    kept = await usage.prefix_days(0.0, Thresholds())
    assert sorted((day.day, day.requests) for day in kept) == [("2026-11-21", 1), (TODAY, 1)]


async def test_prune_when_many_rows_are_old_then_all_go(usage: SqlUsage, new_record: NewRecord) -> None:
    """The steps of a bounded delete add up to the whole."""
    await usage.insert([new_record(account_id=f"acc_{index}") for index in range(2_345)])
    assert await usage.prune(NOON + 10 * DAY_S, raw_days=1, rollup_days=1) == 3 * 2_345 + 2
    assert await usage.report("account") == []


_RECORD = st.builds(
    UsageRecord,
    request_id=st.integers(0, 15).map("req_{}".format),
    started_at=st.floats(0, 4 * DAY_S, exclude_max=True),
    duration_ms=st.just(1),
    account_id=st.sampled_from(["a", "b"]),
    key_id=st.just("k"),
    route=st.just("/v1/chat/completions"),
    model=st.sampled_from(["m", "n"]),
    status=st.just(200),
    provider=st.sampled_from(["", "p"]),
    success=st.booleans(),
    input_tokens=st.integers(0, 2**40),
    output_tokens=st.integers(0, 9),
    cached_tokens=st.integers(0, 9),
    reasoning_tokens=st.integers(0, 9),
    images=st.integers(0, 9),
    cost_micro_usd=st.integers(0, 2**40),
)


def _counted(records: Sequence[UsageRecord], key: Callable[[UsageRecord], str]) -> dict[str, tuple[int, ...]]:
    sums: dict[str, Counter[int]] = {}
    for record in records:
        numbers = (
            *(1, record.success, record.input_tokens, record.output_tokens, record.cached_tokens),
            *(record.reasoning_tokens, record.images, record.cost_micro_usd),
        )
        sums.setdefault(key(record), Counter()).update(dict(enumerate(numbers)))
    return {name: tuple(counter[index] for index in range(8)) for name, counter in sums.items()}


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated file to copy: making one takes a tenth of a second, too long for every example."""

    async def make(path: Path) -> None:
        await (await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=True)).close()

    path = tmp_path_factory.mktemp("empty") / "freetheai.db"
    asyncio.run(make(path))
    return path


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking opens a database each
@given(batches=st.lists(st.lists(_RECORD, max_size=12), max_size=4))
def test_roll_ups_when_batches_repeat_records_then_equal_a_recount(
    empty_database: Path, batches: list[list[UsageRecord]]
) -> None:
    """Whatever comes twice, the roll-ups are what one counts from the records that are kept."""

    async def check(path: Path) -> None:
        copyfile(empty_database, path)
        database = await Database.open(StoreSettings(url=f"sqlite:///{path}"), create=False)
        try:
            usage = SqlUsage(database)
            inserted = 0
            for batch in batches:
                inserted += await usage.insert(batch)
            ids = {record.request_id for batch in batches for record in batch}
            kept = [record for name in sorted(ids) if (record := await usage.find(name)) is not None]
            assert len(kept) == inserted == len(ids)
            groups: dict[str, tuple[Callable[[UsageRecord], str], Callable[[UsageRow], str]]] = {
                "day": (lambda record: utc_day(record.started_at // DAY_S * DAY_S), lambda row: row.day),
                "account": (lambda record: record.account_id, lambda row: row.account_id),
                "model": (lambda record: record.model, lambda row: row.model),
                "provider": (lambda record: record.provider, lambda row: row.provider),
            }
            for by, (of_record, of_row) in groups.items():
                rows = await usage.report(by)
                assert _counted(kept, of_record) == {
                    of_row(row): (
                        *(row.requests, row.successes, row.input_tokens, row.output_tokens, row.cached_tokens),
                        *(row.reasoning_tokens, row.images, row.cost_micro_usd),
                    )
                    for row in rows
                }
            assert await usage.totals() == UsageTotals(
                sum(record.success for record in kept),
                sum(record.input_tokens for record in kept),
                sum(record.output_tokens for record in kept),
            )
        finally:
            await database.close()

    with TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory) / "freetheai.db"))


async def test_batches_when_of_every_size_then_they_are_few_statements(
    usage: SqlUsage, database: Database, new_record: NewRecord
) -> None:
    """The database and its driver remember each statement: one for every size of a batch would fill their memory."""
    statements: set[str] = set()
    async with database.write("a test") as connection:
        engine = connection.engine.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.add(statement)

    known = new_record()
    await usage.insert([known])
    assert await usage.insert([known, new_record()]) == 1
    first = len(statements)
    for size in range(1, 34):
        assert await usage.insert([known, *(new_record() for _ in range(size))]) == size
    assert len(statements) <= first + 6
