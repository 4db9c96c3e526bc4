"""The drill as a whole: upstreams here, the gateway as a process of its own, every case twice, and what is left."""

import asyncio
import re
import socket
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.testing.child import ChildGateway
from freetheai_gateway.testing.drill.cases import Case, Seen
from freetheai_gateway.testing.drill.own import OwnCase, own_configuration
from freetheai_gateway.testing.drill.play import Got, Player
from freetheai_gateway.testing.drill.stage import KEY_VARIABLE, Stage, model_of
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.upstream.http1 import Http1Client

AT_ONCE = 24
_SAMPLE = re.compile(r"^freetheai_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_PROVIDER = re.compile(r'provider="([^"]*)"')


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


class OwnRow(msgspec.Struct, frozen=True):
    """One case of an operator's own pools: what his members would have seen."""

    case: OwnCase
    seen: Seen
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether the member got a whole answer or an error of the contract, and the record says the same.

        There is no record of a request that was not admitted, as to a model whose providers members may not use.
        """
        if not self.seen.status:
            return self.seen.answer == str(HTTPStatus.SERVICE_UNAVAILABLE.value)
        if self.seen.answer in {"wrong", "cut"}:
            return False
        return self.seen.answer in {"whole", "broken"} or self.seen.answer == str(self.seen.status)


async def run_own_drill(settings: Settings, cases: Sequence[OwnCase]) -> list[OwnRow]:
    """Play an operator's own pools. Raises `child.ChildFailed` where the gateway does not start."""
    with tempfile.TemporaryDirectory(prefix="freetheai-drill-") as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with ScriptedUpstream() as upstream:
            stage = Stage(upstream.base_url, closed.getsockname()[1])
            gateway = ChildGateway(Path(folder), own_configuration(settings, cases, stage), {})
            await gateway.start()
            client = Http1Client()
            try:
                player = Player(client, gateway.port, await gateway.create_key(unlimited=False), SystemClock())
                got = await _at_once([player.ask(case.model, "first", streamed=case.streamed) for case in cases])
            finally:
                await client.aclose()
                await gateway.stop()
            records = await gateway.records([one.request_id for one in got])
    return [
        OwnRow(case, _seen(one, records.get(one.request_id)), one.seconds) for case, one in zip(cases, got, strict=True)
    ]


async def run_drill(cases: Sequence[Case]) -> list[Row]:
    """Play every case and tell what was seen. Raises `child.ChildFailed` where the gateway does not start."""
    with tempfile.TemporaryDirectory(prefix="freetheai-drill-") as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused, and nobody else gets it
        async with ScriptedUpstream() as upstream:
            stage = Stage(upstream.base_url, closed.getsockname()[1])
            gateway = ChildGateway(Path(folder), stage.configuration(cases), {KEY_VARIABLE: "drill"})
            got, left = await _play_at(gateway, cases)
            records = await gateway.records([one.request_id for one in got])
    return [
        Row(case, _seen(one, records.get(one.request_id)), after, one.seconds)
        for case, one, after in zip(cases, got, left, strict=True)
    ]


async def _play_at(gateway: ChildGateway, cases: Sequence[Case]) -> tuple[list[Got], list[str]]:
    await gateway.start()
    client = Http1Client()
    try:
        player = Player(client, gateway.port, await gateway.create_key(), SystemClock())
        got = await _play(player, cases)
        return got, left_behind(cases, (await player.read("/metrics")).decode())
    finally:
        await client.aclose()
        await gateway.stop()


async def _play(player: Player, cases: Sequence[Case]) -> list[Got]:
    async def play(case: Case) -> Got:
        first = await player.ask(model_of(case), "first", streamed=case.streamed)
        await player.ask(model_of(case), "second", streamed=case.streamed)
        return first

    return await _at_once([play(case) for case in cases])


async def _at_once(plays: Sequence[Coroutine[object, object, Got]]) -> list[Got]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def in_turn(play: Coroutine[object, object, Got]) -> Got:
        async with slots:
            return await play

    async with asyncio.TaskGroup() as tasks:
        playing = [tasks.create_task(in_turn(play)) for play in plays]
    return [task.result() for task in playing]


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
