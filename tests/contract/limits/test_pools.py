"""Gateways on one Redis know of each other's breakers, keys and use; each goes on by itself while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.domain.failures import HTTP, Mishap
from freetheai_gateway.domain.fleet import Fleet, ProviderState, Target
from freetheai_gateway.domain.news import Change, GateName
from freetheai_gateway.domain.places import Place
from freetheai_gateway.domain.pools import KeyLimits, PoolPolicy, Upstream
from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.limits.redis import RedisPools, RedisSettings
from freetheai_gateway.limits.redis.settings import RedisTarget
from freetheai_gateway.services.attempts import Asker, Course
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.testing.offers import chat_model, make_offer
from freetheai_gateway.testing.ports import FakeProvider
from tests.background import running
from tests.redis_server import TARGET, OwnServer, forget, need_redis, own_server, until

POLICY = PoolPolicy(breaker_failures=1, breaker_open_s=30.0, dead_key_s=30.0, cooldown_s=30.0)
SOON = PoolPolicy(breaker_failures=1, breaker_open_s=0.3)
BROKEN = Mishap(HTTP, status=500)
LEASE_S = 0.3


class Node:
    """One gateway, as far as it calls upstreams."""

    def __init__(
        self,
        settings: RedisSettings,
        policy: PoolPolicy = POLICY,
        *,
        limits: KeyLimits | None = None,
        most: int = 0,
        budget: int = 0,
        processes: int = 1,
    ) -> None:
        provider = FakeProvider(
            "one",
            keys=("k1", "k2"),
            key_limits=limits or KeyLimits(),
            max_concurrency=most,
            daily_budget_micro_usd=budget,
        )
        self.clock = SystemClock()
        model = chat_model(upstreams=[Upstream("one", "m")])
        self.directory = Directory(make_offer(model, providers=[provider], policy=policy, processes=processes))
        self.pools = RedisPools(settings, lambda: self.directory.offer.fleet, self.clock)
        self.pools.listen()
        self.number = 0

    @property
    def fleet(self) -> Fleet:
        return self.directory.offer.fleet

    @property
    def provider(self) -> ProviderState:
        return self.fleet.providers["one"]

    @property
    def target(self) -> Target:
        return self.provider.target("m")

    def course(self) -> Course:
        """Begin a request."""
        (model,) = self.directory.offer.catalogue.models.values()
        assert isinstance(model, Model)
        self.number += 1
        asker = Asker("acc_1", model.id, b"%d" % self.number)
        return Course(asker, model.upstreams, self.directory.offer, self.clock)

    async def call(self, mishap: Mishap | None = None) -> None:
        """Send one request, which fails or not. Raises `ProviderUnavailable` where nothing may be called."""
        course = self.course()
        place = course.take()
        if place.is_try:
            place = await course.confirm(place)
        place.leave()
        if mishap is None:
            place.succeeded()
        else:
            course.fail(place, mishap)


@pytest.fixture
def settings() -> RedisSettings:
    need_redis()
    return RedisSettings(TARGET, prefix=f"test-{uuid4().hex}:", lease_s=LEASE_S, retry_max_s=0.1, round_s=0.02)


@asynccontextmanager
async def up(*nodes: Node, settings: RedisSettings) -> AsyncIterator[None]:
    """Run nodes on one Redis."""
    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(node.pools.run()) for node in nodes]
        try:
            await until(lambda: all(node.pools.up for node in nodes))
            yield
        finally:
            for task in work:
                task.cancel()
            for node in nodes:
                await node.pools.close()
            if settings.target == TARGET:
                await forget(settings)


async def test_breaker_when_it_opens_on_one_node_then_the_others_leave_the_upstream_alone(
    settings: RedisSettings,
) -> None:
    """At once, and so does one that starts later; what closes it closes it everywhere."""
    one, other = Node(settings), Node(settings)
    async with up(one, other, settings=settings):
        await one.call(BROKEN)
        await until(lambda: not other.target.gate.clear)
        with pytest.raises(ProviderUnavailable) as refused:
            await other.call()
        assert refused.value.retry_after_s == pytest.approx(30.0, abs=2.0)
        late = Node(settings)
        async with running(late.pools.run()):
            await until(lambda: late.pools.up)
            assert (late.target.gate.clear, late.target.gate.reason) == (False, "breaker")
            one.target.gate.open()
            await until(lambda: other.target.gate.clear and late.target.gate.clear)


@pytest.mark.parametrize("status", [401, 429], ids=["refused", "told to slow down"])
async def test_key_when_it_rests_on_one_node_then_no_other_uses_it(settings: RedisSettings, status: int) -> None:
    """For every model, or for the one that it was told to slow down for."""
    one, other = Node(settings), Node(settings)
    async with up(one, other, settings=settings):
        await one.call(Mishap(HTTP, status=status))
        key = next(key for key in one.provider.keys if not key.gate.clear or key.fingerprint in one.target.cooling)
        twin = other.provider.keys[key.index]
        if status == 401:
            await until(lambda: not twin.gate.clear)
        else:
            await until(lambda: twin.fingerprint in other.target.cooling)
            assert twin.gate.clear
        used = [other.course().take().key.index for _ in range(4)]
        assert used == [1 - key.index] * 4


async def test_upstream_when_it_may_be_tried_then_one_node_at_a_time_tries(settings: RedisSettings) -> None:
    """Of three nodes that are asked at once; its failure shuts it everywhere, its success opens it everywhere."""
    nodes = [Node(settings, SOON) for _ in range(3)]
    async with up(*nodes, settings=settings):
        await nodes[0].call(BROKEN)
        for fails in (True, False):
            await until(lambda: all(not node.target.gate.clear for node in nodes))
            await until(lambda: all(node.target.gate.wait_s(node.clock.monotonic()) == 0.0 for node in nodes))
            courses = [node.course() for node in nodes]
            places = [course.take() for course in courses]
            assert all(place.is_try for place in places)
            confirmed = await asyncio.gather(
                *(course.confirm(place) for course, place in zip(courses, places, strict=True)),
                return_exceptions=True,
            )
            (tried,) = [index for index, place in enumerate(confirmed) if not isinstance(place, BaseException)]
            assert sum(isinstance(place, ProviderUnavailable) for place in confirmed) == 2
            places[tried].leave()
            if fails:
                courses[tried].fail(places[tried], BROKEN)
            else:
                places[tried].succeeded()
        await until(lambda: all(node.target.gate.clear for node in nodes))
        assert all(node.provider.load.running == 0 for node in nodes)


async def test_try_when_it_ends_without_a_verdict_or_its_node_dies_then_another_node_may_try(
    settings: RedisSettings,
) -> None:
    """A client that leaves gives the try back at once; a claim that nobody renews ends by itself."""
    one, other = Node(settings, SOON), Node(settings, SOON)
    async with up(other, settings=settings):
        async with running(one.pools.run()):
            await until(lambda: one.pools.up)
            await one.call(BROKEN)
            await until(lambda: not other.target.gate.clear)
            await until(lambda: all(node.target.gate.wait_s(node.clock.monotonic()) == 0.0 for node in (one, other)))
            name = one.target.gate.name
            assert name is not None
            course = one.course()
            place = await course.confirm(course.take())
            await asyncio.sleep(2 * LEASE_S)  # a try may take long: it is renewed
            assert not await other.pools.claim([name])
            place.leave()
            await asyncio.sleep(0)
            await _claimed(other, name)
            other.pools._note(name, other.target.gate, Change.LEFT)
            await _claimed(one, name)
        await _claimed(other, name)


async def _claimed(node: Node, name: GateName) -> None:
    async with asyncio.timeout(5):
        while not await node.pools.claim([name]):  # noqa: ASYNC110 - nobody tells when a claim has ended
            await asyncio.sleep(0.01)


async def test_key_limits_when_several_nodes_use_a_key_then_they_count_together(settings: RedisSettings) -> None:
    """Requests of the minute and of the day, tokens, and money: what one has used another one knows after a round."""
    limits = KeyLimits(requests_per_minute=10, tokens_per_day=1_000)
    one, other = Node(settings, limits=limits, budget=500), Node(settings, limits=limits, budget=500)
    async with up(one, other, settings=settings):
        for _ in range(12):
            await one.call()
        meters = [key.meter for key in other.provider.keys]
        assert all(meter is not None for meter in meters)
        await until(lambda: [meter.requests_today.known for meter in meters if meter is not None] == [6, 6])
        for _ in range(8):
            await other.call()
        with pytest.raises(ProviderUnavailable):
            await other.call()
        place = Place(one.fleet.seat(Upstream("one", "m")), one.provider.keys[0], 0.0, one.clock.wall())
        place.charge(400, 200, one.clock.monotonic(), one.clock.wall())
        twin = other.provider.keys[place.key.index].meter
        assert twin is not None
        assert other.provider.budget is not None
        await until(lambda: twin.tokens_today.known == 400)
        assert other.provider.budget.spent_micro_usd(other.clock.wall()) == 200
        late = Node(settings, limits=limits, budget=500)
        async with running(late.pools.run()):
            await until(lambda: late.pools.up)
            assert late.provider.budget is not None
            assert late.provider.budget.spent_micro_usd(late.clock.wall()) == 200


async def test_slots_when_several_nodes_are_busy_then_together_they_never_hold_more(settings: RedisSettings) -> None:
    """One that is busy gets what the others leave, and leaves them some though it could use all."""
    nodes = [Node(settings, most=60) for _ in range(3)]
    async with up(*nodes, settings=settings):
        await until(lambda: sum(node.provider.cap for node in nodes) <= 60)
        held: list[Place] = []

        def has_most() -> bool:
            held.extend(_take_all(nodes[0]))
            return len(held) == 40

        await until(has_most)
        held += _take_all(nodes[1]) + _take_all(nodes[2])
        assert len(held) == 60
        for place in held:
            place.leave()


async def test_slots_when_they_are_fewer_than_two_for_each_node_then_each_has_one_in_any_case(
    settings: RedisSettings,
) -> None:
    """Held at rest they would be nobody else's; so the others run over by what they do not know of yet."""
    nodes = [Node(settings, most=2) for _ in range(3)]
    async with up(*nodes, settings=settings):
        await until(lambda: [node.provider.cap for node in nodes] == [2, 2, 2])
        assert len(_take_all(nodes[0])) == 2
        await until(lambda: [node.provider.cap for node in nodes] == [2, 1, 1])


