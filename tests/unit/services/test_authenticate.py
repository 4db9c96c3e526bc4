"""From a presented key to its caller: the words, the cache, and when the database is asked."""

import asyncio

import pytest

from freetheai_gateway.errors import LimitExceeded, ProviderUnavailable, Unauthenticated
from freetheai_gateway.ids import key_digest, new_key
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory, Site
from freetheai_gateway.services.ports import StoreUnavailable
from freetheai_gateway.services.strangers import UnknownKeyBudget
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import DISCORD_SITE, INVITING_SITE, SITE, make_offer, member
from freetheai_gateway.testing.ports import Pause, StaticKeyLookup

KEY = new_key()
DIGEST = key_digest(KEY)


def _authenticator(lookup: StaticKeyLookup, site: Site = SITE, cached_keys: int = 100) -> Authenticator:
    return Authenticator(lookup, Directory(make_offer(site=site)), cached_keys=cached_keys)


async def _refusal(key: str | None, site: Site = SITE) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        await _authenticator(StaticKeyLookup(), site).caller(key)
    return caught.value


MISSING = 'Missing API key. Send it as "Authorization: Bearer fta_…". '
CUT = "This API key is incomplete (31 of 42 characters). Copy it again, or "
INVALID = "Invalid API key. "
ASK = "the operator of Example for a key."
WHERE = " in https://discord.gg/example"


@pytest.mark.parametrize(
    ("site", "key", "words"),
    [
        (SITE, None, MISSING + "Ask " + ASK),
        (SITE, "", MISSING + "Ask " + ASK),
        (SITE, KEY[:31], CUT + "ask " + ASK),
        (SITE, new_key(), INVALID + "Ask " + ASK),
        (DISCORD_SITE, None, MISSING + "Run /signup to get one."),
        (DISCORD_SITE, KEY[:31], CUT + "run /resetkey."),
        (DISCORD_SITE, new_key(), INVALID + "Run /signup to get one or /resetkey to replace it."),
        (INVITING_SITE, None, f"{MISSING}Run /signup to get one{WHERE}."),
        (INVITING_SITE, KEY[:31], f"{CUT}run /resetkey{WHERE}."),
        (INVITING_SITE, new_key(), f"{INVALID}Run /signup to get one or /resetkey to replace it{WHERE}."),
    ],
)
async def test_refusal_says_what_is_wrong_and_what_mends_it(site: Site, key: str | None, words: str) -> None:
    """The words of the contract, with and without Discord and an invitation; none quotes the key."""
    error = await _refusal(key, site)
    assert error.message == words
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.headers == ((b"www-authenticate", b"Bearer"),)


@pytest.mark.parametrize(
    "key", ["sk-proj-abc", KEY + "x", KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), KEY.swapcase(), "ключ", "\x00" * 42]
)
async def test_malformed_key_when_presented_then_the_database_is_not_asked(key: str) -> None:
    """Foreign, mistyped and damaged keys cost no SQL."""
    lookup = StaticKeyLookup()
    with pytest.raises(Unauthenticated, match="Invalid API key"):
        await _authenticator(lookup).caller(key)
    assert lookup.asked == []


async def test_known_key_when_seen_again_then_the_database_is_asked_once() -> None:
    """The hot path has no SQL."""
    caller, lookup = member(), StaticKeyLookup({DIGEST: member()})
    authenticator = _authenticator(lookup)
    assert [await authenticator.caller(KEY) for _ in range(3)] == [caller] * 3
    assert lookup.asked == [DIGEST]


async def test_unknown_key_when_seen_again_then_the_database_is_asked_once() -> None:
    """A client with a revoked key, in a loop, costs no SQL either."""
    lookup = StaticKeyLookup()
    authenticator = _authenticator(lookup)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(KEY)
    assert lookup.asked == [DIGEST]


async def test_forget_when_a_key_was_revoked_then_it_is_refused() -> None:
    """The change feed calls it; what the database says now holds."""
    lookup = StaticKeyLookup({DIGEST: member()})
    authenticator = _authenticator(lookup)
    await authenticator.caller(KEY)
    lookup.callers.clear()
    authenticator.forget()
    with pytest.raises(Unauthenticated):
        await authenticator.caller(KEY)


async def test_forget_when_a_look_up_is_under_way_then_its_answer_is_not_kept() -> None:
    """The answer may be older than the change."""
    pause = Pause()
    lookup = StaticKeyLookup({DIGEST: member()}, pause)
    authenticator = _authenticator(lookup)
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(authenticator.caller(KEY))
        await pause.reached.wait()
        lookup.callers.clear()
        authenticator.forget()
        pause.release()
    assert early.result() == member()
    with pytest.raises(Unauthenticated):
        await authenticator.caller(KEY)
    assert len(lookup.asked) == 2


