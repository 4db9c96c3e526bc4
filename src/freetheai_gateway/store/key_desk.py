"""The key desk's tables: the port `DeskStore`. What members do at the same moment shares transactions (`Batches`)."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, false, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.clock import DAY_S
from freetheai_gateway.domain.accounts import AccountState
from freetheai_gateway.domain.audit import GATEWAY, Action, Note
from freetheai_gateway.services.key_desk.ports import (
    Active,
    Bar,
    CheckIn,
    Event,
    Inquiry,
    Issue,
    Offered,
    Order,
    Standing,
    Submit,
    Use,
    Verdicts,
)
from freetheai_gateway.store.accounts import COUNT_CHANGE, revoke
from freetheai_gateway.store.audit import entry_of, insert_entry
from freetheai_gateway.store.batches import Batches
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.key_orders import issue_all
from freetheai_gateway.store.member_standings import event_row, keys_issued, read_answers, read_standings
from freetheai_gateway.store.personal_data import bar_of
from freetheai_gateway.store.schema import (
    ACCOUNTS,
    CHECK_INS,
    DISCORD_CHALLENGES,
    DISCORD_EVENTS,
    DISCORD_INTERACTIONS,
    USAGE_DAY_ACCOUNTS,
    USAGE_DAYS,
)

_KEEP_CHECK_INS_DAYS = 400
_KEEP_ANSWER = (
    update(DISCORD_INTERACTIONS)
    .where(DISCORD_INTERACTIONS.c.id == bindparam("interaction_id"))
    .values(answer=bindparam("kept"))
)
_FORMS = select(DISCORD_CHALLENGES).where(DISCORD_CHALLENGES.c.nonce.in_(bindparam("nonces", expanding=True)))
_SPEND = delete(DISCORD_CHALLENGES).where(DISCORD_CHALLENGES.c.nonce.in_(bindparam("nonces", expanding=True)))
_CHECKED_IN = select(CHECK_INS.c.account_id, CHECK_INS.c.day).where(
    CHECK_INS.c.account_id.in_(bindparam("accounts", expanding=True)), CHECK_INS.c.day >= bindparam("first")
)
_NOTE_CHECK_IN = (
    update(ACCOUNTS)
    .where(ACCOUNTS.c.id == bindparam("account"))
    .where(func.coalesce(ACCOUNTS.c.checked_in_on, -1) < bindparam("day_now"))
    .values(checked_in_on=bindparam("day_now"))
)

_ANSWERS = func.sum(USAGE_DAY_ACCOUNTS.c.successes)
_MOST_ACTIVE = (
    select(ACCOUNTS.c.name, _ANSWERS.label("successes"))
    .join_from(USAGE_DAY_ACCOUNTS, ACCOUNTS, ACCOUNTS.c.id == USAGE_DAY_ACCOUNTS.c.account_id)
    .where(
        USAGE_DAY_ACCOUNTS.c.day >= bindparam("day_from"),
        ACCOUNTS.c.discord_id.is_not(None),
        ACCOUNTS.c.state == AccountState.ACTIVE.value,
        ACCOUNTS.c.is_unlisted.is_(false()),
    )
    .group_by(ACCOUNTS.c.id, ACCOUNTS.c.name)
    .having(_ANSWERS > 0)
    .order_by(_ANSWERS.desc(), ACCOUNTS.c.id)
    .limit(bindparam("most"))
    .offset(bindparam("skipped"))
)
_NOTE_SEEN = update(ACCOUNTS).where(ACCOUNTS.c.id == bindparam("account")).values(member_seen_at=bindparam("seen"))


@dataclass(frozen=True, slots=True)
class _Judging:
    submit: Submit
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class _CheckingIn:
    interaction_id: str
    check_in: CheckIn
    answer: bytes

    @property
    def at(self) -> float:
        """When the interaction came."""
        return self.check_in.at


A = TypeVar("A", Offered, _CheckingIn)
"""What comes with the answer that its interaction gets."""


class SqlKeyDesk:
    """Implements `DeskStore` on either database. `close` it before the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings = Batches(self._read_standings)
        self._offers = Batches(self._open_forms)
        self._submits = Batches(self._judge)
        self._check_ins = Batches(self._check_in_all)
        self._orders = Batches(self._issue)
        self._sightings = Batches(self._note_seen)

    async def close(self) -> None:
        """Wait until what was asked is done."""
        kinds: tuple[Batches[Any, Any], ...] = (
            self._standings,
            self._offers,
            self._submits,
            self._check_ins,
            self._orders,
            self._sightings,
        )
        for batches in kinds:
            await batches.idle()

    async def begin_interaction(self, interaction_id: str, at: float, answer: bytes = b"") -> bytes | None:
        """Claim an interaction: `None` for the first to come, else its answer, empty where there is none yet."""
        async with self._database.write("claiming an interaction") as connection:
            known = await read_answers(connection, [interaction_id])
            if interaction_id in known:
                return known[interaction_id]
            await _claim(connection, [_claimed(interaction_id, at, answer)])
        return None

    async def keep_answer(self, interaction_id: str, answer: bytes) -> None:
        """Keep the first answer for whoever sends the same interaction again."""
        async with self._database.write("keeping an answer") as connection:
            await connection.execute(_KEEP_ANSWER, {"interaction_id": interaction_id, "kept": answer})

    async def answer_of(self, interaction_id: str) -> bytes:
        """Read the answer of a claimed interaction; empty where there is none yet."""
        async with self._database.read("reading an answer") as connection:
            return (await read_answers(connection, [interaction_id])).get(interaction_id, b"")

    async def standing(self, inquiry: Inquiry) -> Standing:
        """Read what is known of a Discord id and of an interaction."""
        return await self._standings.ask(inquiry)

    async def bar_of(self, discord_id: str, now: float) -> Bar | None:
        """Find why a person whose account was erased is given no new one."""
        async with self._database.read("looking for an erased account") as connection:
            return await bar_of(connection, discord_id, now)

    async def keys_issued(self, since: float) -> list[float]:
        """List when first keys were issued since an instant, oldest first."""
        async with self._database.read("counting sign-ups") as connection:
            return await keys_issued(connection, since)

    async def open_form(self, offered: Offered) -> bytes:
        """Keep a form with what stands for it; gives what counts, the earlier where there is one."""
        return await self._offers.ask(offered)

    async def submit(self, submit: Submit, verdicts: Verdicts) -> tuple[bytes, bool]:
        """Judge a form and spend it; gives the answer that counts, and whether a key is now to be issued."""
        return await self._submits.ask(_Judging(submit, verdicts))

    async def check_in(self, interaction_id: str, check_in: CheckIn, answer: bytes) -> bytes:
        """Check an account in without a form; gives the answer that counts. A day is checked in once."""
        return await self._check_ins.ask(_CheckingIn(interaction_id, check_in, answer))

    async def issue(self, order: Order) -> Issue:
        """Put a key in force, or say why not: account, key, event and audit entry together or nothing."""
        try:
            return await self._orders.ask(order)
        except asyncio.CancelledError:
            await self._orders.idle()  # whoever takes the key back must come after it
            raise

    async def take_back(self, key_id: str, event_id: str, note_id: str, at: float) -> None:
        """Revoke a key that did not reach its owner, and charge the member nothing for it."""
        note = Note(note_id, at, GATEWAY, Action.KEY_REVOKED, "did not reach its owner")
        async with self._database.write("taking a key back") as connection:
            key = await revoke(connection, key_id, at)
            await connection.execute(delete(DISCORD_EVENTS).where(DISCORD_EVENTS.c.id == event_id))
            if key is not None:
                entry = entry_of(note, key_id, key.account_id, before={"prefix": key.prefix})
                await insert_entry(connection, entry)
            await connection.execute(COUNT_CHANGE)

    async def use_since(self, account_id: str, *days: str) -> list[Use]:
        """Sum what an account used from each of some UTC days on, all at one moment; the first is the earliest."""
        kept = USAGE_DAYS.c
        columns = (kept.requests, kept.successes, kept.input_tokens + kept.output_tokens)
        sums = [
            func.coalesce(func.sum(column).filter(kept.day >= day), 0).label(f"sum_{place}_{number}")
            for place, day in enumerate(days)
            for number, column in enumerate(columns)
        ]
        statement = select(*sums).where(kept.day >= days[0], kept.account_id == account_id)
        async with self._database.read("summing an account's use") as connection:
            row = [int(each) for each in (await connection.execute(statement)).one()]
        return [Use(*row[start : start + 3]) for start in range(0, len(row), 3)]

    async def most_active(self, day: str, limit: int, offset: int) -> Sequence[Active]:
        """Rank members by their answers from a UTC day on; those who don't want to be listed are left out."""
        given = {"day_from": day, "most": limit, "skipped": offset}
        async with self._database.read("ranking members") as connection:
            rows = (await connection.execute(_MOST_ACTIVE, given)).all()
        return [Active(row.name, int(row.successes)) for row in rows]

    async def note_seen(self, account_id: str, at: float) -> None:
        """Keep when Discord last said how an account's owner stands; no node is told for it."""
        await self._sightings.ask((account_id, at))

    async def forget_old(self, before: float) -> None:
        """Delete interactions and forms from before an instant, and check-ins that are over a year old."""
        async with self._database.write("forgetting old interactions") as connection:
            await connection.execute(delete(DISCORD_INTERACTIONS).where(DISCORD_INTERACTIONS.c.at < before))
            await connection.execute(delete(DISCORD_CHALLENGES).where(DISCORD_CHALLENGES.c.expires_at < before))
            too_old = CHECK_INS.c.at < before - _KEEP_CHECK_INS_DAYS * DAY_S
            await connection.execute(delete(CHECK_INS).where(too_old))

    async def _read_standings(self, inquiries: Sequence[Inquiry]) -> Sequence[Standing]:
        async with self._database.read("reading members' standings") as connection:
            return await read_standings(connection, inquiries)

    async def _open_forms(self, offers: Sequence[Offered]) -> Sequence[bytes]:
        async with self._database.write("opening forms") as connection:
            fresh, answers = await _claim_new(connection, offers)
            if fresh:
                await connection.execute(insert(DISCORD_CHALLENGES), [_form_row(each) for each in fresh])
        return answers

    async def _judge(self, asked: Sequence[_Judging]) -> Sequence[tuple[bytes, bool]]:
        async with self._database.write("reading forms") as connection:
            known = await read_answers(connection, [each.submit.interaction_id for each in asked])
            bench = _Bench(known, await _forms(connection, [each.submit.nonce for each in asked]))
            given = [bench.judge(each.submit, each.verdicts) for each in asked]
            await bench.write(connection)
        return given

    async def _check_in_all(self, asked: Sequence[_CheckingIn]) -> Sequence[bytes]:
        async with self._database.write("checking in") as connection:
            fresh, answers = await _claim_new(connection, asked)
            if fresh:
                await _check_in(connection, [each.check_in for each in fresh])
        return answers

    async def _note_seen(self, sightings: Sequence[tuple[str, float]]) -> Sequence[None]:
        async with self._database.write("noting members") as connection:
            await connection.execute(_NOTE_SEEN, [{"account": account, "seen": at} for account, at in sightings])
        return [None] * len(sightings)

    async def _issue(self, orders: Sequence[Order]) -> Sequence[Issue]:
        async with self._database.write("issuing keys") as connection:
            return await issue_all(connection, orders)