def _take_all(node: Node) -> list[Place]:
    held: list[Place] = []
    with pytest.raises(ProviderUnavailable):
        while True:
            held.append(node.course().take())
    return held


async def test_node_when_redis_is_away_then_it_goes_on_alone_and_tells_the_rest_when_it_is_back(
    server: OwnServer,
) -> None:
    """What it saw meanwhile the others hear then, though Redis lost its memory; each counts for all of its node."""
    target = RedisTarget("127.0.0.1", server.target.port)
    settings = RedisSettings(target, deadline_s=0.5, lease_s=LEASE_S, retry_max_s=0.05, round_s=0.02)
    limits = KeyLimits(requests_per_minute=100, requests_per_day=100)
    one, other = (Node(settings, SOON, most=8, limits=limits, budget=1_000, processes=4) for _ in range(2))
    assert one.provider.cap == 2
    async with up(one, other, settings=settings):
        await one.call()
        assert one.provider.budget is not None
        one.provider.budget.spend(300, one.clock.wall())
        assert one.provider.budget.weight == 1
        known = other.provider.budget
        assert known is not None
        await until(lambda: known.spent_micro_usd(other.clock.wall()) == 300)
        server.stop()
        await until(lambda: not (one.pools.up or other.pools.up))
        assert (one.provider.cap, one.provider.budget.weight) == (2, 4)
        await one.call(BROKEN)
        assert not one.target.gate.clear
        assert other.target.gate.clear
        one.provider.budget.spend(100, one.clock.wall())
        assert one.provider.budget.spent_micro_usd(one.clock.wall()) == 300 + 4 * 100
        server.start()
        await until(lambda: one.pools.up and other.pools.up)
        await until(lambda: not other.target.gate.clear)
        await until(lambda: known.spent_micro_usd(other.clock.wall()) == 400)
        assert one.provider.budget.spent_micro_usd(one.clock.wall()) == 400


