"""The limiter over Redis against the model of the one in memory: any order of calls, recounted after each."""

import asyncio
from contextlib import AsyncExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from freetheai_gateway.domain.limits import Limits, Refusal
from freetheai_gateway.limits.redis.limiter import RedisLease
from freetheai_gateway.testing.clock import FakeClock
from tests.redis_server import redis_limiter
from tests.unit.limits.test_memory_against_model import CHOICES, STEP_S, Held, Model

EVERYTHING = Limits(100, 100, 100, 100)


class RedisMachine(RuleBasedStateMachine):
    """One account whose limits change between the calls; the second half of its requests goes through another node."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(wall=1_795_392_000.0 + 86_000.0)
        self.open = AsyncExitStack()
        self.limiter = self.loop.run_until_complete(self.open.enter_async_context(redis_limiter(now=self.clock.wall)))
        self.model = Model()
        self.leases: list[tuple[RedisLease, Held]] = []

    def teardown(self) -> None:
        """Let everyone leave: nothing may run."""
        for lease, _ in self.leases:
            lease.settle(delivered=False)
        assert self.limiter.running == 0
        self.loop.run_until_complete(self.open.aclose())
        self.loop.close()

    @rule(limits=st.sampled_from(CHOICES))
    def arrive(self, limits: Limits) -> None:
        """Send a request, under whatever the limits are by now."""
        outcome = self.loop.run_until_complete(self.limiter.admit("acc_1", limits))
        expected = self.model.decide(limits, self.clock.wall(), self.clock.wall())
        if isinstance(outcome, Refusal) or isinstance(expected, Refusal):
            assert outcome == expected
        else:
            self.leases.append((outcome, expected))

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 100), delivered=st.booleans(), tokens=st.integers(0, 40), repeats=st.integers(1, 3))
    def end(self, index: int, delivered: bool, tokens: int, repeats: int) -> None:
        """End a request."""
        lease, held = self.leases.pop(index % len(self.leases))
        for _ in range(repeats):
            lease.settle(delivered=delivered, tokens=tokens)
        self.model.settle(held, self.clock.wall(), delivered=delivered, tokens=tokens)

    @rule(steps=st.integers(1, 80))
    def pass_time(self, steps: int) -> None:
        """Move the clock, less than a lease's life; midnight is near."""
        self.clock.advance(steps * STEP_S)
        for lease, _ in self.leases:
            self.limiter.renew(lease)

    @invariant()
    def standings_agree(self) -> None:
        """Check every count by a recount."""
        day = int(self.clock.wall() // 86_400)
        for standing in self.loop.run_until_complete(self.limiter.standings("acc_1", EVERYTHING)):
            assert standing.used == self.model.used(standing.rule, self.clock.wall(), day)


TestRedisAgainstModel = RedisMachine.TestCase
TestRedisAgainstModel.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
