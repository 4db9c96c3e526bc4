"""Accounts, the keys that belong to them, and what a request may be asked to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

LONGEST_NAME = 80
LONGEST_REASON = 500


class AccountState(StrEnum):
    """`paused` by an operator, `left` the Discord server; only `active` accounts are served."""

    ACTIVE = "active"
    PAUSED = "paused"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Account:
    """A member. Limits, usage and bans belong to the account, never to a key.

    `tier_override` is what an operator set and may be lower than the default tier; `role_tier` is what the
    member's Discord roles give; `None` in both means the default tier. `checked_in_on` is the last day of a check-in,
    counted from 1970; `member_seen_at` is when Discord last said how the owner stands in the server.
    """

    id: str
    name: str
    created_at: float
    state: AccountState = AccountState.ACTIVE
    unlimited: bool = False
    discord_id: str | None = None
    tier_override: int | None = None
    role_tier: int | None = None
    pause_reason: str | None = None
    paused_until: float | None = None
    checked_in_on: int | None = None
    member_seen_at: float | None = None
    is_unlisted: bool = False
    """The owner wants to be on no list that members see."""


class AccountFields(TypedDict, total=False):
    """What of an account can be changed; named as in `Account`."""

    name: str
    state: AccountState
    unlimited: bool
    discord_id: str | None
    tier_override: int | None
    role_tier: int | None
    pause_reason: str | None
    paused_until: float | None
    checked_in_on: int | None
    member_seen_at: float | None
    is_unlisted: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: `digest` is the SHA-256 of the whole key, `prefix` its first eight characters."""

    id: str
    account_id: str
    name: str
    prefix: str
    digest: bytes
    created_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: what authentication found, and all that admission needs of it."""

    key_id: str
    key_prefix: str
    account: Account


def is_tidy(text: str, longest: int) -> bool:
    """Whether a name or a reason can be kept and shown: printable, on one line, neither empty nor too long."""
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()


def effective_tier(account: Account, default_tier: int) -> tuple[int, str]:
    """Decide an account's tier level and say why: `override`, `role` or `default`."""
    if account.tier_override is not None:
        return account.tier_override, "override"
    if account.role_tier is not None and account.role_tier > default_tier:
        return account.role_tier, "role"
    return default_tier, "default"


def is_paused(account: Account, now: float) -> bool:
    """Whether the account is suspended at this instant; a suspension with an end lifts itself."""
    if account.state is not AccountState.PAUSED:
        return False
    return account.paused_until is None or now < account.paused_until