class _Bench:
    """Judges submits one after the other as if each had a transaction of its own; `write` keeps what came of it."""

    def __init__(self, known: dict[str, bytes], forms: dict[str, dict[str, object]]) -> None:
        self._known = known
        self._forms = forms
        self._claims: list[dict[str, object]] = []
        self._spent: list[str] = []
        self._events: list[dict[str, object]] = []
        self._check_ins: list[CheckIn] = []

    def judge(self, submit: Submit, verdicts: Verdicts) -> tuple[bytes, bool]:
        """Judge one; the same interaction gets the same answer, and `False`."""
        if submit.interaction_id in self._known:
            return self._known[submit.interaction_id], False
        answer = self._verdict(submit, verdicts)
        self._known[submit.interaction_id] = answer
        self._claims.append(_claimed(submit.interaction_id, submit.at, answer))
        return answer, answer is verdicts.good

    def _verdict(self, submit: Submit, verdicts: Verdicts) -> bytes:
        form = self._forms.get(submit.nonce)
        if form is None or not _is_for(form, submit):
            return verdicts.stale
        del self._forms[submit.nonce]
        self._spent.append(submit.nonce)
        if submit.honeypot:
            honeypot_id = f"{submit.event_id}_honeypot"
            self._events.append(event_row(honeypot_id, submit.discord_id, Event.HONEYPOT, submit.at))
        digest = form["answer_digest"]
        assert isinstance(digest, bytes)
        if not compare_digest(digest, submit.digest):
            self._events.append(event_row(submit.event_id, submit.discord_id, Event.WRONG_ANSWER, submit.at))
            return verdicts.wrong
        if submit.check_in is not None:
            self._check_ins.append(submit.check_in)
        return verdicts.good

    async def write(self, connection: AsyncConnection) -> None:
        """Keep claims, events and check-ins, and take the forms away that were spent."""
        if self._claims:
            await _claim(connection, self._claims)
        if self._spent:
            await connection.execute(_SPEND, {"nonces": self._spent})
        if self._events:
            await connection.execute(insert(DISCORD_EVENTS), self._events)
        if self._check_ins:
            await _check_in(connection, self._check_ins)


