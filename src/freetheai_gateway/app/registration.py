"""The key desk, wired: settings into rules, stores into services, services into the bot, the bot into a route."""

import asyncio
from typing import Self

from freetheai_gateway.bot.commands_read import Readings
from freetheai_gateway.bot.dispatch import FIRST_ANSWER_S, BotSettings, KeyDeskBot, Parts
from freetheai_gateway.bot.drawing import Drawing
from freetheai_gateway.bot.forms import Forms
from freetheai_gateway.bot.operators import Operators
from freetheai_gateway.bot.ranking import Ranking
from freetheai_gateway.clock import DAY_S, Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.log import get_log
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.desk import Issued, KeyDesk
from freetheai_gateway.services.key_desk.gates import SignUpRules
from freetheai_gateway.services.key_desk.jobs import LONGEST_S, Jobs
from freetheai_gateway.services.key_desk.member_watch import MemberWatch
from freetheai_gateway.services.key_desk.membership import HOUR_S, Membership, MembershipRules
from freetheai_gateway.services.key_desk.pictures import PictureDesk
from freetheai_gateway.services.ports import StoreUnavailable, UpstreamClient
from freetheai_gateway.settings.tree import Discord, SignUp
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.key_desk import SqlKeyDesk
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.upstream.discord.members import RestMembers
from freetheai_gateway.upstream.discord.rest import DiscordRest, DiscordSettings, Sleep
from freetheai_gateway.web.interactions import InteractionsRoute
from freetheai_gateway.web.routes import Route

KEEP_S = 3_600.0
"""How long an interaction is remembered: longer than a signed one is believed."""


class Community:
    """The Discord server as one process knows it: its REST client, and who is a member. `run` asks for members."""

    def __init__(
        self,
        settings: Discord,
        database: Database,
        *,
        client: UpstreamClient,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.log = get_log("discord")
        self.accounts = SqlAccounts(database)
        self.store = SqlKeyDesk(database)
        self.rest = DiscordRest(rest_settings(settings), client, clock, sleep=sleep)
        self.membership = Membership(self.accounts, self.store, _membership_rules(settings), clock)
        members = RestMembers(self.rest, settings.guild_id, clock, with_entitlements=bool(settings.tier_skus))
        self.watch = MemberWatch(members, self.membership, self.accounts, clock, self.log, sleep=sleep)

    @classmethod
    def of(cls, settings: Discord, database: Database, *, client: UpstreamClient, clock: Clock) -> Self | None:
        """Make it where Discord is wholly set up."""
        return cls(settings, database, client=client, clock=clock) if settings.is_on else None


class Desk:
    """The key desk of one process. `run` tidies up in the background; `close` ends the work in flight."""

    def __init__(
        self,
        community: Community,
        database: Database,
        directory: Directory,
        *,
        clock: Clock,
        pictures: PictureDesk | None = None,
        first_answer_s: float = FIRST_ANSWER_S,
        longest_job_s: float = LONGEST_S,
    ) -> None:
        settings = self._settings = community.settings
        self._clock = clock
        self._log = community.log
        self._store = community.store
        self.jobs = Jobs(self._log, longest_s=longest_job_s)
        accounts = community.accounts
        self._desk = desk = KeyDesk(self._store, _rules(settings.signup), clock, settings.bot_token or "")
        parts = Parts(
            desk,
            Forms(desk, community.rest, directory, self._log),
            Readings(directory, self._store, SqlUsage(database), clock),
            Operators(settings.operators, desk, directory, lambda actor: AccountDesk(accounts, clock, actor)),
            community.membership,
            Ranking(self._store, accounts, clock),
            None if pictures is None else Drawing(pictures, self._store, community.rest, clock, self._log),
        )
        self.bot = KeyDeskBot(
            BotSettings(settings.application_id, settings.guild_id, first_answer_s),
            self._store,
            parts,
            jobs=self.jobs,
            clock=clock,
            log=self._log,
        )

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
        await self._store.close()


def rest_settings(settings: Discord) -> DiscordSettings:
    """Pick what the REST client needs."""
    return DiscordSettings(settings.application_id, settings.bot_token or "", settings.api_base)


def _membership_rules(settings: Discord) -> MembershipRules:
    own = settings.membership
    return MembershipRules(
        is_required=own.required,
        recheck_s=own.recheck_hours * HOUR_S,
        keep_s=own.keep_hours * HOUR_S,
        role_tiers=dict(settings.tier_roles),
        sku_tiers=dict(settings.tier_skus),
    )


def _rules(signup: SignUp) -> SignUpRules:
    return SignUpRules(
        is_open=signup.open,
        minimum_account_age_s=signup.minimum_account_age_days * DAY_S,
        minimum_membership_s=signup.minimum_membership_minutes * 60.0,
        asks_question=signup.challenge == "text",
        per_hour=signup.per_hour,
        reset_cooldown_s=signup.reset_cooldown_minutes * 60.0,
    )
