"""/signup, /resetkey and /checkin: the form, its submit, the key's way to its owner, and the buttons below it."""

from dataclasses import dataclass

from freetheai_gateway.bot import words
from freetheai_gateway.bot.answers import Message, defer, replace, say
from freetheai_gateway.bot.payload import DEFAULT_ATTACHMENT_BYTES, Data, form_fields
from freetheai_gateway.bot.reply import Answered
from freetheai_gateway.bot.telling import Teller
from freetheai_gateway.jsonc import encode
from freetheai_gateway.log import Log
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.desk import Issued, KeyDesk, Sent
from freetheai_gateway.services.key_desk.gates import Applicant, Refused
from freetheai_gateway.services.key_desk.ports import DeliveryFailed, Purpose, Replies, Standing, Verdicts
from freetheai_gateway.services.ports import StoreFailed


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """Who asks, in which interaction. Has no `repr`: `token` is a secret."""

    interaction_id: str
    token: str
    applicant: Applicant
    standing: Standing
    attachment_bytes: int = DEFAULT_ATTACHMENT_BYTES
    """The most bytes of a file that may be sent back."""


_PURPOSES = {purpose.value: purpose for purpose in Purpose}


def _verdicts(purpose: Purpose, good: Message) -> Verdicts:
    return Verdicts(
        good=encode(good),
        wrong=encode(say(*words.try_again("That was not the answer.", purpose))),
        stale=encode(say(*words.try_again("This form is no longer good.", purpose))),
    )


def _check_in_verdicts(interaction_id: str) -> Verdicts:
    return _verdicts(Purpose.CHECK_IN, say(words.checked_in(interaction_id)))


_MARKS = {purpose: f"form {purpose.value}".encode() for purpose in Purpose}
_MARKED = {mark: purpose for purpose, mark in _MARKS.items()}
_VERDICTS = {purpose: _verdicts(purpose, defer()) for purpose in (Purpose.SIGN_UP, Purpose.RESET)}


class Forms:
    """A key travels by one edit of a deferred answer, which only its owner sees, and by nothing else."""

    def __init__(self, desk: KeyDesk, replies: Replies, directory: Directory, log: Log) -> None:
        self._desk = desk
        self._replies = replies
        self._teller = Teller(replies, log)
        self._directory = directory
        self._log = log

    async def called(self, data: Data, asked: Asked) -> Answered | None:
        """Answer the commands that begin with a form. Raises `Refused`."""
        purpose = _PURPOSES.get(data.name)
        return None if purpose is None else await self._form(purpose, asked)

    async def pressed(self, data: Data, asked: Asked) -> Answered | None:
        """Answer the desk's buttons and its menu. Raises `Refused`."""
        if data.custom_id == words.HIDE:
            return Answered.of(replace(words.HIDDEN))
        if data.custom_id == words.CLIENT:
            offer = self._directory.offer
            model = words.model_that_works(offer, offer.catalogue.default_tier)
            return Answered.of(say(words.client_setup(data.values[0] if data.values else "", offer, model)))
        what, _, name = data.custom_id.partition(":")
        purpose = _PURPOSES.get(name) if what == "again" else None
        return None if purpose is None else await self._form(purpose, asked)

    async def submitted(self, data: Data, asked: Asked) -> Answered:
        """Read a form; where it is good, answer that the key follows. Raises `Refused`."""
        name, _, nonce = data.custom_id.partition(":")
        purpose = _PURPOSES.get(name)
        if purpose is None:
            return Answered.of(say(words.OUTDATED))
        fields = form_fields(data.components)
        answer, honeypot = fields.get(words.ANSWER_FIELD, ""), fields.get(words.EMPTY_FIELD, "")
        sent = Sent(asked.interaction_id, nonce, purpose, answer, honeypot)
        verdicts = _VERDICTS[purpose] if purpose in _VERDICTS else _check_in_verdicts(asked.interaction_id)
        first, is_good = await self._desk.read(sent, asked.applicant, asked.standing, verdicts)
        if not is_good or purpose is Purpose.CHECK_IN:
            return Answered(first)
        return Answered(first, lambda: self._deliver(purpose, asked.applicant, asked.token))

    async def _form(self, purpose: Purpose, asked: Asked) -> Answered:
        if purpose is Purpose.CHECK_IN and not self._directory.offer.wants_check_in:
            raise Refused(words.NO_CHECK_IN)
        if purpose is Purpose.CHECK_IN and not self._desk.asks_question:
            done = encode(say(words.checked_in(asked.interaction_id)))
            return Answered(await self._desk.check_in(asked.applicant, asked.standing, asked.interaction_id, done))
        form = await self._desk.form(purpose, asked.applicant, asked.standing, asked.interaction_id)
        counts = await self._desk.offer(form, asked.applicant, asked.interaction_id, _MARKS[purpose])
        return Answered(self.restored(counts, asked.interaction_id))

    def restored(self, kept: bytes, interaction_id: str) -> bytes:
        """Give the first answer that is kept of an interaction; of a form only its purpose is, so that no answer is."""
        purpose = _MARKED.get(kept)
        return kept if purpose is None else encode(words.form(self._desk.form_of(purpose, interaction_id)))

    async def _deliver(self, purpose: Purpose, applicant: Applicant, token: str) -> None:
        """Put the key in force and send it; whatever comes between, a key that was not delivered is revoked."""
        try:
            issued = await self._desk.issue(purpose, applicant)
        except Refused as refused:
            await self._teller.tell(token, refused.text)
            return
        except StoreFailed:
            await self._teller.tell(token, words.BUSY)
            return
        offer = self._directory.offer
        model = words.model_that_works(offer, offer.catalogue.default_tier)
        try:
            await self._replies.edit(token, words.key_message(issued.secret, offer, model))
        except DeliveryFailed as failed:
            await self._take_back(issued, failed.code)
            await self._teller.tell(token, words.LOST)
        except BaseException:
            await self._take_back(issued, 0)
            await self._teller.last_words(token, words.LOST)
            raise

    async def _take_back(self, issued: Issued, code: int) -> None:
        self._log.warning("discord_key_not_delivered", key=issued.key_id, discord_code=code)
        await self._desk.take_back(issued)
