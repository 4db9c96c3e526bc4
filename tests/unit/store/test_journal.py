"""The journal and its drain, in one process."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.typing import EventDict

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.ports import Ledger
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import DatabaseUnavailable, JournalUnavailable, RecordsRefused
from freetheai_gateway.store.journal import Journal, JournalSettings
from freetheai_gateway.store.segment import Segment
from freetheai_gateway.store.usage import SqlUsage
from tests.background import running

NewRecord = Callable[..., UsageRecord]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


class Sink:
    """A usage store that may be away, refuses what it is told to, and yields in the middle of an insert."""

    def __init__(self) -> None:
        self.records: dict[str, UsageRecord] = {}
        self.batches: list[int] = []
        self.is_away = False
        self.refused: set[str] = set()

    async def insert(self, records: Sequence[UsageRecord]) -> int:
        """Insert what is new."""
        await asyncio.sleep(0)
        self.batches.append(len(records))
        if self.is_away:
            raise DatabaseUnavailable("inserting usage records", "OperationalError")
        if any(record.request_id in self.refused for record in records):
            raise RecordsRefused("no")
        before = len(self.records)
        self.records |= {record.request_id: record for record in records}
        return len(self.records) - before


@pytest.fixture
def sink() -> Sink:
    """Give an empty sink."""
    return Sink()


@pytest.fixture
def journal_settings(tmp_path: Path) -> JournalSettings:
    """Put a journal in the test's own directory, quick to drain."""
    return JournalSettings(directory=tmp_path / "a" / "journal", drain_s=0.01, retry_max_s=0.02)


@pytest.fixture
async def journal(journal_settings: JournalSettings, sink: Sink) -> AsyncIterator[Journal]:
    """Open a journal that nothing drains by itself."""
    journal = Journal.open(journal_settings, sink)
    yield journal
    sink.is_away = False
    await journal.close()


def _files(settings: JournalSettings) -> list[Path]:
    return sorted(settings.directory.iterdir())


def _events(logged: list[EventDict]) -> list[str]:
    return [event["event"] for event in logged]


async def test_append_when_drained_then_in_the_sink_and_the_file_is_gone(
    journal: Journal, journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """Records go from the file to the sink; an empty active file stays until the end."""
    ledger: Ledger = journal
    records = [new_record() for _ in range(3)]
    for record in records:
        ledger.append(record)
    assert journal.pending == 3
    written = _files(journal_settings)
    await journal.drain_once()
    assert list(sink.records.values()) == records
    assert journal.pending == 0
    assert len(_files(journal_settings)) == 1
    assert not set(written) & set(_files(journal_settings))
    await journal.close()
    assert _files(journal_settings) == []


async def test_journal_when_opened_then_readable_by_its_owner_only(
    journal: Journal, journal_settings: JournalSettings
) -> None:
    """Directory 0700, files 0600."""
    assert journal_settings.directory.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in _files(journal_settings)] == [0o600]


async def test_journal_when_directory_is_a_file_then_one_sentence(tmp_path: Path, sink: Sink) -> None:
    """A start that can't write its journal fails with the place and the reason."""
    place = tmp_path / "journal"
    place.touch()
    with pytest.raises(JournalUnavailable, match=f"{place}: File exists"):
        Journal.open(JournalSettings(directory=place), sink)


