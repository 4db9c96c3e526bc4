"""The limiter of several processes: Redis decides, this sends the questions and keeps the leases alive.

Commands leave in the order in which they were asked for, and Redis runs them one by one: so a release and the
admission after it are decided in that order, as they are in memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from secrets import token_hex
from typing import Final

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.limits import Delivered, Limits, Refusal, Standing
from freetheai_gateway.limits.memory import MemoryLease, MemoryLimiter
from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection, connect
from freetheai_gateway.limits.redis.fallback import Fallback
from freetheai_gateway.limits.redis.lease import RedisLease, read_refusal, read_standings
from freetheai_gateway.limits.redis.script import Commands, Verdict, limits_word, micro
from freetheai_gateway.limits.redis.settings import RedisSettings
from freetheai_gateway.limits.redis.turn import Turn
from freetheai_gateway.log import Log

_FIRST_RETRY_S: Final = 0.05
_LAST_RETRY_S: Final = 2.0
_KEPT_RELEASES: Final = 10_000
"""Releases that are kept for Redis's return; older ones end with their leases."""
_RENEWED_AT_ONCE: Final = 500
_RESTORED_AT_ONCE: Final = 500
_EPOCH: Final = date(1970, 1, 1)

ReadDay = Callable[[], Awaitable[Delivered | None]]


