"""Which upstream a request goes to next, and with which key. Sans-IO: the caller brings time and chance.

Priority decides first. Among equals two are drawn by weight, and of the two the one with less waiting before it is
taken: what runs there times how long an answer takes. A conversation whose prefix an upstream may have cached goes back
to where it was, unless that one is much busier than the idlest. An upstream whose breaker is due for a try comes
first, once.
"""

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from math import inf, log
from typing import Final

from freetheai_gateway.domain.fleet import Key, ProviderState, Seat, Target

Draw = Callable[[], float]
"""A random number in [0, 1)."""

CLEARLY: Final = 1.5
"""How many times the waiting must differ before it overrules the weights."""
CROWDED: Final = 8
"""How many more calls than at the idlest may run where a conversation is drawn to."""


class Barred:
    """What a request does not try again: whole upstreams, and single keys of one."""

    __slots__ = ("keys", "seats", "tried")

    def __init__(self) -> None:
        self.seats: set[Seat] = set()
        self.keys: set[tuple[str, str]] = set()
        """Provider and fingerprint."""
        self.tried: set[Seat] = set()
        """Upstreams that come last."""


def find_key(
    provider: ProviderState, target: Target, now: float, wall: float, *, barred: Barred | None = None, sticky: int = 0
) -> Key | None:
    """Choose the key to use: in turn, or for a sticky conversation the same one; `None` where all rest or are spent."""
    keys = provider.keys
    if len(keys) == 1:
        key = keys[0]
        return key if _is_usable(key, target, now, wall) and not _is_barred(key, provider, barred) else None
    provider.turn += 1
    start = sticky or provider.turn
    for step in range(len(keys)):
        key = keys[(start + step) % len(keys)]
        if _is_usable(key, target, now, wall) and not _is_barred(key, provider, barred):
            return key
    return None


def wait_s(seat: Seat, now: float, wall: float) -> float:
    """Tell the seconds until an upstream may be called: 0 = now, infinity where only the end of a call will tell."""
    provider, target = seat.provider, seat.target
    if provider.load.running >= provider.cap:
        return inf
    wait = 0.0 if target.gate.clear else target.gate.wait_s(now)
    if provider.budget is not None:
        wait = max(wait, provider.budget.wait_s(wall))
    return max(wait, min((_key_wait_s(key, target, now, wall) for key in provider.keys), default=inf))


def choose(
    seats: Sequence[Seat], now: float, wall: float, draw: Draw, *, barred: Barred | None = None, sticky: bytes = b""
) -> tuple[Seat, Key] | None:
    """Choose among several upstreams; `None` where none may be called now."""
    fresh = seats if barred is None else [seat for seat in seats if seat not in barred.seats | barred.tried]
    chosen = _choose_by_priority(fresh, now, wall, draw, barred, sticky)
    if chosen is None and barred is not None and barred.tried:
        again = [seat for seat in seats if seat in barred.tried and seat not in barred.seats]
        chosen = _choose_by_priority(again, now, wall, draw, barred, sticky)
    return chosen


def is_open(seat: Seat, now: float, wall: float) -> bool:
    """Whether an upstream has room, is not left alone and not spent; of its keys nothing is said."""
    provider, target = seat.provider, seat.target
    if provider.load.running >= provider.cap:
        return False
    if not target.gate.clear and target.gate.wait_s(now):
        return False
    return provider.budget is None or not provider.budget.wait_s(wall)


def _choose_by_priority(  # noqa: PLR0917 - what `choose` was given
    seats: Collection[Seat], now: float, wall: float, draw: Draw, barred: Barred | None, sticky: bytes
) -> tuple[Seat, Key] | None:
    for priority in sorted({seat.upstream.priority for seat in seats}):
        pool = [seat for seat in seats if seat.upstream.priority == priority and is_open(seat, now, wall)]
        while pool:
            seat = _pick(pool, draw, sticky, may_try=barred is None)
            spread = _spread(sticky, seat.provider.name) if sticky else 0
            key = find_key(seat.provider, seat.target, now, wall, barred=barred, sticky=spread)
            if key is not None:
                return seat, key
            pool.remove(seat)
    return None


def _pick(pool: Sequence[Seat], draw: Draw, sticky: bytes, *, may_try: bool) -> Seat:
    if len(pool) == 1:
        return pool[0]
    due = [seat for seat in pool if not seat.target.gate.clear]
    if due:
        if may_try:
            return due[0]
        pool = [seat for seat in pool if seat.target.gate.clear] or pool
    if sticky:
        home = max(pool, key=lambda seat: _affinity(sticky, seat))
        if home.target.in_flight <= CROWDED + min(seat.target.in_flight for seat in pool):
            return home
    one, other = _drawn(pool, draw()), _drawn(pool, draw())
    return other if _load(one) > CLEARLY * _load(other) else one


def _drawn(pool: Sequence[Seat], draw: float) -> Seat:
    mark = draw * sum(seat.upstream.weight for seat in pool)
    for seat in pool:
        mark -= seat.upstream.weight
        if mark < 0:
            return seat
    return pool[-1]


def _load(seat: Seat) -> float:
    """Estimate the waiting at an upstream; one that never answered is taken for quick, so that it is tried."""
    return (seat.target.in_flight + 1) * (seat.target.latency_s or 0.001)


def _affinity(sticky: bytes, seat: Seat) -> float:
    """Rank an upstream for a conversation: weighted rendezvous hashing, the same in every process."""
    upstream = seat.upstream
    part = (_spread(sticky, f"{upstream.provider}\0{upstream.model}") + 1) / (2**64 + 1)
    return -upstream.weight / log(part)


def _spread(sticky: bytes, name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), key=sticky[:64], digest_size=8).digest())


def _is_usable(key: Key, target: Target, now: float, wall: float) -> bool:
    if not key.gate.clear and key.gate.wait_s(now):
        return False
    if target.cooling and (cooling := target.cooling.get(key.fingerprint)) is not None and cooling.wait_s(now):
        return False
    return key.meter is None or not key.meter.wait_s(now, wall)


def _is_barred(key: Key, provider: ProviderState, barred: Barred | None) -> bool:
    return barred is not None and (provider.name, key.fingerprint) in barred.keys


def _key_wait_s(key: Key, target: Target, now: float, wall: float) -> float:
    cooling = target.cooling.get(key.fingerprint)
    return max(
        key.gate.wait_s(now),
        cooling.wait_s(now) if cooling is not None else 0.0,
        key.meter.wait_s(now, wall) if key.meter is not None else 0.0,
    )
