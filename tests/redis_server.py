"""Redis for tests: the server that runs on this machine under a prefix of one's own, or a server of one's own."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from freetheai_gateway.limits.redis import RedisAway, RedisLimiter, RedisSettings, RedisTarget
from freetheai_gateway.limits.redis.connection import connect
from tests.background import running
from tests.skipping import skip_or_fail

TARGET = RedisTarget("127.0.0.1", int(os.environ.get("TEST_REDIS_PORT", "6379")))


def is_there() -> bool:
    """Whether a server answers."""
    try:
        with socket.create_connection((TARGET.host, TARGET.port), timeout=1):
            return True
    except OSError:
        return False


def need_redis() -> None:
    """Skip the test without a server, or fail it where every service is required."""
    if not is_there():
        skip_or_fail("there is no Redis on 127.0.0.1:6379")


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.002)


@asynccontextmanager
async def redis_limiter(
    *, now: Callable[[], float] | None = None, settings: RedisSettings | None = None
) -> AsyncIterator[RedisLimiter]:
    """Run a limiter whose keys are its own and are deleted afterwards."""
    need_redis()
    given = settings or RedisSettings(TARGET, prefix=f"test-{uuid4().hex}:", deadline_s=10.0, lease_s=2 * 86_400.0)
    limiter = RedisLimiter(given, now=now)
    try:
        async with running(limiter.run()):
            await until(lambda: limiter.up)
            yield limiter
    finally:
        await limiter.close()
        with suppress(RedisAway):
            await forget(given)


async def forget(settings: RedisSettings) -> None:
    connection = await connect(
        settings.target, 1.0, "nobody", lambda _payload: None, lambda _connection: None, script=b"return 1"
    )
    keys = await connection.call("KEYS", f"{settings.prefix}*")
    assert isinstance(keys, list)
    if keys:
        await connection.call("DEL", *keys)
    connection.close()


class OwnServer:
    """A Redis process that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.target = replace(TARGET, port=listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["redis-server", "--port", str(self.target.port), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(2_000):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.target.port), timeout=1):
                return
        raise AssertionError("redis-server did not start")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it hang for a while: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def own_server(folder: Path) -> Iterator[OwnServer]:
    """Run a server of one's own."""
    if shutil.which("redis-server") is None:
        skip_or_fail("redis-server is not installed")
    server = OwnServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
