"""The limiter over one Redis: admissions, leases that are renewed while this node lives, and waiting in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Final

from freetheai_gateway.domain.limits import Limits, Refusal, Rule, Standing
from freetheai_gateway.limits.redis.connection import (
    RedisAway,
    RedisConnection,
    RedisRefused,
    RedisTarget,
    render,
)
from freetheai_gateway.log import get_log

_SCRIPT: Final = Path(__file__).with_name("limits.lua").read_bytes()
_KEYS: Final = (b"s", b"q", b"t", b"l", b"w", b"x")
_RULES: Final = (
    Rule.REQUESTS_PER_MINUTE,
    Rule.TOKENS_PER_MINUTE,
    Rule.CONCURRENCY,
    Rule.DAILY_REQUESTS,
)
_ADMIT_WORDS: Final = 19
"""EVALSHA, the script's hash, the number of keys, six keys, ten arguments."""
_EPOCH = date(1970, 1, 1)
_MAX_UNSETTLED: Final = 10_000
_LOG = get_log("limits")


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """`lease_s` is how long a slot outlives a node that died; it is renewed three times in that."""

    target: RedisTarget
    prefix: str = "freetheai"
    deadline_s: float = 0.5
    """How long an answer may take before Redis counts as away."""
    lease_s: float = 24.0
    poll_s: float = 0.025
    """How often a request that waits for a slot asks again, where no slot of this node was freed."""
    retry_max_s: float = 1.0
    """Longest pause between tries to connect."""


