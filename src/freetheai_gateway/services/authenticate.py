"""From a presented key to its caller, without SQL for a key that was seen before."""

from typing import TypeVar

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import ProviderUnavailable, Unauthenticated
from freetheai_gateway.ids import KEY_LENGTH, KeyForm, key_digest, key_form
from freetheai_gateway.services.directory import Directory, Site
from freetheai_gateway.services.ports import KeyLookup, StoreUnavailable
from freetheai_gateway.services.strangers import Sender, UnknownKeyBudget

T = TypeVar("T")

RETRY_AFTER_S = 2.0
CACHED_KEYS = 20_000
"""How many known and how many unknown keys are remembered; the oldest are forgotten first."""


class Authenticator:
    """Authenticates by the key's characters first, its cached digest second, the database last.

    `forget` is called whenever any process changed an account or a key. Unknown keys are remembered apart from known
    ones, so that a flood of them displaces none. `budget` bounds the look-ups of one address; a key that was known
    before is looked up in any case, so that members who share an address with someone who guesses go on.
    """

    def __init__(
        self,
        lookup: KeyLookup,
        directory: Directory,
        *,
        budget: UnknownKeyBudget | None = None,
        cached_keys: int = CACHED_KEYS,
    ) -> None:
        self._lookup = lookup
        self._directory = directory
        self._cached_keys = cached_keys
        self._budget = budget
        self._callers: dict[bytes, Caller] = {}
        self._unknown: dict[bytes, None] = {}
        self._once_known: dict[bytes, None] = {}
        self._generation = 0

    def forget(self) -> None:
        """Drop everything that was remembered; an answer of the database that is under way is not kept either."""
        self._callers = {}
        self._unknown = {}
        self._generation += 1

    async def caller(self, key: str | None, sender: Sender | None = None) -> Caller:
        """Find who sent a request. Raises `Unauthenticated` with the words of design section 5.

        `sender` names the address; where the budget of unknown keys is used up, raises `LimitExceeded`.
        """
        site = self._directory.offer.site
        if not key:
            raise _refusal(f'Missing API key. Send it as "Authorization: Bearer fta_…". {_get_one(site)}')
        digest = key_digest(key)
        caller = self._callers.get(digest)
        if caller is not None:
            return caller
        form = key_form(key)
        if form is KeyForm.INCOMPLETE:
            raise _refusal(
                f"This API key is incomplete ({len(key)} of {KEY_LENGTH} characters). Copy it again{_or_reset(site)}"
            )
        caller = await self._find(digest, sender) if form is KeyForm.WELL_FORMED else None
        if caller is None:
            raise _refusal(f"Invalid API key. {_get_or_replace(site)}")
        return caller

    async def _find(self, digest: bytes, sender: Sender | None) -> Caller | None:
        """Find a well-formed key that is not among those known now."""
        if digest in self._unknown:
            return None
        if self._budget is None or sender is None or digest in self._once_known:
            return await self._look_up(digest)
        address = sender()
        self._budget.check(address)
        caller = await self._look_up(digest)
        if caller is None:
            self._budget.count(address)
        return caller

    async def _look_up(self, digest: bytes) -> Caller | None:
        generation = self._generation
        try:
            caller = await self._lookup.find_caller(digest)
        except StoreUnavailable as error:
            raise ProviderUnavailable(
                "The gateway's database is away; try again in a moment.",
                code="database_unavailable",
                retry_after_s=RETRY_AFTER_S,
            ) from error
        if generation == self._generation:
            if caller is None:
                self._keep(self._unknown, digest, None)
            else:
                self._keep(self._callers, digest, caller)
                self._keep(self._once_known, digest, None)
        return caller

    def _keep(self, cache: dict[bytes, T], digest: bytes, value: T) -> None:
        if len(cache) >= self._cached_keys and digest not in cache:
            del cache[next(iter(cache))]
        cache[digest] = value


def _refusal(message: str) -> Unauthenticated:
    return Unauthenticated(message, headers=((b"www-authenticate", b"Bearer"),))


def _ask(site: Site) -> str:
    return f"the operator of {site.name} for a key."


def _get_one(site: Site) -> str:
    return f"Run /signup to get one{site.where}." if site.has_discord else f"Ask {_ask(site)}"


def _or_reset(site: Site) -> str:
    return f", or run /resetkey{site.where}." if site.has_discord else f", or ask {_ask(site)}"


def _get_or_replace(site: Site) -> str:
    if site.has_discord:
        return f"Run /signup to get one or /resetkey to replace it{site.where}."
    return f"Ask {_ask(site)}"
