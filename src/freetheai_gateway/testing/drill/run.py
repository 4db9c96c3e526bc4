"""The drill as a whole: upstreams here, the gateway as a process of its own, every case twice, and what is left."""

import asyncio
import os
import re
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.testing.drill.cases import Case, Seen
from freetheai_gateway.testing.drill.play import Got, Player
from freetheai_gateway.testing.drill.stage import KEY_VARIABLE, Stage, model_of
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.upstream.http1 import Http1Client

AT_ONCE = 24
START_S = 30.0
STOP_S = 30.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_SAMPLE = re.compile(r"^freetheai_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_PROVIDER = re.compile(r'provider="([^"]*)"')


class DrillFailed(Exception):
    """The drill itself did not run."""


class Row(msgspec.Struct, frozen=True):
    """One case: what was promised and what was seen."""

    case: Case
    seen: Seen
    after: str
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether the contract was kept."""
        return self.seen == self.case.expected and self.after == self.case.failure.after


async def run_drill(cases: Sequence[Case]) -> list[Row]:
    """Play every case and tell what was seen. Raises `DrillFailed` where the gateway does not start."""
    with tempfile.TemporaryDirectory(prefix="freetheai-drill-") as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused, and nobody else gets it
        async with ScriptedUpstream() as upstream:
            stage = Stage(upstream.base_url, closed.getsockname()[1])
            return await _Drill(Path(folder), stage).run(cases)


class _Drill:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self._folder = folder
        self._stage = stage
        self._config = folder / "freetheai.toml"
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(folder),
            KEY_VARIABLE: "drill",
        }

    async def run(self, cases: Sequence[Case]) -> list[Row]:
        self._config.write_text(self._stage.configuration(cases))
        process, port = await self._start()
        client = Http1Client()
        try:
            player = Player(client, port, await self._create_key(), SystemClock())
            got = await self._play(player, cases)
            left = left_behind(cases, (await player.read("/metrics")).decode())
        finally:
            await client.aclose()
            await _stop(process)
        records = await self._records([one.request_id for one in got])
        return [
            Row(case, _seen(one, records.get(one.request_id)), after, one.seconds)
            for case, one, after in zip(cases, got, left, strict=True)
        ]

    async def _play(self, player: Player, cases: Sequence[Case]) -> list[Got]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def play(case: Case) -> Got:
            async with slots:
                first = await player.ask(model_of(case), "first", streamed=case.streamed)
                await player.ask(model_of(case), "second", streamed=case.streamed)
                return first

        async with asyncio.TaskGroup() as tasks:
            playing = [tasks.create_task(play(case)) for case in cases]
        return [task.result() for task in playing]

    async def _start(self) -> tuple[Process, int]:
        process = await self._spawn("serve", "--port", "0")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                while line := await process.stdout.readline():
                    if found := _ADDRESS.search(line.decode()):
                        return process, int(found[1])
        except TimeoutError:
            process.kill()
        raise DrillFailed("the gateway did not start: " + (self._folder / "stderr.log").read_text()[-2000:])

    async def _create_key(self) -> str:
        process = await self._spawn("keys", "create", "--name", "drill", "--unlimited", "--json")
        said, _ = await process.communicate()
        return _decode_key(said).key

    async def _spawn(self, *arguments: str) -> Process:
        with (self._folder / "stderr.log").open("ab") as errors:
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

    async def _records(self, request_ids: Sequence[str]) -> Mapping[str, UsageRecord]:
        database = await Database.open(StoreSettings(url=f"sqlite:///{self._folder / 'freetheai.db'}"), create=False)
        try:
            usage = SqlUsage(database)
            found = [await usage.find(request_id) for request_id in request_ids if request_id]
            return {record.request_id: record for record in found if record is not None}
        finally:
            await database.close()


class _CreatedKey(msgspec.Struct):
    key: str


_decode_key: Decoder[_CreatedKey] = Decoder(_CreatedKey)


async def _stop(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _seen(got: Got, record: UsageRecord | None) -> Seen:
    return Seen(got.answer, record.attempts if record is not None else 0, record.status if record is not None else 0)


def left_behind(cases: Iterable[Case], metrics: str) -> list[str]:
    """Say for the provider of each case what is left behind: its key rests, cools, or its breaker is open."""
    words = {"breaker_open": "resting", "upstream_cooling_keys": "cooling", "upstream_breaker_open": "open"}
    left: dict[str, str] = {}
    for name, labels, value in _SAMPLE.findall(metrics):
        provider = _PROVIDER.search(labels)
        if name in words and provider is not None and float(value) > 0:
            left[provider[1]] = words[name]
    return [left.get(case.id, "closed") for case in cases]
