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
from typing import Final, TypeAlias

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.limits import Delivered, Limits, Refusal, Standing
from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection, connect
from freetheai_gateway.limits.redis.lease import RedisLease, read_refusal, read_standings
from freetheai_gateway.limits.redis.script import Commands, Verdict, Word, limits_word, micro, pack, script
from freetheai_gateway.limits.redis.settings import RedisSettings
from freetheai_gateway.limits.redis.turn import Turn
from freetheai_gateway.log import get_log

_FIRST_RETRY_S: Final = 0.05
_KEPT_RELEASES: Final = 10_000
"""Releases that are kept for Redis's return; older ones end with their leases."""
_AT_ONCE: Final = 500
"""How many leases go into one renewal, and how many accounts are restored in one pipeline."""
_PING: Final = pack("PING")
_EPOCH: Final = date(1970, 1, 1)
_LOG = get_log("limits")

ReadDay: TypeAlias = Callable[[], Awaitable[Delivered | None]]
OnAway: TypeAlias = Callable[[], Awaitable[None]]


class RedisLimiter:
    """Implements `services.ports.Limiter` while `up`; `run` keeps the connection, and is cancelled before `close`.

    Everything raises `RedisAway` while Redis is away. `now` replaces Redis's clock, for tests: seconds since 1970.
    """

    def __init__(self, settings: RedisSettings, *, now: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._now = now
        self._node = token_hex(5)
        self._channel = f"{settings.prefix}node:{self._node}"
        self._commands = Commands(settings.prefix)
        self._lease_us = micro(settings.lease_s)
        self._connection: RedisConnection | None = None
        self._lost = asyncio.Event()
        self._number = 0
        self._open: set[RedisLease] = set()
        self._waiting: dict[str, Turn] = {}
        self._unsent: deque[bytes] = deque(maxlen=_KEPT_RELEASES)
        self._read_day: ReadDay | None = None
        self._on_away: OnAway | None = None
        self.tried = asyncio.Event()
        """Set when the first try to connect has ended, well or not."""
        self.now_s: Callable[[], float] = now or SystemClock.monotonic
        """Tells how old an answer is."""

    @property
    def up(self) -> bool:
        """Whether Redis can be asked now."""
        return self._connection is not None

    @property
    def running(self) -> int:
        """Requests of this node that hold a slot."""
        return len(self._open)

    def watch(self, read_day: ReadDay, on_away: OnAway) -> None:
        """Have `read_day` asked what the ledger says of today before Redis is used again: it may have lost its memory.

        `on_away` is awaited whenever Redis went away.
        """
        self._read_day = read_day
        self._on_away = on_away

    # --- the port -----------------------------------------------------------------------------------------------

    async def admit(
        self, account_id: str, limits: Limits, *, wait_s: float = 0.0, images: int = 0
    ) -> RedisLease | Refusal:
        """Admit or refuse one request (see `services.ports.Limiter`)."""
        connection = self._up()
        self._number += 1
        turn = Turn(f"{self._node}{self._number:x}", account_id, limits, wait_s, images)
        words: tuple[Word, ...] = (limits_word(limits), turn.id, images, self._lease_us)
        if wait_s > 0:
            words += (micro(wait_s), self._channel)
        connection.send(self._call(account_id, "admit", *words), partial(self._answer, turn))
        try:
            reply = await turn.outcome
        except BaseException:  # cancelled, or closed with the loop
            self._abandon(turn)
            raise
        if isinstance(reply, RedisAway):
            self._leave(turn, 0)  # it may have been granted all the same
            raise reply
        if reply[0] == Verdict.REFUSED:
            return read_refusal(reply)
        lease = RedisLease(self, account_id, limits, reply)
        self._open.add(lease)
        return lease

    async def standings_of(self, accounts: Mapping[str, Limits]) -> dict[str, Sequence[Standing]]:
        """Tell where each of these accounts stands now."""
        calls = [self._call(account_id, "standing", limits_word(limits)) for account_id, limits in accounts.items()]
        replies = await _answers(self._up(), calls)
        return {
            account_id: read_standings(reply, limits)
            for (account_id, limits), reply in zip(accounts.items(), replies, strict=True)
        }

    async def restore_day(self, delivered: Delivered) -> None:
        """Take over what was delivered on a UTC day; a count is never lowered."""
        await self._restore_into(self._up(), delivered)

    def release(self, lease: RedisLease, *, delivered: bool, tokens: int, images: int) -> None:
        """End a request; its lease calls this once. What Redis did not hear of is told when it is back."""
        self._open.discard(lease)
        call = self._call(lease.account_id, "release", lease.name, int(delivered), tokens, images)
        if self._connection is None:
            self._unsent.append(call)
        else:
            self._connection.send(call, partial(self._released, call))

    # --- upkeep -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a connection: open it, renew the leases over it, and open it again when it is lost."""
        retry_s, told = _FIRST_RETRY_S, False
        while True:
            try:
                connection = await self._connect()
            except RedisAway as away:
                if not told:
                    _LOG.error("limits_backend_away", cause=away.reason)
                    told = True
                self.tried.set()
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, self._settings.retry_max_s)
                continue
            if told:
                _LOG.info("limits_backend_back")
            self.tried.set()
            try:
                await self._renew_until_lost(connection)
            finally:
                self._connection = None
                connection.close()
            _LOG.error("limits_backend_away", cause=str(connection.lost and connection.lost.reason))
            retry_s, told = _FIRST_RETRY_S, True
            if self._on_away is not None:
                await self._on_away()

    async def close(self) -> None:
        """Say the last things and close the connection; `run` has been cancelled."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisAway):
                await connection.call("PING")
            connection.close()

    async def _connect(self) -> RedisConnection:
        """Connect and bring Redis up to date before anybody asks it. Raises `RedisAway`."""
        settings = self._settings
        connection = await connect(
            settings.target, settings.deadline_s, self._channel, self._hear, self._note_loss, script=script()
        )
        try:
            self._renew(connection)
            for _ in range(len(self._unsent)):
                call = self._unsent.popleft()
                connection.send(call, partial(self._released, call))
            delivered = None if self._read_day is None else await self._read_day()
            if delivered is not None:
                await self._restore_into(connection, delivered)
            await connection.call("PING")
        except BaseException:
            connection.close()
            raise
        self._lost.clear()
        self._connection = connection
        return connection

    async def _renew_until_lost(self, connection: RedisConnection) -> None:
        while connection.lost is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.lease_s / 3):
                    await self._lost.wait()
                    return
            self._renew(connection)

    def _renew(self, connection: RedisConnection) -> None:
        """Keep alive what runs, and let those in who wait for a slot that a dead node held."""
        held: dict[str, list[bytes]] = {turn.account_id: [] for turn in self._waiting.values()}
        for lease in self._open:
            held.setdefault(lease.account_id, []).append(lease.name)
        for account_id, names in held.items():
            for first in range(0, max(1, len(names)), _AT_ONCE):
                part = names[first : first + _AT_ONCE]
                connection.send(self._call(account_id, "renew", self._lease_us, *part), _ignore)
        connection.send(_PING, _ignore)

    async def _restore_into(self, connection: RedisConnection, delivered: Delivered) -> None:
        day = (date.fromisoformat(delivered.day) - _EPOCH).days
        accounts = sorted(delivered.answers.keys() | delivered.images.keys())
        for first in range(0, len(accounts), _AT_ONCE):
            calls = []
            for account_id in accounts[first : first + _AT_ONCE]:
                answers, images = delivered.answers.get(account_id, 0), delivered.images.get(account_id, 0)
                calls.append(self._call(account_id, "restore", day, answers, images))
            await _answers(connection, calls)

    def _note_loss(self, connection: RedisConnection) -> None:
        if self._connection is connection:
            assert connection.lost is not None
            self._connection = None
            waiting, self._waiting = self._waiting, {}
            for turn in waiting.values():
                turn.decide(connection.lost)
            self._lost.set()

    # --- answers ------------------------------------------------------------------------------------------------

    def _answer(self, turn: Turn, reply: object) -> None:
        """Take the answer to an admission, which may be that it waits."""
        if isinstance(reply, RedisAway):
            turn.decide(reply)
            return
        assert isinstance(reply, list)
        if reply[0] == Verdict.WAITING and not turn.outcome.done():
            self._waiting[turn.id] = turn
            turn.deadline = asyncio.get_running_loop().call_later(turn.wait_s, self._leave, turn, 1)
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
        words = (turn.id, decides, limits_word(turn.limits), turn.images, self._lease_us)
        call = self._call(turn.account_id, "leave", *words)
        if self._connection is None:
            self._unsent.append(call)
        else:
            self._connection.send(call, partial(self._left, turn))

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

    def _released(self, call: bytes, reply: object) -> None:
        if isinstance(reply, RedisAway):
            self._unsent.append(call)

    # --- commands -----------------------------------------------------------------------------------------------

    def _up(self) -> RedisConnection:
        if self._connection is None:
            raise RedisAway("not connected")
        return self._connection

    def _call(self, account_id: str, act: str, *words: Word) -> bytes:
        now = "" if self._now is None else str(micro(self._now()))
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
