"""Every limiter against a model that keeps lists of instants and recounts them for every question."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from freetheai_gateway.domain.limits import Limits, Refusal, Rule
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.services.ports import Lease, Limiter
from freetheai_gateway.testing.clock import FakeClock
from tests.redis_server import redis_limiter

LONG_S = 1_000_000.0
"""Waits end by a slot or a cancellation, never by their time."""
STEP_S = 0.25
"""All times are multiples of this; the model finds the end of a wait by trying them."""

COOLDOWN_S = 20.0

CHOICES = [
    Limits(requests_per_minute=3, concurrency=1),
    Limits(requests_per_minute=6, concurrency=2, daily_requests=8),
    Limits(tokens_per_minute=50, concurrency=1, daily_requests=12),
    Limits(requests_per_minute=8, tokens_per_minute=30, concurrency=3, daily_requests=20),
    Limits(concurrency=2),
    Limits(concurrency=2, images_per_day=4),
    Limits(requests_per_minute=9, daily_requests=20, images_per_day=7),
    Limits(concurrency=2, image_cooldown_s=COOLDOWN_S),
    Limits(concurrency=3, images_per_day=9, image_cooldown_s=3 * COOLDOWN_S),
    Limits(),
]


@dataclass
class Held:
    """One admitted request of the model."""

    limits: Limits
    day: int
    images: int
    at_s: float


@dataclass
class Model:
    """What happened, as it happened; knows no window, no sum and no reservation."""

    requests: list[float] = field(default_factory=list)
    charges: list[tuple[float, int]] = field(default_factory=list)
    running: list[Held] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    cooling: Held | None = None
    """The newest admission for images under a cool-down, until it turns out to have made none."""

    def used(self, rule: Rule, now_s: float, day: int) -> int:
        """Recount one rule."""
        match rule:
            case Rule.REQUESTS_PER_MINUTE:
                return sum(at_s + 60.0 > now_s for at_s in self.requests)
            case Rule.TOKENS_PER_MINUTE:
                # Charged at the end of the half second, a 120th of the minute.
                return sum(tokens for at_s, tokens in self.charges if (at_s // 0.5 + 1) * 0.5 + 60.0 > now_s)
            case Rule.CONCURRENCY:
                return len(self.running)
            case Rule.DAILY_REQUESTS:
                reserved = sum(held.limits.daily_requests is not None and held.day == day for held in self.running)
                return self.answers.count(day) + reserved
            case Rule.IMAGES_PER_DAY:
                of_today = (held for held in self.running if held.limits.images_per_day is not None)
                return self.images.count(day) + sum(held.images for held in of_today if held.day == day)
            case Rule.IMAGE_COOLDOWN:
                return int(self.cools_s(COOLDOWN_S, now_s) > 0)

    def cools_s(self, cooldown_s: float, now_s: float) -> float:
        """Tell what is left of a cool-down of this length."""
        return self.cooling.at_s + cooldown_s - now_s if self.cooling is not None else 0.0

    def refusals_for_images(self, limits: Limits, now_s: float, wall_s: float, images: int) -> list[Refusal]:
        """Try the rules that only requests for images know."""
        refusals = []
        cap, used = limits.images_per_day, self.used(Rule.IMAGES_PER_DAY, now_s, int(wall_s // 86_400))
        if cap is not None and images and used + images > cap:
            refusals.append(Refusal(Rule.IMAGES_PER_DAY, cap, used, 86_400.0 - wall_s % 86_400.0))
        cooldown_s = limits.image_cooldown_s
        if cooldown_s is not None and images and (left_s := self.cools_s(cooldown_s, now_s)) > 0:
            refusals.append(Refusal(Rule.IMAGE_COOLDOWN, 1, 1, left_s))
        return refusals

    def decide(self, limits: Limits, now_s: float, wall_s: float, images: int) -> Held | Refusal:
        """Try every rule; the longest wait speaks, concurrency only when alone."""
        day = int(wall_s // 86_400)
        refusals = self.refusals_for_images(limits, now_s, wall_s, images)
        for rule_ in (Rule.DAILY_REQUESTS, Rule.REQUESTS_PER_MINUTE, Rule.TOKENS_PER_MINUTE):
            limit = getattr(limits, rule_.value)
            if limit is not None and (used := self.used(rule_, now_s, day)) >= limit:
                wait_s = 86_400.0 - wall_s % 86_400.0
                if rule_ is not Rule.DAILY_REQUESTS:
                    wait_s = STEP_S
                    while self.used(rule_, now_s + wait_s, day) >= limit:
                        wait_s += STEP_S
                refusals.append(Refusal(rule_, limit, used, wait_s))
        if any(refusal.rule is Rule.DAILY_REQUESTS for refusal in refusals):  # both end at midnight: answers speak
            refusals = [refusal for refusal in refusals if refusal.rule is not Rule.IMAGES_PER_DAY]
        if refusals:
            return max(refusals, key=lambda refusal: refusal.retry_after_s)
        if limits.concurrency is not None and len(self.running) >= limits.concurrency:
            return Refusal(Rule.CONCURRENCY, limits.concurrency, len(self.running), 1.0)
        held = Held(limits, day, images, now_s)
        self.running.append(held)
        if images and limits.image_cooldown_s is not None:
            self.cooling = held
        if limits.requests_per_minute is not None:
            self.requests.append(now_s)
        return held

    def settle(self, held: Held, now_s: float, *, delivered: bool, tokens: int, images: int) -> None:
        """Note what a request left behind."""
        self.running = [other for other in self.running if other is not held]
        if not images and self.cooling is held:
            self.cooling = None
        if delivered and held.limits.daily_requests is not None:
            self.answers.append(held.day)
        if held.limits.images_per_day is not None:
            self.images += [held.day] * images
        if held.limits.tokens_per_minute is not None:
            self.charges.append((now_s, tokens))


@dataclass
class Waiter:
    """A request that waits in the limiter, and what the model says of it once it is decided."""

    task: asyncio.Task[Lease | Refusal]
    images: int
    expected: Held | Refusal | None = None


async def turns_of_the_loop() -> None:
    """Let every task that can run do so, those woken by the first included."""
    for _ in range(4):
        await asyncio.sleep(0)


class MemoryMachine(RuleBasedStateMachine):
    """One account, any order of calls, limits that change between them."""

    limiter: Limiter

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(wall=1_795_392_000.0 + 86_000.0)
        self.opened = AsyncExitStack()
        self.limiter = self.loop.run_until_complete(self.open_limiter())
        self.model = Model()
        self.limits = CHOICES[0]
        self.leases: list[tuple[Lease, Held]] = []
        self.waiters: list[Waiter] = []

    async def open_limiter(self) -> Limiter:
        """Make the limiter of this machine."""
        return MemoryLimiter(self.clock)

    def counts(self) -> dict[Rule, int]:
        """Ask the limiter what is used."""
        everything = Limits(100, 100, 100, 100, 100, COOLDOWN_S)
        standings = self.loop.run_until_complete(self.limiter.standings_of({"acc_1": everything}))["acc_1"]
        return {standing.rule: standing.used for standing in standings}

    def teardown(self) -> None:
        """Let everyone leave: nothing may remain."""
        for waiter in self.waiters:
            waiter.task.cancel()
        self.run_loop()
        for lease, _ in self.leases:
            lease.settle(delivered=False)
        assert self.counts()[Rule.CONCURRENCY] == 0
        self.loop.run_until_complete(self.opened.aclose())
        self.loop.close()

    async def admit(self, limits: Limits, wait_s: float, images: int) -> Lease | Refusal:
        """Send a request."""
        return await self.limiter.admit("acc_1", limits, wait_s=wait_s, images=images)

    def run_loop(self) -> None:
        """Give every task that can run the time to do so."""
        self.loop.run_until_complete(turns_of_the_loop())

    def decide(self, images: int) -> Held | Refusal:
        """Ask the model under the newest limits."""
        return self.model.decide(self.limits, self.clock.monotonic(), self.clock.wall(), images)

    def serve(self) -> None:
        """Let the model's first waiters in while a slot is free, then compare with what the tasks were told."""
        slots = self.limits.concurrency
        while self.waiters and (slots is None or len(self.model.running) < slots):
            waiter = self.waiters.pop(0)
            waiter.expected = self.decide(waiter.images)
            self.run_loop()
            self.compare(waiter.task.result(), waiter.expected)
        self.run_loop()
        assert not any(waiter.task.done() for waiter in self.waiters)

    def compare(self, outcome: Lease | Refusal, expected: Held | Refusal) -> None:
        """Check that the limiter and the model say the same."""
        if isinstance(outcome, Refusal) or isinstance(expected, Refusal):
            assert outcome == expected
        else:
            self.leases.append((outcome, expected))

    @rule(limits=st.sampled_from(CHOICES), waits=st.booleans(), images=st.integers(0, 3))
    def arrive(self, limits: Limits, waits: bool, images: int) -> None:
        """Send a request, under whatever the limits are by now."""
        had_waiters = bool(self.waiters)
        self.limits = limits
        task = self.loop.create_task(self.admit(limits, LONG_S if waits else 0.0, images))
        self.run_loop()
        if had_waiters:
            self.serve()
        expected = self.decide(images)
        at_concurrency = isinstance(expected, Refusal) and expected.rule is Rule.CONCURRENCY
        if waits and at_concurrency and len(self.waiters) < 4:
            assert not task.done()
            self.waiters.append(Waiter(task, images))
        else:
            self.compare(task.result(), expected)

    @precondition(lambda self: self.leases)
    @rule(
        index=st.integers(0, 100),
        delivered=st.booleans(),
        tokens=st.integers(0, 40),
        images=st.integers(0, 3),
        head_leaves=st.booleans(),
    )
    def end(self, index: int, delivered: bool, tokens: int, images: int, head_leaves: bool) -> None:
        """End a request, perhaps in the very turn in which the first waiter leaves."""
        lease, held = self.leases.pop(index % len(self.leases))
        made = min(images, held.images)
        for _ in range(2):  # the second call does nothing
            lease.settle(delivered=delivered, tokens=tokens, images=made)
        self.model.settle(held, self.clock.monotonic(), delivered=delivered, tokens=tokens, images=made)
        if head_leaves and self.waiters:
            self.waiters.pop(0).task.cancel()
        self.run_loop()
        self.serve()

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 3))
    def leave(self, index: int) -> None:
        """Let a waiting client leave."""
        task = self.waiters.pop(index % len(self.waiters)).task
        task.cancel()
        self.run_loop()
        assert task.cancelled()

    @rule(steps=st.integers(1, 300) | st.sampled_from([240, 242, 3_600 * 4]))
    def pass_time(self, steps: int) -> None:
        """Move the clock; the first midnight is near."""
        self.clock.advance(steps * STEP_S)

    @invariant()
    def standings_agree(self) -> None:
        """Check every count by a recount."""
        day = int(self.clock.wall() // 86_400)
        assert self.counts() == {rule_: self.model.used(rule_, self.clock.monotonic(), day) for rule_ in Rule}


class RedisMachine(MemoryMachine):
    """The same over Redis, which is told the time."""

    async def open_limiter(self) -> Limiter:
        """Connect."""
        return await self.opened.enter_async_context(redis_limiter(now=self.clock.wall))

    def run_loop(self) -> None:
        """Let all that was sent be answered, and what the answers bring about be sent."""
        for _ in range(3):
            super().run_loop()
            self.counts()


TestMemoryAgainstModel = MemoryMachine.TestCase
TestMemoryAgainstModel.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestRedisAgainstModel = RedisMachine.TestCase
TestRedisAgainstModel.settings = settings(max_examples=10, stateful_step_count=40, deadline=None)
