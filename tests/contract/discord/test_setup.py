"""What `freetheai discord sync` and `doctor` do, against the fake's REST side."""

import msgspec
import pytest

from freetheai_gateway.app.discord_setup import examine, sync
from freetheai_gateway.app.registration import rest_settings
from freetheai_gateway.bot.commands import commands
from freetheai_gateway.services.key_desk.ports import DeliveryFailed
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Discord
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.server import Failure, FakeDiscord
from freetheai_gateway.upstream.discord.rest import PAUSES_S, DiscordRest
from tests.contract.discord.desk import VIP, settings_for

URL = "https://gateway.example"


class Setup:
    """The client of a command, and what it slept."""

    def __init__(self, discord: FakeDiscord, clock: FakeClock) -> None:
        self.settings: Discord = settings_for(discord)
        self.slept: list[float] = []

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            clock.advance(seconds)

        self.rest = DiscordRest(rest_settings(self.settings), discord, clock, sleep=sleep)


@pytest.fixture
def setup(discord: FakeDiscord, clock: FakeClock) -> Setup:
    """Give a client."""
    return Setup(discord, clock)


async def test_sync_when_nothing_is_known_then_all_is_sent_once(discord: FakeDiscord, setup: Setup) -> None:
    """Requirement 26: a second sync changes nothing and sends nothing."""
    assert "signup" in (await sync(setup.settings, setup.rest, commands(), dry_run=True)).added
    assert discord.commands == []
    await sync(setup.settings, setup.rest, commands(), dry_run=False)
    assert (await sync(setup.settings, setup.rest, commands(), dry_run=False)).is_empty
    assert [call.method for call in discord.calls] == ["GET", "GET", "PUT", "GET"]


async def test_sync_when_a_command_differs_then_named(discord: FakeDiscord, setup: Setup) -> None:
    """What was changed, added or removed by hand is found again."""
    await sync(setup.settings, setup.rest, commands(), dry_run=False)
    discord.commands[0]["description"] = "something else"
    discord.commands[1]["name"] = "foreign"
    difference = await sync(setup.settings, setup.rest, commands(), dry_run=True)
    assert (difference.added, difference.changed, difference.removed) == (("resetkey",), ("signup",), ("foreign",))


async def test_doctor_when_all_is_well_then_no_hint(discord: FakeDiscord, setup: Setup) -> None:
    """Requirement 30: key, endpoint, server, roles and commands are looked at."""
    discord.endpoint, discord.roles = f"{URL}/discord/interactions", [VIP]
    await sync(setup.settings, setup.rest, commands(), dry_run=False)
    assert not [finding for finding in await examine(setup.settings, setup.rest, commands(), URL) if finding.hint]


async def test_doctor_when_things_are_wrong_then_each_is_named(discord: FakeDiscord, setup: Setup) -> None:
    """Requirement 30: each hint says what to do."""
    settings = msgspec.structs.replace(setup.settings, public_key="0" * 64)
    wrong = [finding.what for finding in await examine(settings, setup.rest, commands(), URL) if finding.hint]
    assert wrong == ["public key", "interactions endpoint", "roles", "commands"]
    elsewhere = msgspec.structs.replace(settings, guild_id="500000000000000000")
    assert (await examine(elsewhere, setup.rest, commands(), URL))[-1].what == "server"
    discord.failures = [Failure(401)]
    assert [finding.what for finding in await examine(settings, setup.rest, commands(), URL)] == ["bot token"]


async def test_doctor_when_signing_in_is_set_up_wrongly_then_named_and_when_it_is_off_then_no_mistake(
    discord: FakeDiscord, setup: Setup
) -> None:
    """The redirect must stand on the developer pages letter by letter; cookies need https."""
    settings = msgspec.structs.replace(setup.settings, client_secret=Secret("s"))

    async def found(settings: Discord, url: str) -> list[tuple[str, str]]:
        findings = await examine(settings, setup.rest, commands(), url)
        return [(each.what, each.hint) for each in findings if each.what.startswith("signing in")]

    assert await found(setup.settings, URL) == [("signing in (off: no client secret)", "")]
    [(_, hint)] = await found(settings, URL)
    assert f"{URL}/login/callback" in hint
    discord.oauth.redirect_uris = {f"{URL}/login/callback"}
    assert await found(settings, URL) == [("signing in", "")]
    [(_, hint)] = await found(settings, "http://gateway.example")
    assert "https" in hint


async def test_client_when_limited_then_waits_as_told_and_gives_up_in_the_end(
    discord: FakeDiscord, setup: Setup
) -> None:
    """Requirement 27: fractions of seconds count; 401 stops at once; repeats are bounded."""
    discord.failures = [Failure(429, 0, 0.65), Failure(429, 0, 1.5, is_global=True)]
    await sync(setup.settings, setup.rest, commands(), dry_run=True)
    assert setup.rest.refused == 2
    assert [round(seconds, 3) for seconds in setup.slept] == [0.65, 1.5]
    discord.failures = [Failure(401)]
    with pytest.raises(DeliveryFailed):
        await sync(setup.settings, setup.rest, commands(), dry_run=True)
    discord.failures = [Failure(500)] * 20
    with pytest.raises(DeliveryFailed):
        await sync(setup.settings, setup.rest, commands(), dry_run=True)
    assert len(discord.failures) == 20 - len(PAUSES_S) - 1
