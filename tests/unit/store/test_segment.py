"""Files of the journal."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.jsonc import encode
from freetheai_gateway.store.segment import MOST_REMEMBERED, Segment, _lock

NewRecord = Callable[..., UsageRecord]


def _drain(segment: Segment, limit: int = 500) -> tuple[list[UsageRecord], int]:
    records: list[UsageRecord] = []
    unreadable = 0
    while batch := segment.read_batch(limit):
        assert len(batch.records) + batch.unreadable <= limit
        records += batch.records
        unreadable += batch.unreadable
        segment.advance(batch)
    return records, unreadable


def _dead(directory: Path, content: bytes) -> Segment:
    path = directory / "journal_dead.jsonl"
    path.write_bytes(content)
    segment = Segment.adopt(path)
    assert segment is not None
    return segment


def test_segment_when_created_then_private_and_locked(tmp_path: Path) -> None:
    """Only the owner may read it, and nobody takes it while it is held."""
    segment = Segment.create(tmp_path)
    assert segment.path.stat().st_mode & 0o777 == 0o600
    assert Segment.adopt(segment.path) is None
    segment.close()
    segment.close()
    adopted = Segment.adopt(segment.path)
    assert adopted is not None
    adopted.remove()
    assert list(tmp_path.iterdir()) == []
    assert Segment.adopt(segment.path) is None


def test_lock_when_the_file_was_deleted_meanwhile_then_not_ours(tmp_path: Path) -> None:
    """Between opening and locking another process may have drained and deleted the file: nobody may write to it."""
    fd = os.open(tmp_path / "journal_x.jsonl", os.O_RDWR | os.O_CREAT)
    (tmp_path / "journal_x.jsonl").unlink()
    assert not _lock(fd)
    os.close(fd)


def test_segment_when_read_then_gives_what_was_appended(tmp_path: Path, new_record: NewRecord) -> None:
    """Records come back in order, in batches of the given size."""
    segment = Segment.create(tmp_path)
    records = [new_record(code='"\n\\ü', first_token_ms=0) for _ in range(7)]
    segment.append([(record, encode(record)) for record in records[:3]])
    for record in records[3:]:
        segment.append([(record, encode(record))])
    assert segment.pending == 7
    assert _drain(segment, 3) == (records, 0)
    assert segment.pending == 0
    segment.remove()


def test_segment_when_it_holds_more_than_is_remembered_then_the_file_is_read(
    tmp_path: Path, new_record: NewRecord
) -> None:
    """A database that is away for long costs disk, not memory."""
    segment = Segment.create(tmp_path)
    records = [new_record(duration_ms=number) for number in range(MOST_REMEMBERED + 1)]
    segment.append([(record, encode(record)) for record in records[:-1]])
    assert segment.remembered == MOST_REMEMBERED
    segment.append([(records[-1], encode(records[-1]))])
    assert segment.remembered == 0
    assert _drain(segment, 700) == (records, 0)
    segment.remove()


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_segment_when_last_line_is_torn_then_the_others_are_read(
    tmp_path: Path, new_record: NewRecord, cut: int
) -> None:
    """A crash in mid-write costs the line that was being written and no other."""
    first, torn = new_record(), encode(new_record())[:cut]
    segment = _dead(tmp_path, encode(first) + b"\n" + torn)
    assert _drain(segment) == ([first], 1)
    segment.remove()


def test_segment_when_only_the_line_end_is_missing_then_the_record_is_read(
    tmp_path: Path, new_record: NewRecord
) -> None:
    """A record that is all there counts, its line end or not."""
    first, last = new_record(), new_record()
    segment = _dead(tmp_path, encode(first) + b"\n" + encode(last))
    assert _drain(segment, 1) == ([first, last], 0)
    segment.remove()


def test_segment_when_a_line_in_the_middle_is_broken_then_skipped_and_counted(
    tmp_path: Path, new_record: NewRecord
) -> None:
    """Lines that are no record, of another type or no text at all, are counted and end nothing."""
    first, last = new_record(), new_record()
    broken = [b'{"request_id":1}', b"\xff\x00", b"[" * 5_000, b"null"]
    segment = _dead(tmp_path, b"\n".join([encode(first), *broken, encode(last), b""]))
    assert _drain(segment, 2) == ([first, last], 4)
    segment.remove()


def test_segment_when_a_line_is_longer_than_a_read_then_still_one_record(tmp_path: Path, new_record: NewRecord) -> None:
    """No length of a line makes the drain stand still."""
    records = [new_record(), new_record(model="m" * 700_000), new_record()]
    segment = _dead(tmp_path, b"".join(encode(record) + b"\n" for record in records))
    segment.count_lines()
    assert segment.pending == 3
    assert _drain(segment) == (records, 0)
    segment.remove()


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(0, 90_000), max_size=12), limit=st.integers(1, 5), torn=st.booleans())
def test_segment_when_drained_in_any_batches_then_each_line_comes_once(
    lengths: list[int], limit: int, torn: bool
) -> None:
    """Wherever chunks and batches end, no line is lost or read twice."""
    records = [
        UsageRecord(f"req_{index}", 1.0, 1, "a", "k", "/", "m" * length, 200) for index, length in enumerate(lengths)
    ]
    content = b"".join(encode(record) + b"\n" for record in records) + b'{"request' * torn
    with TemporaryDirectory() as directory:
        segment = _dead(Path(directory), content)
        assert _drain(segment, limit) == (records, int(torn))
        segment.remove()
