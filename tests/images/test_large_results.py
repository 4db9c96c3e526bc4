"""Results of megabytes: nobody else waits for them, and each answer is whole and settled before its last bytes."""

import asyncio
from base64 import b64decode
from pathlib import Path
from time import thread_time

import pytest

from freetheai_gateway.domain.images import Picture, Size
from freetheai_gateway.jsonc import encode
from freetheai_gateway.testing.asgi import Client
from tests.images.stage import JSON, Object, Stage, Vendors, bearer, read_object, settings_of
from tests.images.table import SPECIFIED, configuration, drawn

SIZE_BYTES = 2_000_000
AT_ONCE = 20
LONGEST_TURN_S = 0.008
"""CPU time of one turn of the loop, with room for slow machines: it takes 1.5 ms, and one result in one piece 7 ms."""


def large() -> Picture:
    """Give a picture of two megabytes: a small one, and padding between its header and its end."""
    small = drawn().data
    return Picture(small[:-12] + bytes(SIZE_BYTES) + small[-12:], "image/png", Size(24, 16))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(settings_of(configuration(), tmp_path), Vendors(large()))


def picture_in(told: Object) -> bytes:
    """Decode the one picture of a reply."""
    data = told["data"]
    assert isinstance(data, list)
    return b64decode(data[0]["b64_json"], validate=True)


def state_size(folder: Path) -> int:
    """Measure the file of the one job."""
    (state,) = folder.rglob("job_*.json")
    return state.stat().st_size


@pytest.mark.parametrize("model", SPECIFIED)
async def test_answer_when_it_is_large_then_it_comes_in_pieces_of_the_length_that_was_said(
    stage: Stage, model: str
) -> None:
    """Whole, whatever way the provider gave it."""
    answer = await stage.post(stage.member("large"), "generations", {"model": model, "prompt": "A lighthouse"})
    assert answer.status == 200
    assert len(answer.sent) > 10
    assert max(len(message["body"]) for message in answer.sent[1:]) < 200_000
    assert dict(answer.sent[0]["headers"])[b"content-length"] == b"%d" % len(answer.body)
    assert picture_in(read_object(answer.body)) == large().data
    assert stage.services.images.held.held_bytes == 0


async def test_stream_when_its_pictures_are_large_then_every_event_is_whole(stage: Stage) -> None:
    """A partial picture and the last one; the upstream's events have megabytes as well."""
    fields: Object = {"model": SPECIFIED[0], "prompt": "A lighthouse", "stream": True, "partial_images": 1}
    answer = await stage.post(stage.member("streams"), "generations", fields)
    events = [event.partition(b"data: ")[2] for event in answer.body.split(b"\n\n") if event]
    assert [b64decode(str(read_object(event)["b64_json"])) == large().data for event in events] == [True, True]
    assert stage.services.images.held.held_bytes == 0


async def test_job_when_its_result_is_large_then_it_is_kept_apart_from_the_jobs_state(
    stage: Stage, tmp_path: Path
) -> None:
    """Asking for it again and again reads a few bytes, until it is done."""
    key = stage.member("job")
    begun = await stage.post(key, "generations", {"model": SPECIFIED[0], "prompt": "A lighthouse", "background": True})
    assert picture_in(await stage.ended_job(key, begun)) == large().data
    assert state_size(tmp_path) < 1_000


async def test_loop_when_many_large_results_come_at_once_then_no_turn_of_it_is_long(stage: Stage) -> None:
    """Measured in CPU time, so that what else runs on the machine does not count."""
    key = stage.member("many")
    work = [
        asyncio.ensure_future(stage.post(key, "generations", {"model": SPECIFIED[0], "prompt": f"Lighthouse {number}"}))
        for number in range(AT_ONCE)
    ]
    longest, turns, before = 0.0, 0, thread_time()
    while not all(each.done() for each in work):
        await asyncio.sleep(0)
        now = thread_time()
        # The first turn begins all requests, and the fakes make their replies in it.
        longest, turns, before = max(longest, now - before) if turns else 0.0, turns + 1, now
    assert {each.result().status for each in work} == {200}
    assert longest < LONGEST_TURN_S, f"{longest * 1000:.1f} ms"


async def test_answer_when_the_client_reads_slowly_then_its_slot_is_held_until_the_last_piece(stage: Stage) -> None:
    """So an account's concurrency bounds what its slow readers hold."""
    key = stage.member("slow")
    body = encode({"model": SPECIFIED[0], "prompt": "A lighthouse"})
    client = Client("POST", "/v1/images/generations", (*JSON, bearer(key)), (body,))
    client.takes_one = True
    work = asyncio.ensure_future(stage.call(client))
    await client.got.wait()
    assert (stage.ledger.records, stage.limiter.running) == ([], 1)
    assert stage.services.images.held.held_bytes > SIZE_BYTES
    client.takes_one = False
    client.reads.set()
    await work
    assert ([record.status for record in stage.ledger.records], stage.limiter.running) == ([200], 0)


async def test_client_when_it_leaves_in_mid_answer_then_nothing_is_held_and_the_record_says_so(stage: Stage) -> None:
    """The picture was made: it counts."""
    key = stage.member("leaves")
    body = encode({"model": SPECIFIED[0], "prompt": "A lighthouse"})
    client = Client("POST", "/v1/images/generations", (*JSON, bearer(key)), (body,))
    client.takes_one = True
    work = asyncio.ensure_future(stage.call(client))
    await client.got.wait()
    client.connection.leave()
    await work
    assert [(record.status, record.images) for record in stage.ledger.records] == [(499, 1)]
    assert (stage.services.images.held.held_bytes, stage.limiter.running) == (0, 0)


async def test_request_when_the_server_has_all_that_it_can_take_then_it_is_refused_unread(stage: Stage) -> None:
    """As for chat: 503 with the time to come back."""
    stage.crowd.running = 1_000_000
    answer = await stage.post(stage.member("crowd"), "edits", {"model": SPECIFIED[0], "prompt": "A lighthouse"})
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"2")