def _is_for(form: dict[str, object], submit: Submit) -> bool:
    """Whether a form is this member's, for this purpose, and still good."""
    whose = (form["discord_id"], form["purpose"])
    expires_at = form["expires_at"]
    assert isinstance(expires_at, float)
    return whose == (submit.discord_id, submit.purpose.value) and expires_at > submit.at


async def _forms(connection: AsyncConnection, nonces: Sequence[str]) -> dict[str, dict[str, object]]:
    rows = (await connection.execute(_FORMS, {"nonces": nonces})).mappings()
    return {str(row["nonce"]): dict(row) for row in rows}


def _form_row(offered: Offered) -> dict[str, object]:
    form = offered.form
    return {
        "nonce": form.nonce,
        "discord_id": form.discord_id,
        "purpose": form.purpose.value,
        "answer_digest": form.digest,
        "expires_at": form.expires_at,
    }


def _claimed(interaction_id: str, at: float, answer: bytes) -> dict[str, object]:
    return {"id": interaction_id, "at": at, "answer": answer}


async def _claim(connection: AsyncConnection, rows: Sequence[dict[str, object]]) -> None:
    """Claim interactions that nobody has; the write lock keeps it so until the end of the transaction."""
    await connection.execute(insert(DISCORD_INTERACTIONS), rows)


