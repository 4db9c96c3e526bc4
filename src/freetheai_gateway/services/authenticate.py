"""From a presented key to its caller, without SQL for a key that was seen before."""

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import ProviderUnavailable, Unauthenticated
from freetheai_gateway.ids import KEY_LENGTH, KeyForm, key_digest, key_form
from freetheai_gateway.services.directory import Directory, Site
from freetheai_gateway.services.ports import KeyLookup, StoreUnavailable

RETRY_AFTER_S = 2.0
CACHED_KEYS = 20_000
"""Known and unknown keys that are remembered; the oldest is forgotten first."""


class Authenticator:
    """Authenticates by the key's characters first, its cached digest second, the database last.

    `forget` is called whenever any process changed an account or a key.
    """

    def __init__(self, lookup: KeyLookup, directory: Directory, *, cached_keys: int = CACHED_KEYS) -> None:
        self._lookup = lookup
        self._directory = directory
        self._cached_keys = cached_keys
        self._callers: dict[bytes, Caller | None] = {}
        self._generation = 0

    def forget(self) -> None:
        """Drop everything that was remembered; an answer of the database that is under way is not kept either."""
        self._callers = {}
        self._generation += 1

    async def caller(self, key: str | None) -> Caller:
        """Find who sent a request. Raises `Unauthenticated` with the words of design section 5."""
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
        caller = await self._find(digest) if form is KeyForm.WELL_FORMED else None
        if caller is None:
            raise _refusal(f"Invalid API key. {_get_or_replace(site)}")
        return caller

    async def _find(self, digest: bytes) -> Caller | None:
        try:
            return self._callers[digest]
        except KeyError:
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
            if len(self._callers) >= self._cached_keys:
                del self._callers[next(iter(self._callers))]
            self._callers[digest] = caller
        return caller


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
