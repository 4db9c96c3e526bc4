"""The steps of /signup and /resetkey: look, give a form, read it, put a key in force, take it back if it got lost."""

import asyncio
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from random import Random

from freetheai_gateway.clock import DAY_S, Clock
from freetheai_gateway.domain.accounts import LONGEST_NAME, Account, ApiKey, is_paused
from freetheai_gateway.ids import key_digest, key_visible, new_id, new_key
from freetheai_gateway.services.key_desk.challenge import Challenge, digest_of, draw
from freetheai_gateway.services.key_desk.gates import Applicant, Refused, SignUpRules, check_gates, day_of, moment
from freetheai_gateway.services.key_desk.ports import (
    CheckIn,
    DeskStore,
    Inquiry,
    Issue,
    Offered,
    OpenForm,
    Order,
    Purpose,
    Standing,
    Submit,
    Verdicts,
)

FORM_S = 600.0
MOST_WRONG_ANSWERS = 3
COOL_DOWN_S = 900.0
HOUR_S = 3600.0
_NONCE = re.compile(r"[-_0-9A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class Form:
    """What a member is asked to fill in. `question` is empty where none is asked."""

    nonce: str
    purpose: Purpose
    question: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that came back."""

    interaction_id: str
    nonce: str
    purpose: Purpose
    answer: str = ""
    honeypot: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A key that is in force and must reach its owner now: `secret` exists nowhere else. Has no `repr` for that."""

    key_id: str
    secret: str
    event_id: str


class KeyDesk:
    """Gives keys to members of one Discord server: one account each, one key in force each.

    `secret` decides the questions: the same interaction gets the same form, and no question is kept anywhere.
    """

    def __init__(self, store: DeskStore, rules: SignUpRules, clock: Clock, secret: str) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._secret = secret.encode()

    async def standing(self, discord_id: str, interaction_id: str = "") -> Standing:
        """Read what is known of a member, and of this interaction."""
        now = self._clock.wall()
        return await self._store.standing(Inquiry(discord_id, interaction_id, now - COOL_DOWN_S, now - HOUR_S))

    @property
    def asks_question(self) -> bool:
        """Whether forms ask a question."""
        return self._rules.asks_question

    async def form(self, purpose: Purpose, applicant: Applicant, standing: Standing, interaction_id: str) -> Form:
        """Make a form for a member who may fill it in; it counts once it was offered. Raises `Refused`."""
        await self._check(purpose, applicant, standing, interaction_id)
        return self.form_of(purpose, interaction_id)

    def form_of(self, purpose: Purpose, interaction_id: str) -> Form:
        """Make the one form of an interaction, as often as one likes."""
        challenge = Challenge("", "")
        if self._rules.asks_question:
            challenge = draw(Random(self._derived("question", interaction_id)))  # noqa: S311 - the seed is a secret
        nonce = urlsafe_b64encode(self._derived("nonce", interaction_id)[:16]).rstrip(b"=").decode()
        return Form(nonce, purpose, challenge.question, digest_of(nonce, challenge.answer))

    def _derived(self, what: str, interaction_id: str) -> bytes:
        return hmac.digest(self._secret, f"{what} {interaction_id}".encode(), "sha256")

    async def offer(self, form: Form, applicant: Applicant, interaction_id: str, answer: bytes) -> bytes:
        """Keep that a form was given, with what stands for it; gives what counts for this interaction."""
        now = self._clock.wall()
        kept = OpenForm(form.nonce, applicant.discord_id, form.purpose, form.digest, now + FORM_S)
        return await self._store.open_form(Offered(kept, interaction_id, answer, now))

    async def read(
        self, sent: Sent, applicant: Applicant, standing: Standing, verdicts: Verdicts
    ) -> tuple[bytes, bool]:
        """Read a form that came back; it is spent by this, whatever it says. Raises `Refused`.

        Gives the first answer, and whether a key is now to be issued.
        """
        await self._check(sent.purpose, applicant, standing, sent.interaction_id)
        is_check_in = sent.purpose is Purpose.CHECK_IN
        submit = Submit(
            sent.interaction_id,
            sent.nonce if _NONCE.fullmatch(sent.nonce) else "",
            applicant.discord_id,
            sent.purpose,
            digest_of(sent.nonce, sent.answer if self._rules.asks_question else ""),
            self._clock.wall(),
            new_id("dev"),
            bool(sent.honeypot),
            self._check_in_of(standing, sent.interaction_id) if is_check_in else None,
        )
        return await self._store.submit(submit, verdicts)

    async def check_in(self, applicant: Applicant, standing: Standing, interaction_id: str, answer: bytes) -> bytes:
        """Check a member in without a form; gives the answer that counts. Raises `Refused`."""
        await self._check(Purpose.CHECK_IN, applicant, standing, interaction_id)
        return await self._store.check_in(interaction_id, self._check_in_of(standing, interaction_id), answer)

    def _check_in_of(self, standing: Standing, interaction_id: str) -> CheckIn:
        assert standing.account is not None
        return CheckIn(standing.account.id, day_of(interaction_id), self._clock.wall())

    async def issue(self, purpose: Purpose, applicant: Applicant) -> Issued:
        """Put a new key in force; the one that a reset replaces is refused everywhere within a second.

        Raises `Refused`.
        """
        now = self._clock.wall()
        account = Account(
            id=new_id("acc"),
            name=_tidy(applicant.name),
            created_at=now,
            discord_id=applicant.discord_id,
            role_tier=applicant.tier,
            member_seen_at=now,
        )
        secret = new_key()
        key = ApiKey(
            id=new_id("key"),
            account_id=account.id,
            name="discord",
            prefix=key_visible(secret),
            digest=key_digest(secret),
            created_at=now,
        )
        is_reset = purpose is Purpose.RESET
        order = Order(
            account,
            key,
            now,
            replace=is_reset,
            event_id=new_id("dev"),
            note_id=new_id("aud"),
            most_per_hour=0 if is_reset else self._rules.per_hour,
        )
        issued = Issued(key.id, secret, order.event_id)
        try:
            issue = await self._store.issue(order)
        except asyncio.CancelledError:
            # Others may be in the same transaction, which then goes on: the key may come to be in force after all.
            await self.take_back(issued)
            raise
        if issue is Issue.HOUR_FULL:
            raise Refused("Many people are signing up right now. Run /signup again in a while.")
        if issue is Issue.NOT_NOW:
            raise _has_no_key() if is_reset else _has_a_key()
        return issued

    async def replace_key(self, discord_id: str, name: str) -> Issued:
        """Replace the key of a member who is known to be who they are, under the rules of `/resetkey`.

        Raises `Refused`.
        """
        standing = await self.standing(discord_id)
        now = self._clock.wall()
        _check_account(standing, now)
        self._check_reset(standing, now)
        return await self.issue(Purpose.RESET, Applicant(discord_id, name))

    async def take_back(self, issued: Issued) -> None:
        """Revoke a key that did not reach its owner; it costs the member nothing."""
        await self._store.take_back(issued.key_id, issued.event_id, new_id("aud"), self._clock.wall())

    async def _check(self, purpose: Purpose, applicant: Applicant, standing: Standing, interaction_id: str) -> None:
        now = self._clock.wall()
        if purpose is Purpose.SIGN_UP:
            check_gates(applicant, self._rules, now)
        _check_account(standing, now)
        if standing.wrong_answers >= MOST_WRONG_ANSWERS:
            raise Refused(f"Too many wrong answers. Try again {moment(standing.last_wrong_at + COOL_DOWN_S)}.")
        if purpose is Purpose.RESET:
            self._check_reset(standing, now)
        elif purpose is Purpose.CHECK_IN:
            _check_in_is_open(standing, day_of(interaction_id))
        elif standing.live_key is not None:
            raise _has_a_key()
        elif standing.account is None:
            await self._check_bar(applicant, now)
        if purpose is Purpose.SIGN_UP and standing.issued_this_hour >= self._rules.per_hour:
            await self._refuse_for_now(now)

    async def _check_bar(self, applicant: Applicant, now: float) -> None:
        """Refuse who had their account erased a short while ago, or while it was suspended."""
        bar = await self._store.bar_of(applicant.discord_id, now)
        if bar is None:
            return
        if bar.was_suspended:
            raise Refused("Your account was erased while it was suspended. Ask the operator for a new one.")
        until = f" {moment(bar.until)}" if bar.until is not None else ""
        raise Refused(f"You had your account erased a short while ago. Run /signup again{until}.")

    def _check_reset(self, standing: Standing, now: float) -> None:
        if standing.live_key is None:
            raise _has_no_key()
        if standing.last_reset_at is not None:
            open_at = standing.last_reset_at + self._rules.reset_cooldown_s
            if now < open_at:
                raise Refused(f"Your key was replaced a short while ago. Run /resetkey again {moment(open_at)}.")

    async def _refuse_for_now(self, now: float) -> None:
        issued = await self._store.keys_issued(now - HOUR_S)
        open_at = issued[max(0, len(issued) - self._rules.per_hour)] + HOUR_S if issued else now
        raise Refused(f"Many people are signing up right now. Run /signup again {moment(open_at)}.")


def next_check_in(interaction_id: str) -> str:
    """Render when the day after an interaction's begins."""
    return moment((day_of(interaction_id) + 1) * DAY_S)


def _check_in_is_open(standing: Standing, day: int) -> None:
    account = standing.account
    if account is None or standing.live_key is None:
        raise Refused("You have no key to check in with. Run /signup to get one.")
    if account.checked_in_on is not None and account.checked_in_on >= day:
        opens = moment((account.checked_in_on + 1) * DAY_S)
        raise Refused(f"You are checked in for today. The next check-in opens {opens}.")


def _check_account(standing: Standing, now: float) -> None:
    account = standing.account
    if account is None or not is_paused(account, now):
        return
    until = f" It ends {moment(account.paused_until)}." if account.paused_until is not None else ""
    why = f": {account.pause_reason.rstrip('.')}" if account.pause_reason else ""
    raise Refused(f"Your account is paused{why}.{until} Ask the operator to restore it.")


def _has_a_key() -> Refused:
    return Refused("You have a key already. If you lost it, run /resetkey.")


def _has_no_key() -> Refused:
    return Refused("You have no key to replace. Run /signup to get one.")


def _tidy(name: str) -> str:
    """Make a name that can be kept and shown of whatever a member calls themselves."""
    printable = "".join(character for character in name if character.isprintable()).strip()
    return printable[:LONGEST_NAME].strip() or "member"
