"""Jobs and pictures as files: what a killed process left, what is too old."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.services.image_ports import JobState
from freetheai_gateway.store.image_files import ABANDONED_AFTER_S, ImageFiles
from tests.images.table import drawn

KEEP_S = 60.0
JOB = JobState("job_0123456789ABC", "acc_1", "img/model", 1, 2, status="running")


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    return ImageFiles(tmp_path, KEEP_S, SystemClock(), lambda: "https://ai.example.org/v1")


def age(seconds: float, *files: Path) -> None:
    """Make files older."""
    then = SystemClock().wall() - seconds
    for file in files:
        os.utime(file, (then, then))


@pytest.mark.parametrize("status", ["pending", "running"])
async def test_job_when_its_process_was_killed_then_it_has_failed(
    files: ImageFiles, tmp_path: Path, status: str
) -> None:
    """Nobody touches its file any more; as long as somebody does, it runs."""
    job = replace(JOB, status=status)
    await files.save(job)
    age(ABANDONED_AFTER_S + 1, tmp_path / f"{job.id}.json")
    found = await files.find(job.id)
    assert found is not None
    assert (found.status, found.code) == ("failed", "restarting")
    await files.beat(job.id)
    assert await files.find(job.id) == job


async def test_job_when_it_is_done_then_it_stays_until_it_is_too_old(files: ImageFiles, tmp_path: Path) -> None:
    """With its picture; then both are deleted."""
    done = replace(JOB, status="completed")
    await files.save(done)
    name = await files.keep(drawn())
    both = (tmp_path / f"{done.id}.json", tmp_path / name)
    age(KEEP_S - 1, *both)
    files.sweep()
    assert await files.find(done.id) == done
    assert await files.load(name) == drawn().data
    age(KEEP_S + 1, *both)
    files.sweep()
    assert await files.find(done.id) is None
    assert await files.load(name) is None
