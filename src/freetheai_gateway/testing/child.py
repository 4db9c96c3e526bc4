"""A gateway as a process of its own, for drills and proofs: started in a folder, given a key, stopped, looked into."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage

START_S = 30.0
STOP_S = 60.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class ChildFailed(Exception):
    """The gateway did not start, or a command of it failed; the text is the end of what it wrote."""


class _CreatedKey(msgspec.Struct):
    key: str


_decode_key: Decoder[_CreatedKey] = Decoder(_CreatedKey)


class ChildGateway:
    """One gateway in a folder that holds its configuration, database, journal and output. Belongs to one event loop."""

    def __init__(self, folder: Path, configuration: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._config = folder / "freetheai.toml"
        self._config.write_text(configuration)
        self._log = folder / "stderr.log"
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(folder),
            **environment,
        }
        self._process: Process | None = None
        self.port = 0

    @property
    def process_id(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it accepts connections. Raises `ChildFailed`."""
        self._process = process = await self._spawn("serve", "--port", "0")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                while line := await process.stdout.readline():
                    if found := _ADDRESS.search(line.decode()):
                        self.port = int(found[1])
                        return
        except TimeoutError:
            process.kill()
        raise ChildFailed(self.output()[-2_000:])

    async def create_key(self, *, unlimited: bool = True) -> str:
        """Create an account without limits, or of the default tier; returns its key. Raises `ChildFailed`."""
        options = ("--unlimited",) if unlimited else ()
        process = await self._spawn("keys", "create", "--name", "drill", *options, "--json")
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise ChildFailed(self.output()[-2_000:])
        return _decode_key(said).key

    def reconfigure(self, configuration: str) -> None:
        """Write another configuration and have it reloaded."""
        self._config.write_text(configuration)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def stop(self) -> int:
        """End it with SIGTERM, after `STOP_S` with SIGKILL; returns its exit code."""
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()

    def output(self) -> str:
        """Read what it wrote on stderr."""
        return self._log.read_text(errors="replace")

    async def records(self, request_ids: Sequence[str]) -> Mapping[str, UsageRecord]:
        """Read the records of requests, once it has stopped."""
        database = await Database.open(StoreSettings(url=f"sqlite:///{self._folder / 'freetheai.db'}"), create=False)
        try:
            usage = SqlUsage(database)
            found = [await usage.find(request_id) for request_id in request_ids if request_id]
            return {record.request_id: record for record in found if record is not None}
        finally:
            await database.close()

    async def _spawn(self, *arguments: str) -> Process:
        with self._log.open("ab") as errors:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "freetheai_gateway",
                *arguments,
                "--config",
                str(self._config),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=errors,
                cwd=self._folder,
                env=self._environment,
            )
