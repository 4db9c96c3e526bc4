"""A gateway on PostgreSQL: two nodes on one database, and a database that goes away."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MEMBER, PLAIN, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, eventually
from tests.e2e.wire import chat
from tests.postgres import empty_postgres_url, postgres_template

__all__ = ["empty_postgres_url", "postgres_template"]


class Forwarder:
    """A TCP forwarder before the server, which can be cut off and let through again."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._ready = Event()
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = True
        self.port = 0
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._forward, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, other_writer}
        await asyncio.gather(self._pump(reader, other_writer), self._pump(other_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except ConnectionError:
            pass  # it was cut: the other side is told by the abort below
        finally:
            writer.transport.abort()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self._open = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        """Let connections through again."""
        self._loop.call_soon_threadsafe(setattr, self, "_open", True)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    made = Forwarder(5432)
    yield made
    made.stop()


def on(url: str, upstream: ScriptedUpstream) -> str:
    """Write a configuration that keeps its data there."""
    return f'[database]\nurl = "{url}"\n' + render(Plan(upstream.base_url))


@contextmanager
def two_nodes(launch: Launch, config: str) -> Iterator[tuple[Gateway, Gateway]]:
    """Run two gateways with journals of their own."""
    with launch(config) as first, launch(config) as second:
        yield first, second


def recorded(gateway: Gateway) -> int:
    """Count the requests that the database knows of."""
    return sum(int(str(row["requests"])) for row in gateway.usage("model"))


def test_two_nodes_when_one_database_serves_both_then_keys_and_usage_are_shared(
    empty_postgres_url: str, upstream: ScriptedUpstream, launch: Launch
) -> None:
    """A key made here works there; revoked here it is refused there in under a second; no record is lost or doubled."""
    with two_nodes(launch, on(empty_postgres_url, upstream)) as (first, second):
        key = first.create_key("member", tier=MEMBER)
        second.secrets.append(key.secret)
        for node in (first, second, second):
            assert chat(node, key, PLAIN).status == 200
        eventually(lambda: recorded(second) == 3, "all records are there")
        first.command("keys", "revoke", key.id)
        began = time.monotonic()
        eventually(lambda: chat(second, key, PLAIN).status == 401, "the key is refused", within_s=1.0)
        assert time.monotonic() - began < 1.0  # the contract's second, not a measurement


def test_database_when_it_goes_away_then_requests_go_on_and_records_arrive_afterwards(
    empty_postgres_url: str, forwarder: Forwarder, upstream: ScriptedUpstream, launch: Launch
) -> None:
    """Keys that are known stay known, the journal keeps the records."""
    through = empty_postgres_url.replace(":5432", f":{forwarder.port}")
    with launch(on(through, upstream)) as gateway:
        key = gateway.create_key("member", tier=MEMBER)
        assert chat(gateway, key, PLAIN).status == 200
        forwarder.cut()
        for _ in range(5):
            assert chat(gateway, key, PLAIN).status == 200
        with pytest.raises(AssertionError):
            gateway.usage()
        forwarder.mend()
        eventually(
            lambda: recorded(gateway) == 6,
            "every record is there",
            within_s=20.0,
        )
        assert "journal_drain_failed" in gateway.output() or "change_feed" in gateway.output()


def test_server_when_there_is_none_then_the_start_says_so(upstream: ScriptedUpstream, launch: Launch) -> None:
    """One line, no password, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    config = on(f"postgresql://user:hidden-word@127.0.0.1:{port}/db", upstream)
    with pytest.raises(AssertionError, match="the database is not available"), launch(config):
        pass
