"""The load: wrk for whole replies, an asyncio client for streams, for first bytes, and where wrk is absent."""

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar, cast

import msgspec
import uvloop

from tools.bench import wire

SCRIPT = Path(__file__).with_name("post.lua")
_GRACE_S = 20.0
_OK = b"HTTP/1.1 200"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_EVENT = b"data: "

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a load goes, with which model and key."""

    port: int
    path: str
    model: str
    key: str


class Rate(msgspec.Struct, frozen=True):
    """What came of a load of whole replies."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    failures: int

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return self.requests * 1e6 / self.duration_us


@dataclass(frozen=True, slots=True)
class Streams:
    """What came of a load of streams; `failures` are streams that were not the whole stream."""

    chunks: int
    failures: int


def wrk(program: str, target: Target, *, connections: int, seconds: int, body_file: Path) -> Rate:
    """Load with wrk, one thread. Raises `OSError`, `subprocess.SubprocessError`."""
    body_file.write_bytes(wire.request_body(target.model))
    how: list[str | Path] = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", SCRIPT]
    done = subprocess.run(
        [*how, f"http://127.0.0.1:{target.port}{target.path}", "--", body_file, target.key],
        check=True,
        capture_output=True,
        timeout=seconds + _GRACE_S,
    )
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Rate)


def rate(target: Target, *, connections: int, seconds: int) -> Rate:
    """Load with the client of this module: less than wrk can, but enough to see what a request costs."""
    request = wire.render_request(target.path, wire.request_body(target.model), target.key)

    async def work() -> Rate:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        calls = [Calls(request, loop.create_future(), began + seconds) for _ in range(connections)]
        for call in calls:
            await loop.create_connection(lambda call=call: call, "127.0.0.1", target.port)  # type: ignore[misc]
        await asyncio.gather(*(call.ended for call in calls))
        duration_us = round((time.perf_counter() - began) * 1e6)
        latencies_us = [latency for call in calls for latency in call.latencies_us]
        failures = sum(call.failures for call in calls)
        p99_us = quantiles(latencies_us, n=100)[-1] if len(latencies_us) > 1 else 0
        return Rate(len(latencies_us), duration_us, round(median(latencies_us or [0])), round(p99_us), failures)

    return _run(work, seconds + _GRACE_S)


def streams(target: Target, *, count: int, chunks: int, delay_s: float) -> Streams:
    """Hold `count` streams open at once, begun so that their chunks are spread evenly over time."""
    request = wire.render_request(target.path, wire.request_body(target.model, stream_chunks=chunks), target.key)

    async def work() -> Streams:
        loop = asyncio.get_running_loop()
        readers = [StreamReader(request, loop.create_future()) for _ in range(count)]
        for reader in readers:
            await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", target.port)  # type: ignore[misc]
        began = loop.time()
        for number, reader in enumerate(readers):
            loop.call_at(began + delay_s * number / count, reader.begin)
        await asyncio.gather(*(reader.ended for reader in readers))
        counted = [reader.events if reader.is_ok else 0 for reader in readers]
        return Streams(sum(counted), sum(events != wire.events_of(chunks) for events in counted))

    return _run(work, chunks * delay_s * 3 + _GRACE_S)


def first_bytes_ms(target: Target, *, count: int) -> list[tuple[float, float]]:
    """Stream one after another on one connection; from the request to first event and first content, milliseconds."""
    request = wire.render_request(target.path, wire.request_body(target.model, stream_chunks=1), target.key)

    async def work() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        reader = StreamReader(request, loop.create_future())
        await loop.create_connection(lambda: reader, "127.0.0.1", target.port)
        waits_ms = []
        for _ in range(count):
            reader.ended = loop.create_future()
            reader.begin()
            await reader.ended
            if not reader.is_ok:
                break
            began_at = reader.began_at
            waits_ms.append(((reader.first_at - began_at) * 1000, (reader.content_at - began_at) * 1000))
        return waits_ms

    return _run(work, count * 0.5 + _GRACE_S)


class StreamReader(asyncio.Protocol):
    """One connection; counts the events of its stream, and ends `ended` with it."""

    def __init__(self, request: bytes, ended: asyncio.Future[None]) -> None:
        self._request = request
        self.ended = ended
        self.events = 0
        self.is_ok = False
        self.began_at = self.first_at = self.content_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def begin(self) -> None:
        """Send the request; again after the end, for one more stream."""
        self.events = 0
        self.is_ok = False
        self.first_at = self.content_at = 0.0
        self.began_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        events = data.count(_EVENT)
        if events and not self.first_at:
            self.first_at = time.perf_counter()
        if not self.content_at and wire.CONTENT in data:
            self.content_at = time.perf_counter()
        if data.startswith(_OK):
            self.is_ok = True
        self.events += events
        if data.endswith(wire.END_OF_STREAM) or not self.is_ok:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, wherever the stream stands."""
        del exc
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Calls(asyncio.Protocol):
    """One connection that asks for whole replies, one after another, until its time is over."""

    def __init__(self, request: bytes, ended: asyncio.Future[None], ends_at: float) -> None:
        self._request = request
        self._ends_at = ends_at
        self._missing_bytes = 0
        self._began_at = 0.0
        self.ended = ended
        self.failures = 0
        self.latencies_us: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._began_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Ask again when a reply is whole."""
        if not self._missing_bytes:
            head, _, _ = data.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if length is None or not head.startswith(_OK):
                self.failures += 1
                self._transport.close()
                return
            self._missing_bytes = len(head) + 4 + int(length[1])
        self._missing_bytes -= len(data)
        if self._missing_bytes:
            return
        now = time.perf_counter()
        self.latencies_us.append((now - self._began_at) * 1e6)
        if now < self._ends_at:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.failures += exc is not None
        if not self.ended.done():
            self.ended.set_result(None)


def _run(work: Callable[[], Coroutine[Any, Any, T]], limit_s: float) -> T:
    """Run on a fresh uvloop; raises `TimeoutError` after the limit."""

    async def limited() -> T:
        async with asyncio.timeout(limit_s):
            return await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(limited())
