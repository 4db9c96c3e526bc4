"""The key desk, wired: settings into rules, stores into services, services into the bot, the bot into a route."""

import asyncio
from typing import Self

from freetheai_gateway.bot.commands_read import Readings
from freetheai_gateway.bot.dispatch import FIRST_ANSWER_S, BotSettings, KeyDeskBot, Parts
from freetheai_gateway.bot.forms import Forms
from freetheai_gateway.bot.operators import Operators
from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.log import get_log
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.desk import Issued, KeyDesk
from freetheai_gateway.services.key_desk.gates import DAY_S, SignUpRules
from freetheai_gateway.services.key_desk.jobs import Jobs
from freetheai_gateway.services.key_desk.membership import Membership
from freetheai_gateway.services.ports import StoreUnavailable, UpstreamClient
from freetheai_gateway.settings.tree import Discord, SignUp
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.key_desk import SqlKeyDesk
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.upstream.discord.rest import DiscordRest, DiscordSettings, Sleep
from freetheai_gateway.web.interactions import InteractionsRoute
from freetheai_gateway.web.routes import Route

KEEP_S = 3_600.0
"""How long an interaction is remembered: longer than a signed one is believed."""


class Desk:
    """The key desk of one process. `run` tidies up in the background; `close` ends the work in flight."""

    def __init__(
        self,
        settings: Discord,
        database: Database,
        directory: Directory,
        *,
        client: UpstreamClient,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        first_answer_s: float = FIRST_ANSWER_S,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = get_log("discord")
        self._store = SqlKeyDesk(database)
        self.jobs = Jobs(self._log)
        accounts = SqlAccounts(database)
        self._desk = desk = KeyDesk(self._store, _rules(settings.signup), clock)
        self._rest = DiscordRest(rest_settings(settings), client, clock, sleep=sleep)
        parts = Parts(
            desk,
            Forms(desk, self._rest, directory, self._log),
            Readings(directory, self._store, SqlUsage(database), clock),
            Operators(settings.operators, desk, directory, lambda actor: AccountDesk(accounts, clock, actor)),
            Membership(accounts, dict(settings.tier_roles)),
        )
        self.bot = KeyDeskBot(
            BotSettings(settings.application_id, settings.guild_id, first_answer_s),
            self._store,
            parts,
            jobs=self.jobs,
            clock=clock,
            log=self._log,
        )

    @classmethod
    def of(
        cls, settings: Discord, database: Database, directory: Directory, *, client: UpstreamClient, clock: Clock
    ) -> Self | None:
        """Make the desk where it is wholly set up."""
        return cls(settings, database, directory, client=client, clock=clock) if settings.is_on else None

    def routes(self, dialect: Dialect) -> list[Route]:
        """List the desk's routes."""
        route = InteractionsRoute(self._settings.public_key, self.bot.answer, self._clock)
        return [Route("/discord/interactions", {"POST": route}, dialect, top=True)]

    async def replace_key(self, discord_id: str, name: str) -> Issued:
        """Replace the key of a member who signed in, under the rules of `/resetkey`. Raises `Refused`."""
        return await self._desk.replace_key(discord_id, name)

    async def run(self) -> None:
        """Forget old interactions once an hour; a database that is away is tried again an hour later."""
        while True:
            await asyncio.sleep(KEEP_S)
            try:
                await self._store.forget_old(self._clock.wall() - KEEP_S)
            except StoreUnavailable as error:
                self._log.warning("discord_retention_failed", error=type(error).__name__)

    async def close(self) -> None:
        """Let deliveries finish, and take back the keys of those that do not."""
        await self.jobs.close()


def rest_settings(settings: Discord) -> DiscordSettings:
    """Pick what the REST client needs."""
    return DiscordSettings(settings.application_id, settings.bot_token or "", settings.api_base)


def _rules(signup: SignUp) -> SignUpRules:
    return SignUpRules(
        is_open=signup.open,
        minimum_account_age_s=signup.minimum_account_age_days * DAY_S,
        minimum_membership_s=signup.minimum_membership_minutes * 60.0,
        asks_question=signup.challenge == "text",
        per_hour=signup.per_hour,
        reset_cooldown_s=signup.reset_cooldown_minutes * 60.0,
    )