class RedisLease:
    """Implements `services.ports.Lease`."""

    __slots__ = ("_limiter", "_limits", "_reply", "account_id", "member")

    def __init__(
        self, limiter: "RedisLimiter", account_id: str, limits: Limits, member: bytes, reply: Sequence[int]
    ) -> None:
        self._limiter: RedisLimiter | None = limiter
        self._limits = limits
        self._reply = reply
        self.account_id = account_id
        self.member = member

    @property
    def standings(self) -> Sequence[Standing]:
        """Where the account stood right after this admission."""
        return _standings(self._limits, self._reply)

    def settle(self, *, delivered: bool, tokens: int = 0) -> None:
        """Free the slot, keep or give back the day's reservation, charge tokens; only the first call counts."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            counted = tokens if self._limits.tokens_per_minute is not None else 0
            limiter.settle(self, delivered=delivered, tokens=counted, window_s=self._limits.window_s)


class RedisLimiter:
    """Admits while `up`; `run` keeps the connection, and is cancelled before `close`."""

    def __init__(self, settings: RedisSettings, *, now: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._now = now
        self._connection: RedisConnection | None = None
        self._sha = b""
        self._node = token_hex(5)
        self._number = 0
        self._open: set[RedisLease] = set()
        self._unsettled: deque[bytes] = deque(maxlen=_MAX_UNSETTLED)
        self._freed: dict[str, set[asyncio.Event]] = {}
        self._healed: list[Callable[[], None]] = []
        self._lease_words = _bulk(b"%g" % settings.lease_s)

    @property
    def up(self) -> bool:
        """Whether Redis can be asked now."""
        return self._connection is not None

    @property
    def running(self) -> int:
        """Requests of this node that hold a slot."""
        return len(self._open)

    def on_heal(self, healed: Callable[[], None]) -> None:
        """Have `healed` called whenever Redis is back."""
        self._healed.append(healed)

    async def admit(self, account_id: str, limits: Limits, *, wait_s: float = 0.0) -> RedisLease | Refusal:
        """Admit or refuse one request (see `services.ports.Limiter`). Raises `RedisAway` and `RedisRefused`."""
        self._number += 1
        lease_id = f"{self._node}-{self._number:x}".encode()
        outcome, queued = await self._ask(account_id, limits, lease_id, waits=wait_s > 0)
        if not queued:
            return outcome
        try:
            async with asyncio.timeout(wait_s):
                while queued:
                    await self._pause(account_id)
                    outcome, queued = await self._ask(account_id, limits, lease_id, waits=True)
        except TimeoutError:
            pass  # the last refusal stands
        finally:
            if not isinstance(outcome, RedisLease):
                self._send(account_id, b"leave", lease_id)
        return outcome

    async def standings(self, account_id: str, limits: Limits) -> Sequence[Standing]:
        """Tell where an account stands now. Raises `RedisAway` and `RedisRefused`."""
        reply = await self._call(self._admission(account_id, limits, b"", b"stand", waits=False))
        return _standings(limits, _integers(reply))

    def settle(self, lease: RedisLease, *, delivered: bool, tokens: int, window_s: float) -> None:
        """End a request; its lease calls this once. What Redis did not hear of is told when it is back."""
        self._open.discard(lease)
        words = (b"1" if delivered else b"0", b"%d" % tokens, b"%g" % window_s)
        self._send(lease.account_id, b"settle", lease.member, *words)
        for event in self._freed.get(lease.account_id, ()):
            event.set()

    def renew(self, lease: RedisLease) -> None:
        """Let a lease live for another `lease_s` from now."""
        self._send(lease.account_id, b"renew", b"%g" % self._settings.lease_s, lease.member, keep=False)

    def restore_day(self, day: str, successes: Mapping[str, int]) -> None:
        """Take over the delivered answers of a UTC day from the ledger; a count is never lowered."""
        number = b"%d" % (date.fromisoformat(day) - _EPOCH).days
        for account_id, delivered in successes.items():
            self._send(account_id, b"restore", number, b"%d" % delivered, keep=False)

    async def run(self) -> None:
        """Keep a connection: open it, renew the leases over it, and open it again when it is lost."""
        pause_s = 0.05
        told = False
        while True:
            try:
                connection = await RedisConnection.open(self._settings.target, self._settings.deadline_s)
                self._sha = _as_bytes(await connection.call(render(b"SCRIPT", b"LOAD", _SCRIPT)))
            except (RedisAway, RedisRefused) as error:
                if not told:
                    _LOG.error("limits_backend_away", error=type(error).__name__, cause=str(error))
                    told = True
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.retry_max_s)
                continue
            self._take_up(connection)
            if told:
                _LOG.info("limits_backend_back")
            try:
                await self._renew_until_lost(connection)
            finally:
                self._connection = None
                connection.abort()
            _LOG.error("limits_backend_away", error="RedisAway", cause="connection lost")
            pause_s, told = 0.05, True

    def _take_up(self, connection: RedisConnection) -> None:
        self._connection = connection
        while self._unsettled:
            self._watch(self._unsettled.popleft())
        for healed in self._healed:
            healed()

    async def _renew_until_lost(self, connection: RedisConnection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.lease_s / 3):
                    await asyncio.shield(connection.closed)
                    return
            by_account: dict[str, list[bytes]] = {}
            for lease in self._open:
                by_account.setdefault(lease.account_id, []).append(lease.member)
            for account_id, members in by_account.items():
                self._send(account_id, b"renew", b"%g" % self._settings.lease_s, *members, keep=False)

    async def close(self) -> None:
        """Say the last things and close the connection; `run` has been cancelled."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisAway, RedisRefused):
                await connection.call(render(b"PING"))
            connection.abort()

    # --- commands ---

    async def _ask(
        self, account_id: str, limits: Limits, lease_id: bytes, *, waits: bool
    ) -> tuple[RedisLease | Refusal, bool]:
        command = self._admission(account_id, limits, lease_id, b"admit", waits=waits)
        return self._decided(await self._call(command, account_id, lease_id), account_id, limits, lease_id)

    def _decided(
        self, reply: object, account_id: str, limits: Limits, lease_id: bytes
    ) -> tuple[RedisLease | Refusal, bool]:
        values = _integers(reply)
        if not values[0]:
            _, rule, limit, used, retry_ms, queued = values
            return Refusal(_RULES[rule - 1], limit, used, retry_ms / 1000), bool(queued)
        reserved = b"1" if limits.daily_requests is not None else b"0"
        lease = RedisLease(self, account_id, limits, b"%b %d %b" % (lease_id, values[1], reserved), values)
        self._open.add(lease)
        return lease, False

    async def _call(self, command: bytes, account_id: str = "", lease_id: bytes = b"") -> object:
        connection = self._connection
        if connection is None:
            raise RedisAway("not connected")
        reply = connection.call(command)
        try:
            return await reply
        except asyncio.CancelledError:
            # Nobody will hear of what was admitted, if it was: its slot and its count are given back.
            late = connection.take_over(reply) if lease_id else None
            if late is not None:
                late.add_done_callback(lambda done: self._withdraw(done, account_id, lease_id))
            raise
        except RedisAway:
            if lease_id:
                self._unsettled.append(self._command(account_id, b"leave", lease_id))
            raise

    def _withdraw(self, late: "asyncio.Future[object]", account_id: str, lease_id: bytes) -> None:
        if late.exception() is not None:
            self._unsettled.append(self._command(account_id, b"leave", lease_id))
            return
        reply = late.result()
        if isinstance(reply, list) and reply[0]:
            for reserved in (b"0", b"1"):  # only one of them is a lease
                self._send(account_id, b"withdraw", lease_id, b"%d" % reply[1], reserved, _as_bytes(reply[2]))
        else:
            self._send(account_id, b"leave", lease_id)

    async def _pause(self, account_id: str) -> None:
        """Wait until a slot of this node was freed, and not for long: others free slots too."""
        event = asyncio.Event()
        events = self._freed.setdefault(account_id, set())
        events.add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_s):
                    await event.wait()
        finally:
            events.discard(event)
            if not events:
                self._freed.pop(account_id, None)

    def _send(self, account_id: str, command: bytes, *words: bytes, keep: bool = True) -> None:
        """Send a command whose answer matters to nobody; `keep` it for later while Redis is away."""
        rendered = self._command(account_id, command, *words)
        if self._connection is not None:
            self._watch(rendered, keep=keep)
        elif keep:
            self._unsettled.append(rendered)

    def _watch(self, rendered: bytes, *, keep: bool = True) -> None:
        connection = self._connection
        assert connection is not None

        def answered(reply: "asyncio.Future[object]") -> None:
            error = None if reply.cancelled() else reply.exception()
            if isinstance(error, RedisAway) and keep:
                self._unsettled.append(rendered)
            elif error is not None and not isinstance(error, RedisAway):
                _LOG.error("limits_backend_refused", cause=str(error))

        connection.call(rendered).add_done_callback(answered)

    def _admission(self, account_id: str, limits: Limits, lease_id: bytes, command: bytes, *, waits: bool) -> bytes:
        return b"".join(
            (
                b"*%d\r\n$7\r\nEVALSHA\r\n" % _ADMIT_WORDS,
                _bulk(self._sha),
                _keys_of(self._settings.prefix, account_id),
                _bulk(command),
                self._time(),
                _words_of(limits),
                _bulk(lease_id),
                self._lease_words,
                b"$1\r\n1\r\n" if waits else b"$1\r\n0\r\n",
            )
        )

    def _command(self, account_id: str, command: bytes, *words: bytes) -> bytes:
        keys = _keys_of(self._settings.prefix, account_id)
        head = b"*%d\r\n$7\r\nEVALSHA\r\n" % (11 + len(words))
        return b"".join((head, _bulk(self._sha), keys, _bulk(command), self._time(), *map(_bulk, words)))

    def _time(self) -> bytes:
        return b"$0\r\n\r\n" if self._now is None else _bulk(b"%.6f" % self._now())