class RedisLimiter:
    """Implements `services.ports.Limiter` for all processes that share a Redis.

    `start` connects once, `run` keeps it so until cancelled. `read_day` gives what the ledger says of today: it is
    asked whenever Redis went or came back, so that neither an outage nor an empty Redis hands the day out again.
    `told_time` replaces Redis's clock, for tests.
    """

    def __init__(
        self,
        settings: RedisSettings,
        clock: Clock,
        log: Log,
        read_day: ReadDay | None = None,
        *,
        told_time: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = log
        self._read_day = read_day
        self._told_time = told_time
        self._node = token_hex(6)
        self._channel = f"{settings.prefix}node:{self._node}"
        self._commands = Commands(settings.prefix)
        self._lease_us = micro(settings.lease_s)
        self._connection: RedisConnection | None = None
        self._fallback = Fallback(settings.on_failure, MemoryLimiter(clock))
        self._admissions = 0
        self._leases: set[RedisLease] = set()
        self._waiting: dict[str, Turn] = {}
        self._unsent: deque[tuple[str, bytes]] = deque(maxlen=_KEPT_RELEASES)
        self._change = asyncio.Event()
        self._away_since_s: float | None = None

    @property
    def is_up(self) -> bool:
        """Whether counts are shared now."""
        return self._connection is not None

    @property
    def running(self) -> int:
        """Requests of this process that were admitted and not settled, by Redis or without it."""
        return len(self._leases) + self._fallback.running

    async def start(self) -> None:
        """Try to connect; where that fails `run` goes on trying, and `on_failure` decides meanwhile."""
        try:
            await self._connect()
        except RedisAway as away:
            self._went_away(away)

    async def run(self) -> None:
        """Renew leases, and connect again whenever the connection is lost."""
        retry_s = _FIRST_RETRY_S
        while True:
            if self._connection is not None:
                self._renew(self._connection)
                self._change.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._change.wait(), self._settings.heartbeat_s)
                if self._connection is None:
                    retry_s = _FIRST_RETRY_S
                    await self._restore(self._fallback)
                continue
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, _LAST_RETRY_S)
            with suppress(RedisAway):
                await self._connect()

    async def aclose(self) -> None:
        """Send what is still to be sent and end the connection; a lease that is still open ends by itself."""
        connection = self._connection
        if connection is not None:
            with suppress(RedisAway):
                await connection.call("PING")
            self._connection = None
            connection.close()

    async def admit(
        self, account_id: str, limits: Limits, *, wait_s: float = 0.0, images: int = 0
    ) -> RedisLease | MemoryLease | Refusal:
        """Admit or refuse one request; a refusal consumes nothing (see `services.ports.Limiter`)."""
        connection = self._connection
        if connection is None:
            return await self._fallback.admit(account_id, limits, wait_s, images)
        self._admissions += 1
        turn = Turn(f"{self._node}{self._admissions:x}", account_id, limits, wait_s, images)
        words = [limits_word(limits), turn.id, images, self._lease_us]
        if wait_s > 0:
            words += [micro(wait_s), self._channel]
        connection.send(self._call(account_id, "admit", *words), partial(self._answer, turn))
        try:
            reply = await turn.outcome
        except BaseException:  # cancelled, or closed with the loop
            self._abandon(turn)
            raise
        if isinstance(reply, RedisAway):
            return await self._fallback.admit(account_id, limits, wait_s, images)
        if reply[0] == Verdict.REFUSED:
            return read_refusal(reply)
        lease = RedisLease(self, self._clock, account_id, limits, reply)
        self._leases.add(lease)
        return lease

    def release(self, lease: RedisLease, *, delivered: bool, tokens: int, images: int) -> None:
        """End a request; its lease calls this once."""
        self._leases.discard(lease)
        words = (int(delivered), tokens, images, limits_word(lease.limits))
        self._send_release(lease.account_id, self._call(lease.account_id, "release", lease.name, *words))

    async def standings_of(self, accounts: Mapping[str, Limits]) -> dict[str, Sequence[Standing]]:
        """Tell where each of these accounts stands now (see `services.ports.Limiter`)."""
        connection = self._connection
        if connection is None:
            return await self._fallback.standings_of(accounts)
        calls = [self._call(account_id, "standing", limits_word(limits)) for account_id, limits in accounts.items()]
        try:
            replies = await _answers(connection, calls)
        except RedisAway:
            return await self._fallback.standings_of(accounts)
        return {
            account_id: read_standings(reply, limits)
            for (account_id, limits), reply in zip(accounts.items(), replies, strict=True)
        }

    async def restore_day(self, delivered: Delivered) -> None:
        """Take over what was delivered on a UTC day (see `services.ports.Limiter`)."""
        if self._connection is None:
            await self._fallback.restore_day(delivered)
        else:
            with suppress(RedisAway):
                await self._restore_into(self._connection, delivered)

    # --- answers ------------------------------------------------------------------------------------------------

    def _answer(self, turn: Turn, reply: object) -> None:
        """Take the answer to an admission, which may be that it waits."""
        if isinstance(reply, RedisAway):
            turn.decide(reply)
            return
        assert isinstance(reply, list)
        if reply[0] == Verdict.WAITING and not turn.outcome.done():
            self._waiting[turn.id] = turn
            loop = asyncio.get_running_loop()
            turn.deadline = loop.call_later(turn.wait_s, self._leave, turn, 1)
        elif not turn.decide(reply) and reply[0] != Verdict.REFUSED:
            self._leave(turn, 0)  # cancelled meanwhile: as if it had never been

    def _hear(self, payload: bytes) -> None:
        """Take the outcome of a wait, as another request's end brought it about."""
        name, *reply = payload.split(b" ")
        turn = self._waiting.pop(name.decode(), None)
        if turn is not None and not turn.decide([int(reply[0]), *reply[1:]]):
            self._leave(turn, 0)  # cancelled in this very turn of the loop

    def _leave(self, turn: Turn, decides: int) -> None:
        """Leave the line: `decides` 1 when the time is over, 0 when the client left."""
        if self._connection is None:
            return  # those who waited were told, and a grant ends by itself
        words = (turn.id, decides, limits_word(turn.limits), turn.images, self._lease_us)
        self._connection.send(self._call(turn.account_id, "leave", *words), partial(self._left, turn))

    def _left(self, turn: Turn, reply: object) -> None:
        self._waiting.pop(turn.id, None)
        if isinstance(reply, RedisAway):
            turn.decide(reply)
        elif isinstance(reply, list):
            turn.decide(reply)
            if turn.outcome.cancelled() and reply[0] == Verdict.GRANTED:
                self._leave(turn, 0)  # granted at the deadline, and cancelled before that was heard

    def _abandon(self, turn: Turn) -> None:
        """Leave nothing of an admission that was cancelled, also when it was granted in the same turn of the loop."""
        was_waiting = self._waiting.pop(turn.id, None) is not None
        if was_waiting or turn.is_granted:
            turn.end()
            self._leave(turn, 0)
        turn.outcome.cancel()

    # --- leases -------------------------------------------------------------------------------------------------

    def _send_release(self, account_id: str, call: bytes) -> None:
        if self._connection is None:
            self._unsent.append((account_id, call))
        else:
            self._connection.send(call, partial(self._released, account_id, call))

    def _released(self, account_id: str, call: bytes, reply: object) -> None:
        if isinstance(reply, RedisAway):
            self._unsent.append((account_id, call))

    def _renew(self, connection: RedisConnection) -> None:
        """Keep alive what runs, and let those in who wait for a slot that a dead node held."""
        held: dict[str, list[object]] = {turn.account_id: [] for turn in self._waiting.values()}
        for lease in self._leases:
            held.setdefault(lease.account_id, []).append(lease.name)
        for account_id, names in held.items():
            for first in range(0, max(1, len(names)), _RENEWED_AT_ONCE):
                part = names[first : first + _RENEWED_AT_ONCE]
                connection.send(self._call(account_id, "renew", self._lease_us, *part), _ignore)
        connection.send(b"*1\r\n$4\r\nPING\r\n", _ignore)

    # --- away and back ------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect and bring Redis up to date before anybody asks it. Raises `RedisAway`."""
        connection = await connect(self._settings, self._channel, self._hear, self._lost)
        try:
            self._renew(connection)
            for _ in range(len(self._unsent)):
                account_id, call = self._unsent.popleft()
                connection.send(call, partial(self._released, account_id, call))
            delivered = await self._read_today()
            if delivered is not None:
                await self._restore_into(connection, delivered)
            await connection.call("PING")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        if self._away_since_s is not None:
            away_s = round(self._clock.monotonic() - self._away_since_s, 3)
            self._away_since_s = None
            self._log.info("limits_backend_back", away_s=away_s)

    def _lost(self, connection: RedisConnection) -> None:
        if self._connection is connection:
            assert connection.lost is not None
            self._connection = None
            self._went_away(connection.lost)
            waiting, self._waiting = self._waiting, {}
            for turn in waiting.values():
                turn.decide(connection.lost)
            self._change.set()

    def _went_away(self, away: RedisAway) -> None:
        self._away_since_s = self._clock.monotonic()
        self._log.warning("limits_backend_away", reason=away.reason, on_failure=self._settings.on_failure)

    async def _restore(self, fallback: Fallback) -> None:
        delivered = await self._read_today()
        if delivered is not None:
            await fallback.restore_day(delivered)

    async def _read_today(self) -> Delivered | None:
        return None if self._read_day is None else await self._read_day()

    async def _restore_into(self, connection: RedisConnection, delivered: Delivered) -> None:
        day = (date.fromisoformat(delivered.day) - _EPOCH).days
        accounts = sorted(delivered.answers.keys() | delivered.images.keys())
        for first in range(0, len(accounts), _RESTORED_AT_ONCE):
            calls = []
            for account_id in accounts[first : first + _RESTORED_AT_ONCE]:
                answers, images = delivered.answers.get(account_id, 0), delivered.images.get(account_id, 0)
                calls.append(self._call(account_id, "restore", day, answers, images))
            await _answers(connection, calls)

    def _call(self, account_id: str, act: str, *words: object) -> bytes:
        now = "" if self._told_time is None else str(micro(self._told_time.wall()))
        return self._commands.call(account_id, act, now, *words)


async def _answers(connection: RedisConnection, calls: Sequence[bytes]) -> list[list[object]]:
    """Send all calls in one pipeline and wait for all answers. Raises `RedisAway`."""
    loop = asyncio.get_running_loop()
    turns: list[asyncio.Future[object]] = [loop.create_future() for _ in calls]
    for call, turn in zip(calls, turns, strict=True):
        connection.send(call, partial(_set, turn))
    replies = await asyncio.gather(*turns)
    for reply in replies:
        if isinstance(reply, RedisAway):
            raise reply
    return [reply if isinstance(reply, list) else [reply] for reply in replies]


def _set(turn: asyncio.Future[object], reply: object) -> None:
    if not turn.done():
        turn.set_result(reply)


def _ignore(_reply: object) -> None:
    """Need no answer: a connection that is lost is told elsewhere."""
