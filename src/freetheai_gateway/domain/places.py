"""A place at an upstream: taken before a call, left after it, and what the call says about the upstream. Sans-IO."""

from freetheai_gateway.domain.breakers import Tally
from freetheai_gateway.domain.failures import HTTP, Mishap
from freetheai_gateway.domain.fleet import REFUSED, Key, Seat
from freetheai_gateway.domain.gates import Gate
from freetheai_gateway.domain.news import GateName
from freetheai_gateway.domain.outcomes import KeyFate, Rule
from freetheai_gateway.domain.pools import PoolPolicy

TRIED_ELSEWHERE_S = 1.0
"""How long a try is given that another process makes, before it is asked for again."""
SUSPICIONS = 2
"""So many different requests that end in 403 say that it is the key and not the request."""
REFUSED_MODELS = 2
"""So many models for which a key is refused so say that it is the key and not a model that it may not use."""


class Place:
    """Held while one call runs. `leave` must be called in every case; nothing it does is done twice."""

    __slots__ = ("_held", "_tries", "_tries_upstream", "key", "repeats", "seat", "taken_at")

    def __init__(self, seat: Seat, key: Key, now: float, wall: float, *, repeats: bool = False) -> None:
        self.seat = seat
        self.key = key
        self.taken_at = now
        self.repeats = repeats
        """Whether the same request was sent to the same upstream before."""
        self._held = True
        target = seat.target
        target.in_flight += 1
        seat.provider.load.running += 1
        self._tries: list[Gate] | None = None
        self._tries_upstream = False
        if target.cooling or not target.gate.clear or not key.gate.clear:
            self._enter_gates()
        if key.meter is not None:
            key.meter.take(now, wall)

    def _enter_gates(self) -> None:
        target, key = self.seat.target, self.key
        self._tries_upstream = target.gate.enter()
        cooling = target.cooling.get(key.fingerprint)
        self._tries = [gate for gate in (target.gate, key.gate, cooling) if gate is not None and gate.enter()]

    @property
    def is_try(self) -> bool:
        """Whether the call tries what was left alone."""
        return self._tries is not None and bool(self._tries)

    def tried(self) -> list[GateName]:
        """Name the gates that it tries."""
        return [gate.name for gate in self._tries or () if gate.name is not None]

    def give_back(self, now: float) -> None:
        """Leave without a call: another process tries already."""
        gates = self._tries or []
        self.leave()
        for gate in gates:
            gate.hear_shut(now, TRIED_ELSEWHERE_S, gate.reason)

    def came_alive(self, now: float) -> None:
        """Note the first content: what was tried is good again, though the reply is not complete."""
        self.seat.target.note_latency(now - self.taken_at)
        if self._tries is not None:
            self._clear_gates()

    def succeeded(self) -> None:
        """Note a complete reply, or one that shows the upstream and the key to be well: a refusal of the request."""
        breaker = self.seat.target.breaker
        if breaker.tally.failed or not breaker.gate.clear:
            breaker.succeeded(tried=self._tries_upstream)
        if self.seat.target.suspicions:
            self.seat.target.suspicions.pop(self.key.fingerprint, None)
        if self._tries is not None:
            self._clear_gates()

    def failed(self, mishap: Mishap, rule: Rule, now: float, identity: int, policy: PoolPolicy) -> bool:
        """Note a failure; `identity` tells requests apart. Returns whether a breaker opened by it."""
        opened = False
        breaker = self.seat.target.breaker
        if rule.weighs:
            opened = breaker.failed(
                now,
                identity,
                tried=self._tries_upstream,
                enough=policy.breaker_failures,
                window_s=policy.breaker_window_s,
                open_s=policy.breaker_open_s,
            )
        elif mishap.what == HTTP:  # it answers, whatever it says
            breaker.succeeded(tried=self._tries_upstream)
        self._judge_key(mishap, rule, now, identity, policy)
        return opened

    def charge(self, tokens: int, cost_micro_usd: int, now: float, wall: float) -> None:
        """Count what the reply used."""
        if self.key.meter is not None:
            self.key.meter.charge(tokens, now, wall)
        if self.seat.provider.budget is not None:
            self.seat.provider.budget.spend(cost_micro_usd, wall)

    def leave(self) -> None:
        """Give the place back; a try that brought no verdict may be made by somebody else."""
        if self._held:
            self._held = False
            self.seat.target.in_flight -= 1
            self.seat.provider.load.running -= 1
            if self._tries is not None:
                for gate in self._tries:
                    gate.leave()

    def _clear_gates(self) -> None:
        for gate in self._tries or ():
            gate.open()
        self.seat.target.cooling = {
            fingerprint: gate for fingerprint, gate in self.seat.target.cooling.items() if not gate.clear
        }
        self._tries = None

    def _judge_key(self, mishap: Mishap, rule: Rule, now: float, identity: int, policy: PoolPolicy) -> None:
        key = self.key
        match rule.key:
            case KeyFate.REST:
                key.gate.shut(now, policy.dead_key_s, REFUSED)
            case KeyFate.SUSPECT:
                if self._is_refused(now, identity, policy):
                    self._rest_for_model(now, policy)
            case KeyFate.COOL:
                self._cool(mishap, now, policy)
            case KeyFate.KEEP:
                pass

    def _is_refused(self, now: float, identity: int, policy: PoolPolicy) -> bool:
        suspicion = self.seat.target.suspicions.setdefault(self.key.fingerprint, Tally())
        return suspicion.reaches(SUSPICIONS, now, policy.breaker_window_s, identity)

    def _rest_for_model(self, now: float, policy: PoolPolicy) -> None:
        """Let the key rest for this model; refused for several models, it is the key itself that is refused."""
        fingerprint = self.key.fingerprint
        self.seat.target.cooled(fingerprint).shut(now, policy.dead_key_s, REFUSED)
        if self.seat.provider.refusals_of(fingerprint) >= REFUSED_MODELS:
            self.key.gate.shut(now, policy.dead_key_s, REFUSED)

    def _cool(self, mishap: Mishap, now: float, policy: PoolPolicy) -> None:
        seconds = policy.cooldown_s if mishap.retry_after_s is None else mishap.retry_after_s
        cooling = self.seat.target.cooling
        gate = cooling.get(self.key.fingerprint)
        if gate is None:
            gate = self.seat.target.cooled(self.key.fingerprint)
        gate.shut(now, min(seconds, policy.max_cooldown_s), "slow down")