async def test_cache_when_it_is_full_then_the_oldest_key_is_forgotten() -> None:
    """A flood of invented keys takes no memory beyond the bound."""
    keys = [new_key() for _ in range(4)]
    lookup = StaticKeyLookup({key_digest(key): member() for key in keys})
    authenticator = _authenticator(lookup, cached_keys=3)
    for key in keys:
        await authenticator.caller(key)
    await authenticator.caller(keys[3])
    await authenticator.caller(keys[1])
    assert len(lookup.asked) == 4
    await authenticator.caller(keys[0])
    assert len(lookup.asked) == 5


def _guarded(lookup: StaticKeyLookup, limit: int = 3) -> Authenticator:
    budget = UnknownKeyBudget(RefusalGuard(limit=limit), FakeClock())
    return Authenticator(lookup, Directory(make_offer(site=SITE)), budget=budget, cached_keys=100)


async def test_unknown_keys_when_an_address_brings_too_many_then_it_costs_no_more_look_ups() -> None:
    """429 says when to come again; other addresses are looked up, and keys that are known are not refused."""
    lookup = StaticKeyLookup({DIGEST: member()})
    authenticator = _guarded(lookup)
    assert await authenticator.caller(KEY, lambda: "a") == member()
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(new_key(), lambda: "a")
    asked = len(lookup.asked)
    with pytest.raises(LimitExceeded) as caught:
        await authenticator.caller(new_key(), lambda: "a")
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, "unknown_keys", 60.0)
    assert len(lookup.asked) == asked
    with pytest.raises(Unauthenticated):
        await authenticator.caller(new_key(), lambda: "b")
    assert await authenticator.caller(KEY, lambda: "a") == member()


async def test_known_key_when_its_address_is_blocked_and_all_is_forgotten_then_it_is_looked_up_again() -> None:
    """Members behind the address of someone who guesses go on, whatever operators change meanwhile."""
    lookup = StaticKeyLookup({DIGEST: member()})
    authenticator = _guarded(lookup)
    await authenticator.caller(KEY, lambda: "a")
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(new_key(), lambda: "a")
    authenticator.forget()
    assert await authenticator.caller(KEY, lambda: "a") == member()


async def test_unknown_key_when_it_is_repeated_or_malformed_then_it_uses_nothing_up() -> None:
    """Only look-ups count: a client with a revoked key in a loop blocks nobody."""
    lookup = StaticKeyLookup({DIGEST: member()})
    authenticator = _guarded(lookup, limit=2)
    revoked = new_key()
    for key in (revoked, revoked, revoked, "sk-proj-abc", KEY[:31], KEY + "x"):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(key, lambda: "a")
    assert await authenticator.caller(KEY, lambda: "a") == member()


async def test_address_when_the_key_is_known_then_it_is_not_even_asked_for() -> None:
    """Reading it costs more than the rest."""
    asked: list[str] = []

    def sender() -> str:
        asked.append("a")
        return "a"

    authenticator = _guarded(StaticKeyLookup({DIGEST: member()}))
    await authenticator.caller(KEY, sender)
    await authenticator.caller(KEY, sender)
    assert len(asked) == 1


async def test_cache_when_unknown_keys_flood_it_then_known_ones_stay() -> None:
    """They are remembered apart."""
    lookup = StaticKeyLookup({DIGEST: member()})
    authenticator = _authenticator(lookup, cached_keys=3)
    await authenticator.caller(KEY)
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(new_key())
    await authenticator.caller(KEY)
    assert lookup.asked.count(DIGEST) == 1


async def test_look_up_when_the_database_is_away_then_it_is_said_and_not_remembered() -> None:
    """503 and not 401: the key may be good; what is cached goes on working."""
    other = new_key()
    lookup = StaticKeyLookup({DIGEST: member(), key_digest(other): member()})
    authenticator = _authenticator(lookup)
    await authenticator.caller(KEY)
    lookup.failure = StoreUnavailable()
    with pytest.raises(ProviderUnavailable) as caught:
        await authenticator.caller(other)
    assert (caught.value.status, caught.value.code) == (503, "database_unavailable")
    assert caught.value.retry_after_s is not None
    await authenticator.caller(KEY)
    lookup.failure = None
    await authenticator.caller(other)


async def test_cancelled_look_up_leaves_nothing_behind() -> None:
    """A client that left while its key was looked up."""
    pause = Pause()
    lookup = StaticKeyLookup({DIGEST: member()}, pause)
    authenticator = _authenticator(lookup)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(authenticator.caller(KEY))
        await pause.reached.wait()
        task.cancel()
    pause.release()
    assert await authenticator.caller(KEY) == member()
    assert len(lookup.asked) == 2
