"""The way of one request through the upstreams of its model: where next, with which key, and whether at all.

    course = Course(asker, upstreams, offer, clock)
    while True:
        place = course.take()            # raises what the client is to see where nothing is left
        …one call…
        place.leave()                    # in every case
        if not course.fail(place, mishap):  # whether the request may be sent again
            …tell the client…

What decides is in `domain`: `choice` and `outcomes`. Here time, chance and the offer come together.
"""

from collections.abc import Sequence
from hashlib import blake2b
from random import random

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.attempts import RetryBudget, backoff_s
from freetheai_gateway.domain.choice import Barred, Draw, choose, find_key, is_open, wait_s
from freetheai_gateway.domain.failures import Mishap
from freetheai_gateway.domain.fleet import Fleet, Seat
from freetheai_gateway.domain.outcomes import PASSED_ON, Again, Rule, find_rule, may_repeat
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.jsonc import Fields
from freetheai_gateway.log import get_log
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import Readiness
from freetheai_gateway.services.provider_errors import MAX_RETRY_AFTER_S, RETRY_AFTER_S, provider_busy

_LOG = get_log("pools")

_READY = Readiness.READY
_DRAW: Draw = random  # noqa: S311 - spreads load, no secret

CACHED_FROM_BYTES = 4_096
"""Vendors cache prompts from about a thousand tokens on: shorter ones need not go where they were."""
_BEGINNINGS = ("system", "instructions", "messages", "input")
"""Fields that a conversation begins with, in any client dialect; what is added to it stands behind their beginning."""
_BEGINNING_BYTES = 2_048


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Whose request it is. `body` and `fields`, its top level, only tell requests and conversations apart.

    `repeatable`: executing the request twice harms nobody and costs little.
    """

    account_id: str
    model_id: str
    body: bytes
    fields: Fields = msgspec.field(default_factory=dict)
    repeatable: bool = True

    @property
    def identity(self) -> int:
        """Tell distinct requests apart; the same prompt of the same account is the same request."""
        return hash((self.account_id, self.body))


class Course:
    """One per request."""

    __slots__ = ("_asker", "_barred", "_budget", "_clock", "_fleet", "_offer", "_started_at", "_upstreams", "attempts")

    def __init__(self, asker: Asker, upstreams: Sequence[Upstream], offer: Offer, clock: Clock) -> None:
        self._asker = asker
        self._offer = offer
        self._clock = clock
        self._fleet = fleet = offer.fleet
        self._upstreams = upstreams
        self._barred: Barred | None = None
        self._budget: RetryBudget = fleet.retries_of(asker.model_id)
        if self._budget.left < fleet.policy.retry_burst:
            self._budget.earn(fleet.policy)
        self._started_at = 0.0
        self.attempts = 0

    def take(self) -> Place:
        """Take a place for the next call. Raises `ProviderUnavailable` where none may be called now."""
        now = self._clock.monotonic()
        if self.attempts == 0:
            self._started_at = now
            place = self._find_at_once(now)
            if place is not None:
                self.attempts = 1
                return place
        wall = self._clock.wall()
        place = self._find(now, wall)
        if place is None:
            raise provider_busy(self._asker.model_id, self._busy_for_s(now, wall))
        self.attempts += 1
        return place

    async def confirm(self, place: Place) -> Place:
        """Make sure that no other process makes the same try: else take another place. Raises as `take`."""
        tries = self._fleet.news.tries
        while tries is not None and place.is_try:
            try:
                is_ours = await tries.claim(place.tried())
            except BaseException:  # cancelled: the client left
                place.leave()
                raise
            if is_ours:
                break
            place.give_back(self._clock.monotonic())
            self.attempts -= 1
            place = self.take()
        return place

    def fail(self, place: Place, mishap: Mishap, *, begun: bool = False) -> bool:
        """Take in how a call failed whose place was left; returns whether `take` finds a next place.

        `begun`: something of the reply went to the client.
        """
        now, policy = self._clock.monotonic(), self._fleet.policy
        rule = find_rule(mishap)
        opened = place.failed(mishap, rule, now, self._asker.identity, policy)
        if opened:
            _LOG.warning("breaker_opened", provider=place.seat.upstream.provider, model=place.seat.upstream.model)
        if rule is PASSED_ON:
            place.succeeded()
        if (
            begun
            or self.attempts >= policy.attempts
            or now - self._started_at > policy.deadline_s
            or not may_repeat(rule, mishap, repeatable=self._asker.repeatable)
        ):
            return False
        self._bar(place, rule, mishap)
        return self._somewhere(now) and self._budget.take()

    def skip(self, place: Place) -> bool:
        """Note that the request can't be said to this upstream; returns whether another one is left."""
        self.attempts -= 1
        barred = self._bars()
        barred.seats.add(place.seat)
        return self._somewhere(self._clock.monotonic())

    def pause_s(self) -> float:
        """Choose how long to wait before the same upstream is asked once more."""
        return backoff_s(self.attempts - 1, self._fleet.policy, _DRAW())

    def _find_at_once(self, now: float) -> Place | None:
        """Take the only upstream with its only key where nothing is held against them: what most requests are."""
        upstreams = self._upstreams
        if len(upstreams) != 1:
            return None
        seat = self._fleet.seat(upstreams[0])
        provider, target = seat.provider, seat.target
        if (
            len(provider.keys) != 1
            or provider.counts
            or target.cooling
            or not target.gate.clear
            or not provider.keys[0].gate.clear
            or provider.load.running >= provider.cap
            or not self._is_ready(seat)
        ):
            return None
        return Place(seat, provider.keys[0], now, 0.0)

    def _find(self, now: float, wall: float) -> Place | None:
        barred, ready, sticky = self._barred, self._ready_seats(), self._sticky()
        chosen = None
        if barred is not None and barred.keys and self.attempts + 1 >= self._fleet.policy.attempts:
            # The last attempt is not for one more key of a provider that may have refused the account.
            refused = {provider for provider, _ in barred.keys}
            others = [seat for seat in ready if seat.provider.name not in refused]
            chosen = choose(others, now, wall, _DRAW, barred=barred, sticky=sticky)
        chosen = chosen or choose(ready, now, wall, _DRAW, barred=barred, sticky=sticky)
        if chosen is None:
            return None
        seat, key = chosen
        return Place(seat, key, now, wall, repeats=barred is not None and seat in barred.tried)

    def _ready_seats(self) -> list[Seat]:
        return [seat for seat in self._fleet.seats(self._upstreams) if self._is_ready(seat)]

    def _is_ready(self, seat: Seat) -> bool:
        return self._offer.providers[seat.upstream.provider].readiness() is _READY

    def _sticky(self) -> bytes:
        """Name the conversation where a prompt cache may know it; empty where it is too short for one."""
        asker = self._asker
        if not self._fleet.policy.sticky or len(asker.body) < CACHED_FROM_BYTES:
            return b""
        return conversation_of(asker)

    def _bars(self) -> Barred:
        if self._barred is None:
            self._barred = Barred()
        return self._barred

    def _bar(self, place: Place, rule: Rule, mishap: Mishap) -> None:
        barred = self._bars()
        match rule.again:
            case Again.OTHER_KEY:
                barred.keys.add((place.seat.provider.name, place.key.fingerprint))
            case Again.ANYWHERE if not mishap.retry_after_s:
                barred.tried.add(place.seat)
            case _:
                barred.seats.add(place.seat)

    def _somewhere(self, now: float) -> bool:
        """Whether there is anywhere to go."""
        return choose(self._ready_seats(), now, self._clock.wall(), _DRAW, barred=self._barred) is not None

    def _busy_for_s(self, now: float, wall: float) -> float:
        """Tell when to try again: when the first upstream may be called, as far as that is known."""
        waits = [wait_s(seat, now, wall) for seat in self._fleet.seats(self._upstreams)]
        known = min((wait for wait in waits if wait < MAX_RETRY_AFTER_S + 1), default=RETRY_AFTER_S)
        return known or RETRY_AFTER_S


def conversation_of(asker: Asker) -> bytes:
    """Name a conversation by its account and its beginning."""
    name = blake2b(key=asker.account_id.encode()[:64])
    for field in _BEGINNINGS:
        if (value := asker.fields.get(field)) is not None:
            name.update(bytes(value)[:_BEGINNING_BYTES])
    return name.digest()


def take_one(upstream: Upstream, fleet: Fleet, clock: Clock) -> Place | None:
    """Take a place at one upstream, for a call that is no completion; `None` where it may not be called now."""
    seat, now, wall = fleet.seat(upstream), clock.monotonic(), clock.wall()
    if not is_open(seat, now, wall):
        return None
    key = find_key(seat.provider, seat.target, now, wall)
    return None if key is None else Place(seat, key, now, wall)