async def _claim_new(connection: AsyncConnection, asked: Sequence[A]) -> tuple[list[A], list[bytes]]:
    """Claim the interactions that nobody has; gives those that are new, and the answer that counts for each asked."""
    known = await read_answers(connection, [each.interaction_id for each in asked])
    fresh = {each.interaction_id: each for each in reversed(asked) if each.interaction_id not in known}
    if fresh:
        await _claim(connection, [_claimed(each.interaction_id, each.at, each.answer) for each in fresh.values()])
    known |= {each.interaction_id: each.answer for each in fresh.values()}
    return list(fresh.values()), [known[each.interaction_id] for each in asked]


async def _check_in(connection: AsyncConnection, wanted: Iterable[CheckIn]) -> None:
    """Check accounts in, once a day each, and tell every node."""
    by_day = {(each.account_id, each.day): each for each in wanted}
    given = {"accounts": [account for account, _ in by_day], "first": min(day for _, day in by_day)}
    there = {(row.account_id, row.day) for row in (await connection.execute(_CHECKED_IN, given)).all()}
    fresh = [each for key, each in by_day.items() if key not in there]
    if not fresh:
        return
    rows = [{"account_id": each.account_id, "day": each.day, "at": each.at} for each in fresh]
    await connection.execute(insert(CHECK_INS), rows)
    await connection.execute(_NOTE_CHECK_IN, [{"account": each.account_id, "day_now": each.day} for each in fresh])
    await connection.execute(COUNT_CHANGE)