async def test_node_when_redis_is_away_then_what_was_left_alone_is_tried_without_asking(server: OwnServer) -> None:
    """Nobody could say no."""
    target = RedisTarget("127.0.0.1", server.target.port)
    node = Node(RedisSettings(target, retry_max_s=0.05), SOON)
    async with up(node, settings=RedisSettings(target)):
        server.stop()
        await until(lambda: not node.pools.up)
        await node.call(BROKEN)
        await until(lambda: node.target.gate.wait_s(node.clock.monotonic()) == 0.0)
        await node.call()
        assert node.target.gate.clear


async def test_news_when_they_are_not_understood_then_they_are_passed_over(settings: RedisSettings) -> None:
    """Of a gateway of another version, of a provider or a key that this one does not have."""
    one, other = Node(settings), Node(settings)
    async with up(one, other, settings=settings):
        for payload in (
            b"",
            b"[]",
            b'["x",[[["two","","m",""],"shut",9.0,"breaker"]]]',
            b'["x",[[["one","","","k9"],"shut",9,""]]]',
        ):
            one.pools._hear(payload)
        assert list(one.fleet.shut_gates()) == []
        await one.call(BROKEN)
        await until(lambda: not other.target.gate.clear)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnServer]:
    with own_server(tmp_path) as started:
        yield started
