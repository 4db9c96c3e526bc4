"""Redis for tests: the one of this machine under a prefix of its own, or a server process of its own."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import pytest

from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection, connect
from freetheai_gateway.limits.redis.settings import RedisSettings


@pytest.fixture
async def redis_prefix() -> AsyncIterator[str]:
    """Give a prefix of keys that nobody else uses; what was written under it is deleted afterwards."""
    prefix = f"freetheai-test-{token_hex(6)}:"
    try:
        connection = await open_redis(RedisSettings(prefix=prefix))
    except RedisAway as away:
        skip_or_fail(f"Redis on 127.0.0.1:6379: {away.reason}")
    yield prefix
    await forget(connection, prefix)
    connection.close()


def skip_or_fail(reason: str) -> None:
    """Skip where services may be absent."""
    (pytest.fail if os.environ.get("REQUIRE_SERVICES") else pytest.skip)(reason)


async def open_redis(settings: RedisSettings) -> RedisConnection:
    """Open a plain connection beside the limiter's. Raises `RedisAway`."""
    return await connect(settings, f"{settings.prefix}nobody", lambda _payload: None, lambda _connection: None)


async def forget(connection: RedisConnection, prefix: str) -> None:
    """Delete every key that begins so."""
    keys = await connection.call("KEYS", f"{prefix}*")
    assert isinstance(keys, list)
    if keys:
        await connection.call("DEL", *keys)


class OwnRedis:
    """A Redis process that a test may stop, start and kill; it keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty."""
        command = shutil.which("redis-server") or shutil.which("valkey-server")
        if command is None:
            skip_or_fail("redis-server is not installed")
        assert command is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [command, *options], cwd=self._directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def listening(self) -> None:
        """Wait until it answers."""
        while True:
            with suppress(RedisAway):
                (await open_redis(RedisSettings(port=self.port))).close()
                return
            await asyncio.sleep(0.01)


@contextmanager
def own_redis(directory: Path) -> Iterator[OwnRedis]:
    """Run an own Redis for a while."""
    redis = OwnRedis(directory)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()