async def test_drain_when_many_records_then_batches_are_bounded(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """No transaction is larger than `drain_records`."""
    journal = Journal.open(JournalSettings(journal_settings.directory, drain_records=10), sink)
    for _ in range(25):
        journal.append(new_record())
    await journal.drain_once()
    assert sink.batches == [10, 10, 5]
    await journal.close()


async def test_append_when_many_tasks_append_during_drains_then_each_record_arrives_once(
    database: Database, journal_settings: JournalSettings, new_record: NewRecord
) -> None:
    """Sealing a file while others append loses nothing and counts nothing twice."""
    usage = SqlUsage(database)
    journal = Journal.open(journal_settings, usage)
    made: list[str] = []

    async def append_some() -> None:
        for _ in range(50):
            record = new_record()
            journal.append(record)
            made.append(record.request_id)
            await asyncio.sleep(0)

    async with running(journal.run()):
        await asyncio.gather(*(append_some() for _ in range(10)), journal.drain_once(), journal.drain_once())
    await journal.close()
    found = [await usage.find(request_id) for request_id in made]
    assert None not in found
    assert (await usage.totals()).successful_requests == len(made) == 500
    assert _files(journal_settings) == []


async def test_run_when_enough_records_wait_then_drains_at_once(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord, until: Until
) -> None:
    """A full load does not wait for the pause to end."""
    journal = Journal.open(JournalSettings(journal_settings.directory, drain_s=3_600, drain_records=2), sink)
    async with running(journal.run()):
        await asyncio.sleep(0)
        for _ in range(2):
            journal.append(new_record())
        await until(lambda: len(sink.records) == 2)
    await journal.close()


async def test_run_when_database_is_away_then_records_wait_in_one_file_and_go_in_later(
    journal: Journal, journal_settings: JournalSettings, sink: Sink, new_record: NewRecord, until: Until
) -> None:
    """An outage costs retries and disk, not files without number; afterwards everything arrives."""
    sink.is_away = True
    async with running(journal.run()):
        for attempts in range(1, 6):
            journal.append(new_record())
            await until(lambda seen=attempts: len(sink.batches) >= seen)  # type: ignore[misc]
        assert journal.pending == 5
        assert len(_files(journal_settings)) == 2
        sink.is_away = False
        await until(lambda: journal.pending == 0)
    assert len(sink.records) == 5


async def test_drain_when_one_record_is_refused_then_the_others_go_in(
    journal: Journal, sink: Sink, new_record: NewRecord, logged: list[EventDict]
) -> None:
    """A record that no retry makes storable does not stop the others for ever."""
    records = [new_record() for _ in range(3)]
    sink.refused = {records[1].request_id}
    for record in records:
        journal.append(record)
    await journal.drain_once()
    assert list(sink.records.values()) == [records[0], records[2]]
    assert journal.pending == 0
    assert [event["request_id"] for event in logged if event["event"] == "usage_record_refused"] == [
        records[1].request_id
    ]


async def test_append_when_number_is_beyond_64_bits_then_never_raises(
    database: Database, journal_settings: JournalSettings, new_record: NewRecord
) -> None:
    """What can't be encoded or stored ends in a log line, not in the request."""
    usage = SqlUsage(database)
    journal = Journal.open(journal_settings, usage)
    good = new_record()
    for record in (new_record(input_tokens=2**63), new_record(input_tokens=2**70), new_record(code="\ud800"), good):
        journal.append(record)
    await journal.drain_once()
    assert (await usage.totals()).successful_requests == 1
    assert await usage.find(good.request_id) == good
    await journal.close()


async def test_append_when_the_flush_is_put_off_then_the_records_of_a_turn_are_one_write(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """They count as pending from the first moment, and are on the disk once somebody has called `flush`."""
    soon: list[Callable[[], None]] = []
    journal = Journal.open(journal_settings, sink, flush_soon=soon.append)
    records = [new_record() for _ in range(3)]
    for record in records:
        journal.append(record)
    (file,) = _files(journal_settings)
    assert (journal.pending, len(soon), file.stat().st_size) == (3, 1, 0)
    journal.flush()
    assert file.read_bytes().count(b"\n") == 3
    soon[0]()
    assert (journal.pending, file.read_bytes().count(b"\n")) == (3, 3)
    await journal.drain_once()
    assert list(sink.records.values()) == records
    await journal.close()


async def test_drain_when_records_are_not_flushed_yet_then_they_are_drained_too(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """Whatever was appended before the drain is in the database after it."""
    never: list[Callable[[], None]] = []
    journal = Journal.open(journal_settings, sink, flush_soon=never.append)
    journal.append(new_record())
    await journal.drain_once()
    assert len(sink.records) == 1
    journal.append(new_record())
    await journal.close()
    assert len(sink.records) == 2


async def test_append_when_disk_is_full_then_records_wait_in_memory_and_the_rest_is_logged(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord, logged: list[EventDict]
) -> None:
    """The request goes on; the record takes the way through memory, of which there is only so much."""
    full = Segment(Path("/dev/full"), os.open("/dev/full", os.O_WRONLY))
    journal_settings.directory.mkdir(parents=True)
    settings = JournalSettings(journal_settings.directory, kept_records=2)
    journal = Journal(settings, sink, full, flush_soon=lambda flush: flush())
    records = [new_record() for _ in range(3)]
    for record in records:
        journal.append(record)
    assert journal.pending == 2
    assert _events(logged) == ["journal_write_failed", "usage_record_lost"]
    assert logged[1]["request_id"] == records[2].request_id
    await journal.drain_once()
    assert list(sink.records.values()) == records[:2]
    assert journal.pending == 0
    full.close()


@contextmanager
def _files_end_at(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_append_when_disk_fills_in_mid_line_then_every_record_still_arrives(
    journal: Journal, journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """The torn line is closed by the next append; its record came through memory."""
    records = [new_record() for _ in range(4)]
    journal.append(records[0])
    with _files_end_at(_files(journal_settings)[0].stat().st_size + 30):
        journal.append(records[1])
        journal.append(records[2])
    journal.append(records[3])
    await journal.drain_once()
    assert sink.records == {record.request_id: record for record in records}


async def test_close_when_database_is_away_then_next_start_replays(
    journal: Journal, journal_settings: JournalSettings, sink: Sink, new_record: NewRecord, logged: list[EventDict]
) -> None:
    """What an end could not drain is found by the next start, sealed files and the active one."""
    sink.is_away = True
    records = [new_record() for _ in range(2)]
    journal.append(records[0])
    with pytest.raises(DatabaseUnavailable):
        await journal.drain_once()
    journal.append(records[1])
    await journal.close()
    assert sink.records == {}
    sink.is_away = False
    following = Journal.open(journal_settings, sink)
    await following.drain_once()
    assert sink.records == {record.request_id: record for record in records}
    await following.close()
    assert _files(journal_settings) == []


async def test_drain_when_a_thing_in_the_directory_is_not_ours_then_said_once(
    journal: Journal, journal_settings: JournalSettings, sink: Sink, new_record: NewRecord, logged: list[EventDict]
) -> None:
    """What can't be opened neither stops the drain nor fills the log."""
    (journal_settings.directory / "odd.jsonl").mkdir()
    journal.append(new_record())
    await journal.drain_once()
    await journal.drain_once()
    assert len(sink.records) == 1
    assert _events(logged) == ["journal_file_not_ours"]


async def test_append_when_fsync_is_on_then_drains_alike(
    journal_settings: JournalSettings, sink: Sink, new_record: NewRecord
) -> None:
    """The switch changes when `append` returns and nothing else."""
    journal = Journal.open(JournalSettings(journal_settings.directory, fsync=True), sink)
    journal.append(new_record())
    await journal.close()
    assert len(sink.records) == 1
