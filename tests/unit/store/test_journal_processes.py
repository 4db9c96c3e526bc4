"""The journal over the life and death of real processes."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.typing import EventDict

from freetheai_gateway.store.database import Database
from freetheai_gateway.store.journal import Journal, JournalSettings
from freetheai_gateway.store.schema import USAGE_RECORDS
from freetheai_gateway.store.usage import SqlUsage

APPEND = """
import asyncio, sys
from pathlib import Path
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.journal import Journal, JournalSettings
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage

async def main(directory, drains, records):
    database = await Database.open(StoreSettings(url=f"sqlite:///{directory}/freetheai.db"), create=False)
    journal = Journal.open(JournalSettings(directory / "journal", drain_s=0.001), SqlUsage(database))
    draining = asyncio.get_running_loop().create_task(journal.run()) if drains else None
    for _ in range(records):
        record = UsageRecord(new_request_id(), 1.0, 1, "acc", "key", "/", "m", 200, success=True)
        journal.append(record)
        print(record.request_id, flush=True)
        await asyncio.sleep(0)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "drain", int(sys.argv[3])))
"""


async def _start(directory: Path, mode: str, records: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", APPEND, str(directory), mode, str(records), stdout=PIPE, limit=2**24
    )


async def _stored_ids(database: Database) -> set[str]:
    async with database.read("reading ids") as connection:
        return set(await connection.scalars(select(USAGE_RECORDS.c.request_id)))


async def _read_ids(process: Process, count: int) -> list[str]:
    assert process.stdout is not None
    return [(await process.stdout.readline()).decode().strip() for _ in range(count)]


async def _kill_and_read_rest(process: Process) -> list[str]:
    process.kill()
    assert process.stdout is not None
    rest = await process.stdout.read()
    await process.wait()
    lines = rest.decode().split("\n")
    return lines[:-1]  # what stands after the last line end was being printed


@pytest.mark.parametrize("mode", ["drain", "keep"])
async def test_journal_when_its_process_is_killed_then_every_acknowledged_record_counts_once(
    tmp_path: Path, database: Database, mode: str
) -> None:
    """After `kill -9`, in mid-drain or without any drain, no record is missing and none is counted twice."""
    process = await _start(tmp_path, mode, 1_000_000)
    acknowledged = await _read_ids(process, 400) + await _kill_and_read_rest(process)
    usage = SqlUsage(database)
    journal = Journal.open(JournalSettings(tmp_path / "journal"), usage)
    await journal.drain_once()
    await journal.close()
    stored = await _stored_ids(database)
    assert set(acknowledged) <= stored
    # The kill may fall between a write and its print: one record more than was printed.
    assert len(stored) - len(acknowledged) in {0, 1}
    assert (await usage.totals()).successful_requests == len(stored)
    assert list((tmp_path / "journal").iterdir()) == []


async def test_journal_when_two_processes_share_a_directory_then_only_the_dead_one_is_replayed(
    tmp_path: Path, database: Database, logged: list[EventDict]
) -> None:
    """A living process's file is its own; when it dies too, the next drain takes it over."""
    first, second = await asyncio.gather(_start(tmp_path, "keep", 50), _start(tmp_path, "keep", 50))
    dead = await _read_ids(first, 50) + await _kill_and_read_rest(first)
    alive = await _read_ids(second, 50)
    journal = Journal.open(JournalSettings(tmp_path / "journal"), SqlUsage(database))
    await journal.drain_once()
    assert await _stored_ids(database) == set(dead)
    await _kill_and_read_rest(second)
    await journal.drain_once()
    assert await _stored_ids(database) == {*dead, *alive}
    assert [event["records"] for event in logged if event["event"] == "journal_replay_started"] == [50, 50]
    await journal.close()
