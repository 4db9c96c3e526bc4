"""From an interaction to its first answer and the work that follows: who may ask, once each, always in time.

The first answer is due within 3 s (Discord's documentation of interactions), whatever the database does. The same
interaction sent again gets the same first answer and has no second effect. No first answer ever holds a key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from freetheai_gateway.bot.answers import PONG, Message, choices, say
from freetheai_gateway.bot.commands_read import Readings
from freetheai_gateway.bot.drawing import Drawing
from freetheai_gateway.bot.forms import Asked, Forms
from freetheai_gateway.bot.operators import Operators
from freetheai_gateway.bot.payload import Data, Interaction, Kind, applicant_of, is_snowflake, read_interaction
from freetheai_gateway.bot.ranking import Ranking
from freetheai_gateway.bot.reply import Answered
from freetheai_gateway.bot.words import BUSY, ELSEWHERE, OUTDATED
from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import Account, Caller
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import InvalidJSON, encode
from freetheai_gateway.log import Log
from freetheai_gateway.services.key_desk.desk import KeyDesk
from freetheai_gateway.services.key_desk.gates import Applicant, Refused
from freetheai_gateway.services.key_desk.jobs import Jobs
from freetheai_gateway.services.key_desk.membership import Membership
from freetheai_gateway.services.key_desk.ports import DeskStore
from freetheai_gateway.services.ports import StoreFailed

FIRST_ANSWER_S = 2.4
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class BotSettings:
    """Which application and server are served."""

    application_id: str
    guild_id: str
    first_answer_s: float = FIRST_ANSWER_S


@dataclass(frozen=True, slots=True)
class Parts:
    """Who answers what."""

    desk: KeyDesk
    forms: Forms
    readings: Readings
    operators: Operators
    membership: Membership
    ranking: Ranking
    drawing: Drawing | None = None
    """`None` where the gateway makes no pictures."""


class KeyDeskBot:
    """Answers interactions whose signature was verified."""

    def __init__(
        self, settings: BotSettings, store: DeskStore, parts: Parts, *, jobs: Jobs, clock: Clock, log: Log
    ) -> None:
        self._settings = settings
        self._store = store
        self._parts = parts
        self._jobs = jobs
        self._clock = clock
        self._log = log

    async def answer(self, body: bytes) -> tuple[bytes, Callable[[], None]]:
        """Find the first answer; call what comes with it once that is sent. Raises `InvalidRequest`."""
        try:
            interaction = read_interaction(body)
            if interaction.type == Kind.PING:
                return encode(PONG), _nothing
            answered = await self._answer(interaction)
        except InvalidJSON:
            raise InvalidRequest("This is no interaction.", code="invalid_json") from None
        work = answered.work
        return answered.body, _nothing if work is None else lambda: self._jobs.start(work)

    async def _answer(self, interaction: Interaction) -> Answered:
        if not self._is_for_us(interaction):
            raise InvalidRequest("This interaction is of another application, or has no id.")
        data, member = interaction.data, interaction.member
        if interaction.guild_id != self._settings.guild_id or member is None:
            return Answered.of(say(ELSEWHERE))
        if data is None:
            return Answered.of(say(OUTDATED))
        applicant = self._parts.membership.ranked(applicant_of(member, interaction.entitlements, self._clock.wall()))
        if interaction.type == Kind.AUTOCOMPLETE:
            return Answered.of(choices(self._complete(data)))
        if not self._jobs.has_room:
            return Answered.of(say(BUSY))
        return await self._in_time(lambda: self._dispatch(interaction, data, applicant))

    def _complete(self, data: Data) -> list[str]:
        if data.name == "generate" and self._parts.drawing is not None:
            typed = next((option.value for option in data.options if option.focused), "")
            return self._parts.drawing.complete(typed if isinstance(typed, str) else "")
        return self._parts.readings.complete(data)

    def _is_for_us(self, interaction: Interaction) -> bool:
        return interaction.application_id == self._settings.application_id and is_snowflake(interaction.id)

    async def _in_time(self, find: Callable[[], Awaitable[Answered]]) -> Answered:
        try:
            async with asyncio.timeout(self._settings.first_answer_s):
                return await find()
        except (TimeoutError, StoreFailed) as error:
            self._log.warning("discord_first_answer_failed", error=type(error).__name__)
            return Answered.of(say(BUSY))

    async def _dispatch(self, interaction: Interaction, data: Data, applicant: Applicant) -> Answered:
        """Answer; what changes anything is claimed in the transaction that changes it."""
        standing = await self._parts.desk.standing(applicant.discord_id, interaction.id)
        if standing.known_answer:
            return Answered(self._parts.forms.restored(standing.known_answer, interaction.id))
        asked = Asked(interaction.id, interaction.token, applicant, standing, interaction.attachment_size_limit)
        account = standing.account
        if account is not None:
            account = await self._in_step(account, applicant)
        try:
            return await self._run(interaction.type, data, asked, account)
        except Refused as refused:
            return Answered.of(say(refused.text))

    async def _in_step(self, account: Account, applicant: Applicant) -> Account:
        """Take over what the payload shows; that it was shown at all is kept without hurry."""
        membership = self._parts.membership
        refreshed = await membership.refresh(account, applicant)
        if refreshed is account and membership.is_stale(account):
            self._jobs.start(lambda: membership.seen(account))
        return refreshed

    async def _run(self, kind: int, data: Data, asked: Asked, account: Account | None) -> Answered:
        if kind == Kind.MODAL:
            return await self._parts.forms.submitted(data, asked)
        if kind == Kind.COMPONENT:
            return await self._pressed(data, asked)
        if kind == Kind.COMMAND:
            return await self._called(data, asked, account)
        return Answered.of(say(OUTDATED))

    async def _pressed(self, data: Data, asked: Asked) -> Answered:
        answered = await self._parts.forms.pressed(data, asked)
        if answered is not None:
            return answered
        turned = await self._parts.ranking.pressed(data, asked.applicant.discord_id)
        return Answered.of(turned or self._parts.readings.pressed(data))

    async def _called(self, data: Data, asked: Asked, account: Account | None) -> Answered:
        parts = self._parts
        if data.name == "account":
            return await self._once(asked.interaction_id, lambda: parts.operators.run(data, asked.applicant))
        if data.name == "generate" and parts.drawing is not None:
            key = asked.standing.live_key
            caller = None if account is None or key is None else Caller(key.id, key.prefix, account)
            return await parts.drawing.called(asked.interaction_id, asked.token, data, caller, asked.attachment_bytes)
        if data.name == "leaderboard":
            return Answered.of(await parts.ranking.called(data, account, asked.applicant.discord_id))
        answered = await parts.forms.called(data, asked)
        return answered or Answered.of(await parts.readings.called(data, account))

    async def _once(self, interaction_id: str, run: Callable[[], Awaitable[Message]]) -> Answered:
        """Run what claims nothing itself; a second sender waits for the answer of the first."""
        known = await self._store.begin_interaction(interaction_id, self._clock.wall())
        if known is not None:
            return Answered(known or await self._wait_for_first(interaction_id))
        answered = Answered.of(await run())
        await self._store.keep_answer(interaction_id, answered.body)
        return answered

    async def _wait_for_first(self, interaction_id: str) -> bytes:
        """Wait for the answer that another request finds to the same interaction; the deadline ends this."""
        while True:
            answer = await self._store.answer_of(interaction_id)
            if answer:
                return answer
            await asyncio.sleep(_LOOK_AGAIN_S)


def _nothing() -> None:
    """Do nothing after the first answer."""
