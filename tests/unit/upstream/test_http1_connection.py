"""The order of events inside one turn of the loop, which sockets can't be made to repeat."""

import asyncio

import pytest

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.outbox import Outbox
from freetheai_gateway.services.ports import Failure, Origin, Phase, UpstreamFailed, UpstreamRequest
from freetheai_gateway.upstream.http1.connection import HIGH_WATER_BYTES, Connection, Reply

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Wire(asyncio.Transport):
    """Stands in for a transport; remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unsent_bytes = 0
        self.aborted = False
        self.reading: list[bool] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading.append(False)

    def resume_reading(self) -> None:
        self.reading.append(True)


class Line:
    """A connection on a wire, and what it reported."""

    def __init__(self) -> None:
        self.freed = 0
        self.lost = 0
        self.wire = Wire()
        origin = Origin("http", "upstream.test", 80)
        loop = asyncio.get_running_loop()
        self.connection = Connection(origin, loop, self._on_free, self._on_lost, Outbox(loop.call_soon))
        self.connection.connection_made(self.wire)

    def _on_free(self, _: Connection) -> None:
        self.freed += 1

    def _on_lost(self, _: Connection) -> None:
        self.lost += 1

    async def exchange(self, body: bytes = b"", timeouts: Timeouts | None = None, head: bytes = HEAD) -> Reply:
        """Send a request whose head of the reply comes at once."""
        loop = asyncio.get_running_loop()
        timeouts = timeouts or Timeouts()
        asked = UpstreamRequest("POST", self.connection.origin, "/", body=body, timeouts=timeouts)
        loop.call_soon(self.connection.data_received, head)
        return await self.connection.exchange(asked, b"head", loop.time() + timeouts.total_s)


async def test_request_when_the_body_is_small_then_one_write_else_two() -> None:
    """One packet for most; no copy of a large body."""
    small, large = Line(), Line()
    await small.exchange(b"b" * 10)
    await large.exchange(b"b" * 100_000)
    assert small.wire.written == [b"head" + b"b" * 10]
    assert large.wire.written == [b"head", b"b" * 100_000]


async def test_close_when_the_reply_is_complete_then_the_connection_is_free_once() -> None:
    """Unread bytes are dropped; closing again does nothing to whoever has the connection now."""
    line = Line()
    reply = await line.exchange()
    line.connection.data_received(b"body")
    reply.close()
    assert (line.freed, line.wire.aborted) == (1, False)
    other = await line.exchange()
    reply.close()
    assert (line.freed, line.wire.aborted) == (1, False)
    line.connection.data_received(b"more")
    assert await other.read() == b"more"


async def test_close_when_a_reader_was_woken_but_did_not_run_yet_then_the_connection_is_not_given_away() -> None:
    """It would read the next caller's reply."""
    line = Line()
    reply = await line.exchange()
    reading = asyncio.get_running_loop().create_task(reply.read())
    await asyncio.sleep(0)
    line.connection.data_received(b"body")
    reply.close()
    assert (line.freed, line.wire.aborted) == (0, True)
    assert await reading == b"body"


async def test_close_when_the_request_is_not_written_yet_then_the_connection_is_aborted() -> None:
    """An early answer leaves half a body in the buffer, and the next request would follow it."""
    line = Line()
    reply = await line.exchange(b"b" * 100_000)
    line.wire.unsent_bytes = 50_000
    line.connection.data_received(b"body")
    reply.close()
    assert (line.freed, line.wire.aborted) == (0, True)


async def test_reading_when_the_buffer_is_over_its_mark_then_the_peer_waits_until_it_is_taken() -> None:
    """Also where the reader was woken and the loop reads on before it runs."""
    line = Line()
    reply = await line.exchange(head=b"HTTP/1.1 200 OK\r\n\r\n")
    reading = asyncio.get_running_loop().create_task(reply.read())
    await asyncio.sleep(0)
    line.connection.data_received(b"x" * HIGH_WATER_BYTES)
    assert line.wire.reading == []
    line.connection.data_received(b"x")
    assert line.wire.reading == [False]
    assert len(await reading) == HIGH_WATER_BYTES + 1
    assert line.wire.reading == [False, True]


async def test_lost_when_bytes_were_not_read_yet_then_they_come_before_the_failure() -> None:
    """What had arrived is the reader's."""
    line = Line()
    reply = await line.exchange()
    line.connection.data_received(b"bo")
    line.connection.connection_lost(ConnectionResetError(104, "reset by somewhere.secret"))
    assert await reply.read() == b"bo"
    with pytest.raises(UpstreamFailed) as failed:
        await reply.read()
    assert (failed.value.failure, failed.value.phase, failed.value.errno) == (Failure.CLOSED, Phase.BODY, 104)
    assert "secret" not in str(failed.value)
    assert line.lost == 1


async def test_deadline_when_the_exchange_is_over_then_it_does_not_hit_the_idle_connection() -> None:
    """The timer stays with the connection and finds nothing to do."""
    line = Line()
    reply = await line.exchange(timeouts=Timeouts(total_s=0.02))
    line.connection.data_received(b"body")
    reply.close()
    await asyncio.sleep(0.04)
    assert not line.wire.aborted
    assert line.connection.is_open


async def test_deadline_when_a_timer_of_an_earlier_exchange_rings_then_the_running_one_goes_on() -> None:
    """It rings too early for it, and is set anew."""
    line = Line()
    first = await line.exchange(timeouts=Timeouts(total_s=0.02))
    line.connection.data_received(b"body")
    first.close()
    second = await line.exchange(timeouts=Timeouts(total_s=0.1))
    await asyncio.sleep(0.04)
    line.connection.data_received(b"bo")
    assert await second.read() == b"bo"
    with pytest.raises(UpstreamFailed) as failed:
        await second.read()
    assert failed.value.failure is Failure.TOTAL_TIMEOUT