def _bulk(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


@lru_cache(maxsize=10_000)
def _keys_of(prefix: str, account_id: str) -> bytes:
    """Render the number of keys and the keys of an account; the braces keep them together in a cluster."""
    account = f"{prefix}:{{{account_id}}}:".encode()
    return b"$1\r\n6\r\n" + b"".join(_bulk(account + key) for key in _KEYS)


@lru_cache(maxsize=1_000)
def _words_of(limits: Limits) -> bytes:
    """Render the limits as arguments; -1 = none."""
    caps = (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency, limits.daily_requests)
    words = b"".join(_bulk(b"%d" % (-1 if cap is None else cap)) for cap in caps)
    return words + _bulk(b"%g" % limits.window_s)


def _standings(limits: Limits, reply: Sequence[int]) -> Sequence[Standing]:
    """Read where an account stands; the order is that of `Counters.standings`."""
    _, _, _, requests, requests_ms, tokens, tokens_ms, running, taken, day_ms = reply
    standings = []
    if limits.requests_per_minute is not None:
        rate = limits.requests_per_minute
        standings.append(Standing(Rule.REQUESTS_PER_MINUTE, rate, requests, requests_ms / 1000))
    if limits.tokens_per_minute is not None:
        standings.append(Standing(Rule.TOKENS_PER_MINUTE, limits.tokens_per_minute, tokens, tokens_ms / 1000))
    if limits.concurrency is not None:
        standings.append(Standing(Rule.CONCURRENCY, limits.concurrency, running, 1.0 if running else 0.0))
    if limits.daily_requests is not None:
        standings.append(Standing(Rule.DAILY_REQUESTS, limits.daily_requests, taken, day_ms / 1000))
    return tuple(standings)


def _integers(reply: object) -> list[int]:
    if not isinstance(reply, list):
        raise RedisRefused("the script gave something else than a list")
    return reply


def _as_bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise RedisRefused("something else than text")
    return value
