"""Requests that are cancelled, by the client or by the drain, at every point where they can wait."""

import asyncio

import pytest

from freetheai_gateway.errors import GatewayError, ProviderUnavailable
from freetheai_gateway.testing.offers import make_offer
from freetheai_gateway.testing.ports import FakeReply, Pause, RecordingSink
from tests.unit.services.governed import (
    DAILY,
    DONE,
    MESSAGES,
    TIERS,
    WHOLE,
    Governed,
    body,
    chunk,
    streamed,
    usage_chunk,
)

RESTARTING = ProviderUnavailable("The server is restarting.", code="restarting", retry_after_s=2)


def _cancel_points() -> dict[str, tuple[bool, tuple[FakeReply | Pause, ...], Pause]]:
    points: dict[str, tuple[bool, tuple[FakeReply | Pause, ...], Pause]] = {}
    for name in ("stream: before the head", "whole: before the head"):
        pause = Pause()
        points[name] = (name.startswith("stream"), (pause,), pause)
    pause = Pause()
    points["whole: in the body"] = (False, (FakeReply(WHOLE[:10], pause),), pause)
    pause = Pause()
    points["stream: before the first event"] = (True, (streamed(pause),), pause)
    pause = Pause()
    points["stream: before content"] = (True, (streamed(chunk(), pause),), pause)
    pause = Pause()
    points["whole: in an error's body"] = (False, (FakeReply(pause, status=500),), pause)
    return points


@pytest.mark.parametrize(
    ("reason", "status"), [(None, 499), (RESTARTING, 503)], ids=["the client left", "the server drains"]
)
@pytest.mark.parametrize("point", sorted(_cancel_points()))
async def test_request_when_cancelled_before_content_then_it_costs_no_answer(
    point: str, reason: GatewayError | None, status: int
) -> None:
    """One record, the slot free, the upstream's reply closed, the daily answer given back."""
    stream, script, pause = _cancel_points()[point]
    gateway = Governed(*script)
    await gateway.cancelled_at(pause, stream=stream, sink=RecordingSink(gateway.history, reason=reason))
    assert (gateway.record.status, gateway.record.success) == (status, False)
    assert gateway.record.attempts == 1
    assert (gateway.answers_left, gateway.tokens_used) == (DAILY, 0)
    assert all(entry.closed == 1 for entry in script if isinstance(entry, FakeReply))
    gateway.assert_nothing_held()


async def test_stream_when_cancelled_after_content_then_what_was_delivered_counts() -> None:
    """The client left in mid-stream: an answer of the day, and an estimate of its tokens."""
    pause = Pause()
    gateway = Governed(streamed(chunk("a"), chunk("b"), chunk("c"), pause))
    await gateway.cancelled_at(pause)
    record = gateway.record
    assert (record.status, record.code, record.success, record.estimated) == (499, "client_canceled", True, True)
    assert (record.input_tokens, record.output_tokens) == (len(body(stream=True)) // 4, 3)
    assert record.cost_micro_usd == record.input_tokens + 2 * 3
    assert gateway.answers_left == DAILY - 1
    assert gateway.tokens_used == record.input_tokens + 3
    gateway.assert_nothing_held()


async def test_stream_when_cancelled_while_its_first_content_waits_for_the_reader_then_nothing_was_delivered() -> None:
    """A client that never took a byte and left is not charged an answer."""
    pause = Pause()
    gateway = Governed(streamed(chunk("a"), DONE))
    await gateway.cancelled_at(pause, sink=RecordingSink(gateway.history, pauses={1: pause}))
    assert (gateway.record.status, gateway.record.success) == (499, False)
    assert gateway.answers_left == DAILY


async def test_stream_of_messages_when_cancelled_then_counts_so_far_are_not_taken_for_the_whole() -> None:
    """Messages names the output only at its end: until then what was delivered is the better count."""
    start = (
        b'event: message_start\ndata: {"type":"message_start","message":{"model":"glm-5.1",'
        b'"usage":{"input_tokens":40,"output_tokens":1}}}\n\n'
    )
    delta = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"x"}}\n\n'
    )
    pause = Pause()
    gateway = Governed(streamed(start, *[delta] * 7, pause))
    await gateway.cancelled_at(pause, dialect=MESSAGES)
    assert (gateway.record.input_tokens, gateway.record.output_tokens, gateway.record.estimated) == (40, 7, True)
    assert gateway.tokens_used == 47


async def test_stream_when_cancelled_after_its_record_then_the_record_stands() -> None:
    """The client leaves while the last bytes wait for it: recorded once, as the answer that it was."""
    pause = Pause()
    reply = streamed(chunk("a"), chunk(finish="stop") + usage_chunk() + DONE)
    gateway = Governed(reply)
    await gateway.cancelled_at(pause, sink=RecordingSink(gateway.history, pauses={2: pause}))
    assert (gateway.record.status, gateway.record.output_tokens) == (200, 20)
    assert reply.closed == 1
    gateway.assert_nothing_held()


async def test_whole_reply_when_cancelled_while_it_is_sent_then_the_record_stands() -> None:
    """As for a stream's last bytes."""
    pause = Pause()
    gateway = Governed(FakeReply(WHOLE))
    await gateway.cancelled_at(pause, stream=False, sink=RecordingSink(gateway.history, pauses={1: pause}))
    assert gateway.record.status == 200
    gateway.assert_nothing_held()


async def test_wait_for_a_slot_when_cancelled_then_nothing_is_left() -> None:
    """A request that was never admitted has no record."""
    pause = Pause()
    gateway = Governed(pause, FakeReply(WHOLE), offer=make_offer(tiers=TIERS, concurrency_wait_s=30.0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run())
        await pause.reached.wait()
        waiting = tasks.create_task(gateway.run())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        pause.release()
    assert len(gateway.ledger.records) == 1
    gateway.assert_nothing_held()
