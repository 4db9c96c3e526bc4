"""/account for operators: who they are stands in the configuration, not in Discord's permissions."""

from collections.abc import Callable, Mapping

from freetheai_gateway.bot.answers import Message, plain, say
from freetheai_gateway.bot.payload import Data, Option, is_snowflake
from freetheai_gateway.bot.words import OUTDATED
from freetheai_gateway.clock import rfc3339
from freetheai_gateway.domain.accounts import LONGEST_REASON, Account, is_tidy
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.desk import KeyDesk
from freetheai_gateway.services.key_desk.gates import Applicant


class Operators:
    """Runs the sub-commands; `act_as` gives the account desk that writes the audit entries of one person."""

    def __init__(
        self, ids: tuple[str, ...], desk: KeyDesk, directory: Directory, act_as: Callable[[str], AccountDesk]
    ) -> None:
        self._ids = ids
        self._desk = desk
        self._directory = directory
        self._act_as = act_as

    async def run(self, data: Data, operator: Applicant) -> Message:
        """Run one sub-command."""
        if operator.discord_id not in self._ids:
            return say("This command is for operators.")
        if not data.options:
            return say(OUTDATED)
        sub = data.options[0]
        given = {option.name: option.value for option in sub.options}
        wanted = given.get("member")
        if not isinstance(wanted, str) or not is_snowflake(wanted):
            return say(OUTDATED)
        standing = await self._desk.standing(wanted)
        if standing.account is None:
            return say("This member has no account.")
        if sub.name == "show":
            return say(self._show(standing.account, standing.live_key.prefix if standing.live_key else "none"))
        return say(await self._change(sub, given, standing.account, self._act_as(f"discord:{operator.discord_id}")))

    async def _change(self, sub: Option, given: Mapping[str, object], account: Account, desk: AccountDesk) -> str:
        if sub.name == "suspend":
            reason = given.get("reason")
            if reason is not None and not (isinstance(reason, str) and is_tidy(reason, LONGEST_REASON)):
                return "A reason is one line of printable text."
            await desk.suspend(account.id, reason=reason)
            return f"{plain(account.name)} is suspended."
        if sub.name == "restore":
            await desk.restore(account.id)
            return f"{plain(account.name)} is served again."
        if sub.name == "tier":
            return await self._set_tier(given.get("level"), account, desk)
        return OUTDATED

    async def _set_tier(self, level: object, account: Account, desk: AccountDesk) -> str:
        if level is None:
            changed = await desk.change(account.id, {"tier_override": None})
        else:
            tiers = [tier.level for tier in self._directory.offer.catalogue.tiers]
            if not isinstance(level, int) or level not in tiers:
                return f"The tiers are {', '.join(map(str, tiers))}."
            changed = await desk.change(account.id, {"tier_override": level})
        return f"{plain(account.name)} has tier {plain(self._directory.offer.tier_of(changed.now).name)}."

    def _show(self, account: Account, prefix: str) -> str:
        until = f" until {rfc3339(account.paused_until)}" if account.paused_until is not None else ""
        why = f" ({plain(account.pause_reason, LONGEST_REASON)})" if account.pause_reason else ""
        return (
            f"**{plain(account.name)}** `{account.id}`\nState: {account.state}{until}{why}\n"
            f"Tier: {plain(self._directory.offer.tier_of(account).name)}\nKey: `{prefix}`\n"
            f"Since: {rfc3339(account.created_at)}"
        )
