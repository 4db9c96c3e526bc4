"""The commands that only read: models, tiers, statistics."""

from collections.abc import Iterable

from freetheai_gateway.bot.answers import Message, button, plain, replace, row, say
from freetheai_gateway.bot.payload import Data, Option
from freetheai_gateway.bot.words import OUTDATED
from freetheai_gateway.clock import DAY_S, Clock, utc_day
from freetheai_gateway.domain.accounts import Account
from freetheai_gateway.domain.catalogue import Model, Tier
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.key_desk.ports import DeskStore, Use
from freetheai_gateway.services.ports import UsageStore

PAGE = 15
RANKS = 15
DAYS = 30
_LONGEST_SEARCH = 60
"""What of a search is kept in the buttons below a page."""
_LONGEST_NUMBER = 4


class Readings:
    """Answers from memory, but for what an account used."""

    def __init__(self, directory: Directory, desk: DeskStore, usage: UsageStore, clock: Clock) -> None:
        self._directory = directory
        self._desk = desk
        self._usage = usage
        self._clock = clock

    async def called(self, data: Data, account: Account | None) -> Message:
        """Answer a command."""
        offer = self._directory.offer
        if data.name == "models":
            return say(*_models_page(offer, _search_of(data), 0))
        if data.name == "tiers":
            return say(_tiers(offer, account))
        if data.name == "tiermodels":
            return say(_tier_models(offer, account))
        if data.name == "stats":
            return say(await self._stats(offer, account))
        if data.name == "modelstats":
            return say(await self._ranks())
        return say(OUTDATED)

    def pressed(self, data: Data) -> Message:
        """Turn a page; what the button says is validated like anything else from outside."""
        what, _, rest = data.custom_id.partition(":")
        number, _, search = rest.partition(":")
        if what != "models" or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST_NUMBER:
            return say(OUTDATED)
        return replace(*_models_page(self._directory.offer, search, int(number)))

    def complete(self, data: Data) -> list[str]:
        """List what the member may mean, from memory."""
        if data.name != "models":
            return []
        return [model.id for model in _found(self._directory.offer, _search_of(data))]

    async def _stats(self, offer: Offer, account: Account | None) -> str:
        if account is None:
            return "You have no account yet. Run /signup to get a key."
        now = self._clock.wall()
        month, today = await self._desk.use_since(account.id, utc_day(now - DAYS * DAY_S), utc_day(now))
        return (
            f"**{plain(account.name)}**, tier {plain(offer.tier_of(account).name)}{_checked_in(offer, account, now)}\n"
            f"Today (UTC): {_in_words(today)}\nLast {DAYS} days: {_in_words(month)}"
        )

    async def _ranks(self) -> str:
        since = utc_day(self._clock.wall() - DAYS * DAY_S)
        ranks = await self._usage.leaderboard(since, RANKS)
        if not ranks:
            return f"No model answered in the last {DAYS} days."
        lines = [f"{place}. {plain(rank.model)}: {rank.requests:,}" for place, rank in enumerate(ranks, 1)]
        return "\n".join([f"**Requests of the last {DAYS} days**", *lines])


def _in_words(use: Use) -> str:
    answers, requests, tokens = (
        f"{count:,} {what}{'' if count == 1 else 's'}"
        for count, what in ((use.successes, "answer"), (use.requests, "request"), (use.tokens, "token"))
    )
    return f"{answers} to {requests}, {tokens}"


def _checked_in(offer: Offer, account: Account, now: float) -> str:
    """Say whether the key works today, where that takes a check-in."""
    if not offer.wants_check_in or account.unlimited:
        return ""
    is_done = account.checked_in_on is not None and account.checked_in_on >= now // DAY_S
    return ", checked in" if is_done else ", not checked in: run /checkin"


def _search_of(data: Data) -> str:
    options: Iterable[Option] = data.options
    return next((option.value for option in options if option.name == "search" and isinstance(option.value, str)), "")


def _found(offer: Offer, search: str) -> list[Model]:
    wanted = search.strip().lower()[:_LONGEST_SEARCH]
    return [model for model in offer.catalogue.models.values() if not model.retired and wanted in model.id.lower()]


def _models_page(offer: Offer, search: str, page: int) -> tuple[str, list[Message]]:
    found = _found(offer, search)
    if not found:
        return f"No model has “{plain(search)}” in its name.", []
    last = (len(found) - 1) // PAGE
    page = min(page, last)
    shown = [_model_line(offer, model) for model in found[page * PAGE : (page + 1) * PAGE]]
    head = f"**{len(found)} models**, page {page + 1} of {last + 1}"
    kept = search.strip()[:_LONGEST_SEARCH]
    buttons = [button(f"models:{page - 1}:{kept}", "Back")] if page else []
    buttons += [button(f"models:{page + 1}:{kept}", "More")] if page < last else []
    return "\n".join([head, *shown]), [row(*buttons)] if buttons else []


def _model_line(offer: Offer, model: Model) -> str:
    tier = offer.catalogue.tier_that_opens(model)
    needed = plain(tier.name, 30) if tier is not None else "none"
    off = "" if offer.is_set_up(model) else ", not set up"
    return f"{plain(model.id, 60)} ({model.kind}, tier {needed}{off})"


def _tiers(offer: Offer, account: Account | None) -> str:
    mine = offer.tier_of(account) if account is not None else None
    return "\n".join(["**Tiers**", *(_tier_line(tier, is_mine=tier is mine) for tier in offer.catalogue.tiers)])


def _tier_line(tier: Tier, *, is_mine: bool) -> str:
    limits = tier.limits
    said = [
        f"{number:,} {of}"
        for number, of in (
            (limits.requests_per_minute, "requests a minute"),
            (limits.concurrency, "at once"),
            (limits.daily_requests, "answers a day"),
        )
        if number is not None
    ]
    return f"{tier.level}. {plain(tier.name, 40)}: {', '.join(said) or 'no limits'}{' (yours)' if is_mine else ''}"


def _tier_models(offer: Offer, account: Account | None) -> str:
    level = offer.tier_of(account).level if account is not None else offer.catalogue.default_tier
    models = [model for model in _found(offer, "") if model.tier_level <= level]
    names = [plain(model.id, 60) for model in models[: 2 * PAGE]]
    more = len(models) - len(names)
    tail = [f"and {more} more: {offer.site.public_url}/models"] if more > 0 else []
    return "\n".join([f"**Your tier opens {len(models)} models**", *names, *tail])
