"""The process ends: politely with open streams, at once when told twice, and without loss when killed."""

import asyncio
import re
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import chat, chat_body, connected, raw_request, read_until

STREAMS = 50
REQUESTS = 1_000
AT_ONCE = 32
KILLED_AFTER = 400

_REQUEST_ID = re.compile(rb"x-request-id: (req_\w+)")


@pytest.fixture
def own(upstream: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway that this test may end."""
    with launch(render(Plan(upstream.base_url))) as gateway:
        yield gateway


async def open_stream(gateway: Gateway, key: Key) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """Ask for a stream and wait for its first token."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(raw_request(key, chat_body(MODEL, stream=True), extra="connection: close\r\n"))
    return reader, writer, await reader.readuntil(b"tok0")


def is_closed(gateway: Gateway) -> bool:
    """Whether the gateway takes no new connections."""
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
    except OSError:
        return True
    return False


async def test_sigterm_when_streams_are_open_then_all_finish_and_the_exit_code_is_0(
    own: Gateway, upstream: ScriptedUpstream
) -> None:
    """Fifty streams run to their `[DONE]`; new connections are refused meanwhile."""
    key = own.create_key("operator")
    upstream.play("scripted", "plain?chunks=15&delay_s=0.1")
    streams = await asyncio.gather(*(open_stream(own, key) for _ in range(STREAMS)))
    assert upstream.in_flight == STREAMS
    own.signal(signal.SIGTERM)
    ends = await asyncio.gather(*(reader.read() for reader, _, _ in streams))
    for _, writer, _ in streams:
        writer.close()
    assert all(b"data: [DONE]\n\n" in end for end in ends)
    assert not any(b'"error"' in end for end in ends)
    assert await asyncio.to_thread(own.wait) == 0
    assert (upstream.cancelled, upstream.in_flight) == (0, 0)


def test_sigint_when_sent_twice_then_it_stops_at_once(own: Gateway, upstream: ScriptedUpstream) -> None:
    """The first one drains, the second one does not wait for the open stream, which would run for a minute."""
    key = own.create_key("operator")
    upstream.play("scripted", "silence-mid-stream")
    with connected(own) as plain:
        plain.sendall(raw_request(key, chat_body(MODEL, stream=True)))
        read_until(plain, b"Hello")
        own.signal(signal.SIGINT)
        eventually(lambda: is_closed(own), "the first SIGINT closes the door")
        assert own.running
        own.signal(signal.SIGINT)
        own.wait(within_s=5)
    eventually(lambda: upstream.in_flight == 0, "the upstream is let go")
    own.check_output()


def test_sigterm_when_nothing_runs_then_it_exits_with_0_and_starts_again_on_its_database(own: Gateway) -> None:
    """Keys and usage are still there."""
    key = own.create_key("operator")
    request_id = chat(own, key, PLAIN).headers["x-request-id"]
    own.stop()
    own.start()
    assert chat(own, key, PLAIN).status == 200
    record = own.find_request(request_id)
    assert record is not None
    assert (record["status"], record["model"]) == (200, PLAIN)


def recorded_ids(folder: Path) -> list[str]:
    """Read every request id from whichever table of the database has them."""
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: [row[1] for row in database.execute(f'PRAGMA table_info("{name}")')] for name in names}
        (table,) = [name for name in names if "request_id" in columns[name]]
        found = [row[0] for row in database.execute(f'SELECT request_id FROM "{table}"')]  # noqa: S608 (a table's name)
    database.close()
    return found


async def ask_until(gateway: Gateway, key: Key, numbers: Iterator[int], note: Callable[[str], None]) -> None:
    """Ask on one connection, request after request, and note the id of each reply that came whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        for number in numbers:
            writer.write(raw_request(key, chat_body(PLAIN, stream=number % 2 == 0)))
            head = await reader.readuntil(b"\r\n\r\n")
            if b"content-length: " in head:
                await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
            else:
                await reader.readuntil(b"data: [DONE]\n\n")
                await reader.readuntil(b"0\r\n\r\n")
            note(_REQUEST_ID.findall(head)[0].decode())
    except (OSError, asyncio.IncompleteReadError):
        return  # the gateway was killed
    finally:
        writer.close()


async def test_kill_when_in_the_middle_of_requests_then_every_finished_one_is_recorded_once(
    own: Gateway, upstream: ScriptedUpstream
) -> None:
    """What a client saw finish has a record after the restart, and nothing has two."""
    key = own.create_key("operator")
    finished: list[str] = []

    def note(request_id: str) -> None:
        finished.append(request_id)
        if len(finished) == KILLED_AFTER:
            own.kill()

    numbers = iter(range(REQUESTS))
    await asyncio.gather(*(ask_until(own, key, numbers, note) for _ in range(AT_ONCE)))
    assert KILLED_AFTER <= len(finished) < REQUESTS
    await asyncio.to_thread(own.start)
    ids: list[str] = []

    def all_recorded() -> bool:
        ids[:] = recorded_ids(own.folder)
        return set(finished) <= set(ids)

    await asyncio.to_thread(eventually, all_recorded, "every finished request has its record")
    assert len(ids) == len(set(ids))
    assert len(ids) <= len(finished) + AT_ONCE
    (row,) = await asyncio.to_thread(own.usage)
    assert row["requests"] == len(ids)
    last = await asyncio.to_thread(own.find_request, finished[-1])
    assert last is not None
    assert (last["request_id"], last["status"]) == (finished[-1], 200)
