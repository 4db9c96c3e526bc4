"""Breakers, resting keys, slots, limits of keys and budgets of providers, known to all gateways on one Redis.

Nothing here stands in a request's way, but a try of what was left alone: it is claimed first, so that one process at a
time tries. Whatever happens to a gate is published in the same turn of the loop. While Redis is away each process goes
on by what it has seen itself, and tells and hears the rest when Redis is back.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Final, TypeAlias

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.news import Change, GateName
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection, connect
from freetheai_gateway.limits.redis.script import MICRO, POOLS, Word, micro, pack, script, script_name
from freetheai_gateway.limits.redis.settings import RedisSettings
from freetheai_gateway.limits.redis.shares import Round
from freetheai_gateway.log import get_log

_QUIET_ROUNDS: Final = 8
"""A round in which there is nothing to tell is made this much more seldom."""
_FIRST_ROUNDS: Final = 4
_FIRST_RETRY_S: Final = 0.05
_LOG = get_log("pools")

Changes: TypeAlias = dict[GateName, tuple[Gate, Change]]


class _Told(msgspec.Struct, array_like=True):
    """One change as it is published; `for_s` from now on."""

    name: GateName
    change: str
    for_s: float
    reason: str


class _News(msgspec.Struct, array_like=True):
    """What one process publishes."""

    process: str
    told: list[_Told]


_read_news: Decoder[_News] = Decoder(_News)
_read_name: Decoder[GateName] = Decoder(GateName)


class RedisPools:
    """Implements `domain.news.Tries`, and listens to the news of a fleet; `run` keeps the connection."""

    def __init__(self, settings: RedisSettings, fleet: Callable[[], Fleet], clock: Clock) -> None:
        self._settings = settings
        self._fleet = fleet
        self._clock = clock
        self._process = token_hex(5)
        self._base = f"{settings.prefix}{{pools}}"
        self._sha = script_name(POOLS)
        self._lease_ms = round(settings.lease_s * 1000)
        self._connection: RedisConnection | None = None
        self._lost = asyncio.Event()
        self._changes: Changes = {}
        self._claims: dict[GateName, None] = {}
        self._processes = 1
        self._alone = fleet().news.processes
        self._heard_at: float | None = None
        self.tried = asyncio.Event()
        """Set when the first try to connect has ended, well or not."""

    @property
    def up(self) -> bool:
        """Whether others are heard."""
        return self._connection is not None

    def listen(self) -> None:
        """Begin to listen to the fleet's news."""
        news = self._fleet().news
        news.listener, news.tries = self._note, self

    async def claim(self, names: Sequence[GateName]) -> bool:
        """Ask for the right to try; where nobody can be asked it is given."""
        if self._connection is None:
            return True
        with suppress(RedisAway):
            words = [encode(name) for name in names]
            if not await self._connection.call(*self._words("claim", self._lease_ms, *words)):
                return False
            self._claims.update(dict.fromkeys(names))
        return True

    # --- upkeep -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a connection, and tell and hear over it."""
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                connection = await self._connect()
            except RedisAway:  # the limiter says so in the log
                self.tried.set()
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, self._settings.retry_max_s)
                continue
            retry_s = _FIRST_RETRY_S
            self.tried.set()
            try:
                await self._make_rounds(connection)
            finally:
                self._connection = None
                connection.close()
                self._fleet().count_for(self._alone)

    async def close(self) -> None:
        """Say the last things and close the connection; `run` has been cancelled."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _connect(self) -> RedisConnection:
        """Connect, tell what happened meanwhile and hear what happened elsewhere. Raises `RedisAway`."""
        settings = self._settings
        connection = await connect(
            settings.target,
            settings.deadline_s,
            f"{self._base}:news",
            self._hear,
            self._note_loss,
            script=script(POOLS),
        )
        try:
            self._tell(connection)
            self._take_over(await connection.call(*self._words("read")))
            for _ in range(_FIRST_ROUNDS):
                await self._round(connection)
                if all(provider.cap for provider in self._fleet().providers.values()):
                    break
                await asyncio.sleep(settings.round_s)  # until the others have heard of one more, and made room
        except BaseException:
            connection.close()
            raise
        self._lost.clear()
        self._connection = connection
        self._flush()
        return connection

    async def _make_rounds(self, connection: RedisConnection) -> None:
        quiet = 0
        with suppress(RedisAway):
            while connection.lost is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.round_s):
                        await self._lost.wait()
                        return
                quiet += 1
                if self._claims or quiet >= _QUIET_ROUNDS or not self._next_round().is_empty:
                    quiet = 0
                    await self._round(connection)

    async def _round(self, connection: RedisConnection) -> None:
        """Keep alive what is tried here, tell what was used, and hear what others used."""
        if self._claims:
            names = [encode(name) for name in self._claims]
            connection.send(pack(*self._words("renew", self._lease_ms, *names)), _ignore)
        fleet = self._fleet()
        asked = self._next_round()
        reply = await connection.call(*self._words("sync", self._lease_ms, *asked.words(self._processes)))
        assert isinstance(reply, list)
        if fleet.news.processes != 1:
            fleet.count_for(1)
        now = self._clock.monotonic()
        self._processes = asked.take(reply, now, self._heard_at)
        self._heard_at = now

    def _next_round(self) -> Round:
        return Round.of(self._fleet(), self._clock.wall())

    def _note_loss(self, connection: RedisConnection) -> None:
        if self._connection is connection:
            self._connection = None
            self._lost.set()

    # --- what happens here --------------------------------------------------------------------------------------

    def _note(self, name: GateName, gate: Gate, change: Change) -> None:
        """Take note of a change; it is told at the end of this turn of the loop."""
        self._claims.pop(name, None)
        if not self._changes and self._connection is not None:
            asyncio.get_running_loop().call_soon(self._flush)
        self._changes[name] = (gate, change)

    def _flush(self) -> None:
        if self._connection is not None:
            self._tell(self._connection)

    def _tell(self, connection: RedisConnection) -> None:
        changes, self._changes = self._changes, {}
        if not changes:
            return
        now = self._clock.monotonic()
        words: list[Word] = []
        told: list[_Told] = []
        for name, (gate, change) in changes.items():
            for_s = max(0.0, gate.shut_until - now) if change is Change.SHUT else 0.0
            words += (change.value, encode(name), micro(for_s), gate.reason)
            if change is not Change.LEFT:
                told.append(_Told(name, change.value, for_s, gate.reason))
        news = encode(_News(self._process, told)) if told else b""
        connection.send(pack(*self._words("tell", news, *words)), partial(self._told, changes))

    def _told(self, changes: Changes, reply: object) -> None:
        """Keep what was not heard; what happened since to the same gate is newer."""
        if isinstance(reply, RedisAway):
            self._changes = {**changes, **self._changes}

    # --- what happens elsewhere ---------------------------------------------------------------------------------

    def _hear(self, payload: bytes) -> None:
        """Take over what another process has published."""
        try:
            news = _read_news(payload)
        except InvalidJSON:
            _LOG.warning("news_not_understood")  # of a gateway of another version
            return
        if news.process == self._process:
            return
        now, fleet = self._clock.monotonic(), self._fleet()
        for told in news.told:
            gate = fleet.find_gate(told.name)
            if gate is None:
                continue
            self._changes.pop(told.name, None)
            if told.change == Change.SHUT:
                gate.hear_shut(now, told.for_s, told.reason)
            elif told.change == Change.OPENED:
                gate.hear_open()

    def _take_over(self, reply: object) -> None:
        """Take over every gate that is shut; what is shut here only may be tried, as others have opened it."""
        assert isinstance(reply, list)
        now, fleet = self._clock.monotonic(), self._fleet()
        named: set[GateName | None] = set(self._changes)
        for name_word, for_word, reason in zip(reply[::3], reply[1::3], reply[2::3], strict=True):
            try:
                name = _read_name(name_word)
            except InvalidJSON:
                continue
            named.add(name)
            gate = fleet.find_gate(name)
            if gate is not None:
                gate.hear_shut(now, int(for_word) / MICRO, reason.decode())
        for gate in fleet.shut_gates():
            if gate.name not in named:
                gate.make_due(now)

    def _words(self, act: str, *words: Word) -> tuple[Word, ...]:
        return ("EVALSHA", self._sha, 1, self._base, act, self._process, *words)


def _ignore(_reply: object) -> None:
    """Need no answer: a connection that is lost is told elsewhere."""
