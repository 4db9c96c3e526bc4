"""The journal: where the record of a finished request is safe before its last bytes are sent.

The lines of one turn of the event loop are one `write(2)` to a file that only this process writes (O_APPEND, mode
0600): the kernel keeps what was written when the process is killed, and with `fsync` the disk does when the power
fails. Who sends last bytes calls `flush` first (`outbox`). A drain moves the records into the database soon after:

1. The active file is sealed: a new one takes its place. While sealed files wait for a database that is away, no
   further file is made, and the active one grows on disk, not in memory.
2. Sealed files and those of dead processes are read in batches; each is one transaction, idempotent by request id.
3. A file is deleted when the database has all of it. A crash before that replays it, and nothing counts twice.

Where the disk refuses lines, their records wait in memory (at most `kept_records` of them), are logged as an error and
go into the database with the next drain: the requests that they describe were served and must not fail for it.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, Self

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.jsonc import encode
from freetheai_gateway.log import get_log
from freetheai_gateway.store.errors import JournalUnavailable, RecordsRefused
from freetheai_gateway.store.segment import SUFFIX, Segment

_LOG = get_log("journal")

FlushSoon = Callable[[Callable[[], None]], object]


def _at_once(flush: Callable[[], None]) -> None:
    flush()


class RecordSink(Protocol):
    """What a drain needs of the `UsageStore`."""

    async def insert(self, records: Sequence[UsageRecord]) -> int:
        """Insert what is new. Raises `RecordsRefused` and `StoreUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """`[journal]`, and numbers that only tests change. A relative directory counts from the working directory."""

    directory: Path = Path("freetheai-journal")
    fsync: bool = False
    """Each `flush` waits for the disk, on the event loop's thread; use with `StoreSettings.durable`."""
    drain_s: float = 0.5
    """Pause between drains."""
    drain_records: int = 500
    """As many waiting records start a drain at once; also the most of one transaction."""
    retry_max_s: float = 10.0
    """Longest pause while the database is away; the pauses double from `drain_s`."""
    kept_records: int = 10_000
    """How many records may wait in memory while the disk refuses lines; more are lost, each with a logged error."""


class Journal:
    """The `Ledger` of this process. All methods belong to one event loop's thread.

    `open` it, `run` it as a task, and after the last request cancel that task and `close` it.
    """

    def __init__(self, settings: JournalSettings, sink: RecordSink, active: Segment, flush_soon: FlushSoon) -> None:
        self._settings = settings
        self._flush_soon = flush_soon
        self._appended: list[tuple[UsageRecord, bytes]] = []
        """Records of this turn with their lines, which no disk has yet."""
        self._sink = sink
        self._active = active
        self._sealed: deque[Segment] = deque()
        self._kept: deque[UsageRecord] = deque()
        self._full = asyncio.Event()
        self._draining = asyncio.Lock()
        self._refused_names: set[str] = set()

    @classmethod
    def open(cls, settings: JournalSettings, sink: RecordSink, flush_soon: FlushSoon = _at_once) -> Self:
        """Make the directory (mode 0700) and this process's first file. Raises `JournalUnavailable`.

        `flush_soon` may put a `flush` off to the end of the loop's turn.
        """
        try:
            settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(settings, sink, Segment.create(settings.directory), flush_soon)
        except OSError as error:
            raise JournalUnavailable(settings.directory, os.strerror(error.errno or 0)) from None

    @property
    def pending(self) -> int:
        """How many records are not in the database yet; files of dead processes count from their adoption on."""
        return (
            len(self._appended)
            + self._active.pending
            + sum(segment.pending for segment in self._sealed)
            + len(self._kept)
        )

    def append(self, record: UsageRecord) -> None:
        """Keep the record; it survives `kill -9` after the next `flush`. Never raises, never waits for a database."""
        try:
            line = encode(record)
        except (ValueError, OverflowError) as error:
            self._keep(record, error)
            return
        self._appended.append((record, line))
        if len(self._appended) == 1:
            self._flush_soon(self.flush)

    def flush(self) -> None:
        """Make safe what was appended; costs nothing where nothing was."""
        if not self._appended:
            return
        appended, self._appended = self._appended, []
        active = self._active
        try:
            active.append(appended)
            if self._settings.fsync:
                active.sync()
        except OSError as error:
            for record, _ in appended:
                self._keep(record, error)
        if active.pending >= self._settings.drain_records:
            self._full.set()

    def _keep(self, record: UsageRecord, error: Exception) -> None:
        if len(self._kept) >= self._settings.kept_records:
            _LOG.error("usage_record_lost", request_id=record.request_id)
            return
        if not self._kept:
            _LOG.error("journal_write_failed", error=type(error).__name__, errno=getattr(error, "errno", None))
        self._kept.append(record)

    async def run(self) -> None:
        """Drain again and again until cancelled; errors are logged and tried again ever more slowly."""
        pause_s = self._settings.drain_s
        while True:
            try:
                await self.drain_once()
            except Exception as error:  # noqa: BLE001 - a drain that ended would fill the disk in silence
                _LOG.error("journal_drain_failed", error=type(error).__name__, pending=self.pending)
                pause_s = min(pause_s * 2, self._settings.retry_max_s)
                await asyncio.sleep(pause_s)
            else:
                pause_s = self._settings.drain_s
                await self._rest()

    async def _rest(self) -> None:
        self._full.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_s):
                await self._full.wait()

    async def drain_once(self) -> None:
        """Move everything into the database that was appended before this call, and what dead processes left.

        Raises `StoreUnavailable` or `OSError`; what is not moved then stays where it is.
        """
        self.flush()
        async with self._draining:
            await self._adopt()
            await self._drain_kept()
            await self._drain_sealed()
            self._seal()
            await self._drain_sealed()

    async def _adopt(self) -> None:
        """Take over the files of dead processes, the oldest first."""
        for path in sorted(self._settings.directory.glob(f"*{SUFFIX}")):
            if path.name in self._refused_names:
                continue
            try:
                segment = Segment.adopt(path)
            except OSError as error:
                self._refused_names.add(path.name)
                _LOG.warning("journal_file_not_ours", file=path.name, errno=error.errno)
                continue
            if segment is not None:
                self._sealed.append(segment)
                await asyncio.to_thread(segment.count_lines)
                _LOG.info("journal_replay_started", file=path.name, records=segment.pending)

    def _seal(self) -> None:
        if self._active.pending:
            following = Segment.create(self._settings.directory)
            self._sealed.append(self._active)
            self._active = following

    async def _drain_kept(self) -> None:
        while self._kept:
            batch = list(islice(self._kept, self._settings.drain_records))
            await self._insert(batch)
            for _ in batch:
                self._kept.popleft()

    async def _drain_sealed(self) -> None:
        while self._sealed:
            segment = self._sealed[0]
            while batch := segment.read_batch(self._settings.drain_records):
                if batch.unreadable:
                    _LOG.warning("journal_lines_unreadable", file=segment.path.name, lines=batch.unreadable)
                await self._insert(batch.records)
                segment.advance(batch)
            self._sealed.popleft().remove()

    async def _insert(self, records: Sequence[UsageRecord]) -> None:
        """Insert a batch; where the database refuses it, find the record that it refuses and go on without."""
        try:
            await self._sink.insert(records)
        except RecordsRefused:
            for record in records:
                try:
                    await self._sink.insert([record])
                except RecordsRefused:
                    _LOG.error("usage_record_refused", request_id=record.request_id)

    async def close(self) -> None:
        """Drain what is left and free the files; what the database did not take is replayed by the next start."""
        try:
            await self.drain_once()
        except Exception as error:  # noqa: BLE001 - the files keep the records; the end of the process goes on
            _LOG.error("journal_drain_failed", error=type(error).__name__, pending=self.pending)
        self.flush()
        for record in self._kept:
            _LOG.error("usage_record_lost", request_id=record.request_id)
        for segment in self._sealed:
            segment.close()
        if self._active.pending:
            self._active.close()
        else:
            self._active.remove()
