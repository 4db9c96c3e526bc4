"""What the key desk needs of the database and of Discord."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from freetheai_gateway.domain.accounts import Account, ApiKey


class Purpose(StrEnum):
    """What a form is for; a form of one purpose is worth nothing for another."""

    SIGN_UP = "signup"
    RESET = "resetkey"
    CHECK_IN = "checkin"


class Event(StrEnum):
    """What is remembered of a member's dealings with the desk. The words are stored."""

    KEY_ISSUED = "key_issued"
    KEY_RESET = "key_reset"
    WRONG_ANSWER = "wrong_answer"
    HONEYPOT = "honeypot"
    """The field that people leave empty was filled in: a signal for the operator, never a refusal."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Which Discord id and which interaction are asked about, and from which instants on events count."""

    discord_id: str
    interaction_id: str
    since: float
    hour_ago: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says of one Discord id."""

    account: Account | None = None
    live_key: ApiKey | None = None
    wrong_answers: int = 0
    """Since `since`."""
    last_wrong_at: float = 0.0
    last_reset_at: float | None = None
    issued_this_hour: int = 0
    """First keys that were issued to anybody in the hour before."""
    known_answer: bytes = b""
    """What the interaction that is being looked at was answered already."""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """A form that waits for its owner: `digest` is what its answer must come to."""

    nonce: str
    discord_id: str
    purpose: Purpose
    digest: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class Offered:
    """A form that is given to a member; `answer` stands for it, as the answer to one interaction."""

    form: OpenForm
    interaction_id: str
    answer: bytes
    at: float


@dataclass(frozen=True, slots=True)
class CheckIn:
    """That an account checks in on a day, counted from 1970."""

    account_id: str
    day: int
    at: float


@dataclass(frozen=True, slots=True)
class Submit:
    """A form that came back, to be judged and spent in one step."""

    interaction_id: str
    nonce: str
    discord_id: str
    purpose: Purpose
    digest: bytes
    at: float
    event_id: str
    honeypot: bool
    check_in: CheckIn | None = None
    """What a right answer does by itself, where that is not a key."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The first answers to a submit, rendered: what is kept for whoever sends it again."""

    good: bytes
    wrong: bytes
    stale: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """A key to be put in force. `account` is inserted where the Discord id has none."""

    account: Account
    key: ApiKey
    at: float
    replace: bool
    """Revoke the key that is in force and need one; else need that there is none."""
    event_id: str
    note_id: str
    most_per_hour: int = 0
    """Refuse where as many keys were issued in the hour before; 0 = no limit."""


class Issue(StrEnum):
    """What became of an order."""

    DONE = "done"
    NOT_NOW = "not_now"
    """A key is in force where there should be none, or none where there should be one."""
    HOUR_FULL = "hour_full"


class DeskStore(Protocol):
    """The desk's own tables beside the accounts; what many ask at once may share a transaction."""

    async def begin_interaction(self, interaction_id: str, at: float, answer: bytes = b"") -> bytes | None:
        """Claim an interaction: `None` for the first to come, else its answer, empty where there is none yet."""
        ...

    async def keep_answer(self, interaction_id: str, answer: bytes) -> None:
        """Keep the first answer for whoever sends the same interaction again."""
        ...

    async def answer_of(self, interaction_id: str) -> bytes:
        """Read the answer of a claimed interaction; empty where there is none yet."""
        ...

    async def standing(self, inquiry: Inquiry) -> Standing:
        """Read what is known of a Discord id and of an interaction."""
        ...

    async def bar_of(self, discord_id: str, now: float) -> "Bar | None":
        """Find why a person whose account was erased is given no new one."""
        ...

    async def keys_issued(self, since: float) -> list[float]:
        """List when first keys were issued since an instant, oldest first."""
        ...

    async def open_form(self, offered: Offered) -> bytes:
        """Keep a form with what stands for it; gives what counts, the earlier where there is one."""
        ...

    async def check_in(self, interaction_id: str, check_in: CheckIn, answer: bytes) -> bytes:
        """Check an account in without a form; gives the answer that counts. A day is checked in once."""
        ...

    async def submit(self, submit: Submit, verdicts: Verdicts) -> tuple[bytes, bool]:
        """Judge a form and spend it; gives the answer that counts, and whether a key is now to be issued.

        That is so once only: the same interaction sent again gets the same answer and `False`.
        """
        ...

    async def issue(self, order: Order) -> Issue:
        """Put a key in force, or say why not: account, key, event and audit entry together or nothing.

        Where this is cancelled the key may come to be in force; it is, or never will be, when the cancellation is seen.
        """
        ...

    async def take_back(self, key_id: str, event_id: str, note_id: str, at: float) -> None:
        """Revoke a key that did not reach its owner, and charge the member nothing for it."""
        ...

    async def use_since(self, account_id: str, *days: str) -> "list[Use]":
        """Sum what an account used from each of some UTC days on, all at one moment; the first is the earliest."""
        ...

    async def most_active(self, day: str, limit: int, offset: int) -> "Sequence[Active]":
        """Rank members by their answers from a UTC day on; those who don't want to be listed are left out."""
        ...

    async def note_seen(self, account_id: str, at: float) -> None:
        """Keep when Discord last said how an account's owner stands; no node is told for it."""
        ...

    async def forget_old(self, before: float) -> None:
        """Delete interactions and forms from before an instant."""
        ...


@dataclass(frozen=True, slots=True)
class Use:
    """What an account was answered."""

    requests: int = 0
    successes: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """Why a person whose account was erased is given no new one. `until` absent = for good."""

    until: float | None
    was_suspended: bool


@dataclass(frozen=True, slots=True)
class Active:
    """A member on the leaderboard."""

    name: str
    successes: int


class DeliveryFailed(Exception):
    """A message did not reach Discord. Holds Discord's error code only, 0 where it gave none."""

    def __init__(self, code: int = 0, status: int = 0) -> None:
        super().__init__(f"Discord answered {status}, code {code}")
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes with a message; `description` is read out to who can't see it."""

    filename: str
    media_type: str
    data: bytes = field(repr=False)
    description: str = field(repr=False)


class Replies(Protocol):
    """Edits what an interaction was answered with, through the interaction's own token."""

    async def edit(self, token: str, message: dict[str, object], *files: Upload) -> None:
        """Replace the deferred answer. Raises `DeliveryFailed` when it is final."""
        ...
