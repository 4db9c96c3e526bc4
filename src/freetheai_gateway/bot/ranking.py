"""/leaderboard: the members who use the gateway most, page by page, and the way off it."""

from freetheai_gateway.bot.answers import Message, button, plain, replace, row, say, show
from freetheai_gateway.bot.payload import Data, is_snowflake
from freetheai_gateway.bot.words import OUTDATED
from freetheai_gateway.clock import DAY_S, Clock, utc_day
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.services.key_desk.ports import DeskStore
from freetheai_gateway.services.ports import AccountStore

PAGE = 10
DAYS = 30
_LONGEST_NAME = 40
_LONGEST_NUMBER = 4
PREFIX = "ranks"


class Ranking:
    """A page is public; its buttons are good for who asked for it, and carry the page's number and that person's id."""

    def __init__(self, store: DeskStore, accounts: AccountStore, clock: Clock) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock

    async def called(self, data: Data, account: Account | None, discord_id: str) -> Message:
        """Answer the command: the first page, or the member's wish to be listed or not."""
        listed = next((option.value for option in data.options if option.name == "listed"), None)
        if listed is None:
            return show(*await self._page(0, discord_id))
        if account is None:
            return say("You have no account yet. Run /signup to get a key.")
        await self._accounts.change_account(account.id, {"is_unlisted": listed is False})
        return say("You are on the leaderboard." if listed else "You are not on the leaderboard any more.")

    async def pressed(self, data: Data, discord_id: str) -> Message | None:
        """Turn a page for who asked for it; `None` where it is no button of this page."""
        what, _, rest = data.custom_id.partition(":")
        if what != PREFIX:
            return None
        number, _, owner = rest.partition(":")
        if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER and is_snowflake(owner)):
            return say(OUTDATED)
        if owner != discord_id:
            return say("These buttons are for who asked. Run /leaderboard for your own.")
        return replace(*await self._page(int(number), owner))

    async def _page(self, number: int, owner: str) -> tuple[str, list[Message]]:
        since = utc_day(self._clock.wall() - DAYS * DAY_S)
        ranked = await self._store.most_active(since, PAGE + 1, number * PAGE)
        if not ranked and number == 0:
            return f"No member was answered in the last {DAYS} days.", []
        lines = [
            f"{place}. {plain(each.name, _LONGEST_NAME)}: {each.successes:,}"
            for place, each in enumerate(ranked[:PAGE], number * PAGE + 1)
        ]
        buttons = [button(f"{PREFIX}:{number - 1}:{owner}", "Back")] if number else []
        buttons += [button(f"{PREFIX}:{number + 1}:{owner}", "More")] if len(ranked) > PAGE else []
        head = f"**Answers of the last {DAYS} days**, page {number + 1}"
        foot = "Not to be listed: /leaderboard listed:False"
        return "\n".join([head, *lines, foot]), [row(*buttons)] if buttons else []
