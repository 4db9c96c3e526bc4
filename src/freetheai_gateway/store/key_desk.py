"""The key desk's tables: the port `DeskStore`."""

from secrets import compare_digest

from sqlalchemy import BindParameter, Select, and_, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.domain.accounts import ApiKey
from freetheai_gateway.domain.audit import Action, Note
from freetheai_gateway.services.key_desk.ports import (
    Bar,
    Event,
    Issue,
    OpenForm,
    Order,
    Standing,
    Submit,
    Use,
    Verdicts,
)
from freetheai_gateway.store.accounts import COUNT_CHANGE, account_of, key_of, revoke, row_values
from freetheai_gateway.store.audit import entry_of, insert_entry, shown_account, shown_key
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.personal_data import bar_of
from freetheai_gateway.store.schema import (
    ACCOUNTS,
    API_KEYS,
    DISCORD_CHALLENGES,
    DISCORD_EVENTS,
    DISCORD_INTERACTIONS,
    USAGE_DAYS,
)
from freetheai_gateway.store.upserts import insert_or_ignore

_HOUR_S = 3600.0
_KEEP_ANSWER = (
    update(DISCORD_INTERACTIONS)
    .where(DISCORD_INTERACTIONS.c.id == bindparam("interaction_id"))
    .values(answer=bindparam("kept"))
)


def _standing() -> Select[tuple[object, ...]]:
    """Everything of one Discord id in one row, whether there is an account or not."""
    events = DISCORD_EVENTS.c
    who: BindParameter[str] = bindparam("who")
    wrong = (events.discord_id == who, events.kind == Event.WRONG_ANSWER.value, events.at > bindparam("since"))
    one = select(literal(1).label("one")).subquery()
    key_in_force = and_(API_KEYS.c.account_id == ACCOUNTS.c.id, API_KEYS.c.revoked_at.is_(None))
    member = one.outerjoin(ACCOUNTS, ACCOUNTS.c.discord_id == who).outerjoin(API_KEYS, key_in_force)
    return (
        select(
            *ACCOUNTS.c,
            API_KEYS.c.id.label("key_id"),
            API_KEYS.c.name.label("key_name"),
            API_KEYS.c.created_at.label("key_created_at"),
            API_KEYS.c.prefix,
            API_KEYS.c.digest,
            API_KEYS.c.revoked_at,
            select(func.count()).where(*wrong).scalar_subquery().label("wrong_answers"),
            select(func.max(events.at)).where(*wrong).scalar_subquery().label("last_wrong_at"),
            select(func.max(events.at))
            .where(events.discord_id == who, events.kind == Event.KEY_RESET.value)
            .scalar_subquery()
            .label("last_reset_at"),
            select(func.count())
            .where(events.kind == Event.KEY_ISSUED.value, events.at > bindparam("hour_ago"))
            .scalar_subquery()
            .label("issued_this_hour"),
            select(DISCORD_INTERACTIONS.c.answer)
            .where(DISCORD_INTERACTIONS.c.id == bindparam("interaction"))
            .scalar_subquery()
            .label("known_answer"),
        )
        .select_from(member)
        .order_by(API_KEYS.c.created_at)
        .limit(1)
    )


_STANDING = _standing()


class SqlKeyDesk:
    """Implements `DeskStore` on either database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_interaction(self, interaction_id: str, at: float) -> bytes | None:
        """Claim an interaction: `None` for the first to come, else its answer, empty where there is none yet."""
        async with self._database.write("claiming an interaction") as connection:
            if await self._claim(connection, interaction_id, at, b""):
                return None
            return await _answer(connection, interaction_id)

    async def keep_answer(self, interaction_id: str, answer: bytes) -> None:
        """Keep the first answer for whoever sends the same interaction again."""
        async with self._database.write("keeping an answer") as connection:
            await connection.execute(_KEEP_ANSWER, {"interaction_id": interaction_id, "kept": answer})

    async def answer_of(self, interaction_id: str) -> bytes:
        """Read the answer of a claimed interaction; empty where there is none yet."""
        async with self._database.read("reading an answer") as connection:
            return await _answer(connection, interaction_id)

    async def standing(self, discord_id: str, since: float, hour_ago: float, interaction_id: str) -> Standing:
        """Read what is known of a Discord id, with its wrong answers since an instant, in one statement."""
        given = {"who": discord_id, "since": since, "hour_ago": hour_ago, "interaction": interaction_id}
        async with self._database.read("reading a member's standing") as connection:
            row = (await connection.execute(_STANDING, given)).one()
        account = None if row.id is None else account_of(row)
        live_key = None
        if account is not None and row.key_id is not None:
            live_key = ApiKey(
                row.key_id, account.id, row.key_name, row.prefix, row.digest, row.key_created_at, row.revoked_at
            )
        return Standing(
            account,
            live_key,
            row.wrong_answers,
            row.last_wrong_at or 0.0,
            row.last_reset_at,
            row.issued_this_hour,
            row.known_answer or b"",
        )

    async def bar_of(self, discord_id: str, now: float) -> Bar | None:
        """Find why a person whose account was erased is given no new one."""
        async with self._database.read("looking for an erased account") as connection:
            return await bar_of(connection, discord_id, now)

    async def keys_issued(self, since: float) -> list[float]:
        """List when first keys were issued since an instant, oldest first."""
        async with self._database.read("counting sign-ups") as connection:
            return await _keys_issued(connection, since)

    async def open_form(self, form: OpenForm, interaction_id: str, answer: bytes, at: float) -> bytes:
        """Keep a form with its rendering; gives the rendering that counts, an earlier one where there is one."""
        values = {
            "nonce": form.nonce,
            "discord_id": form.discord_id,
            "purpose": form.purpose.value,
            "answer_digest": form.digest,
            "expires_at": form.expires_at,
        }
        async with self._database.write("opening a form") as connection:
            if not await self._claim(connection, interaction_id, at, answer):
                return await _answer(connection, interaction_id)
            await connection.execute(insert(DISCORD_CHALLENGES).values(values))
        return answer

    async def submit(self, submit: Submit, verdicts: Verdicts) -> tuple[bytes, bool]:
        """Judge a form and spend it; gives the answer that counts, and whether a key is now to be issued."""
        async with self._database.write("reading a form") as connection:
            if not await self._claim(connection, submit.interaction_id, submit.at, verdicts.good):
                return await _answer(connection, submit.interaction_id), False
            digest = await _spend(connection, submit)
            if digest is not None and submit.honeypot:
                honeypot_id = f"{submit.event_id}_honeypot"
                await _insert_event(connection, honeypot_id, submit.discord_id, Event.HONEYPOT, submit.at)
            if digest is not None and compare_digest(digest, submit.digest):
                return verdicts.good, True
            if digest is not None:
                await _insert_event(connection, submit.event_id, submit.discord_id, Event.WRONG_ANSWER, submit.at)
            answer = verdicts.stale if digest is None else verdicts.wrong
            await connection.execute(_KEEP_ANSWER, {"interaction_id": submit.interaction_id, "kept": answer})
        return answer, False

    async def _claim(self, connection: AsyncConnection, interaction_id: str, at: float, answer: bytes) -> bool:
        values = {"id": interaction_id, "at": at, "answer": answer}
        statement = insert_or_ignore(DISCORD_INTERACTIONS, self._database.dialect_name).values(values)
        return bool((await connection.execute(statement)).rowcount)

    async def issue(self, order: Order) -> Issue:
        """Put a key in force, or say why not: account, key, event and audit entry together or nothing."""
        discord_id = order.account.discord_id
        assert discord_id is not None
        async with self._database.write("issuing a key") as connection:
            found = select(ACCOUNTS).where(ACCOUNTS.c.discord_id == discord_id).with_for_update()
            row = (await connection.execute(found)).first()
            account = order.account if row is None else account_of(row)
            old = None if row is None else await _live_key(connection, account.id)
            if (old is not None) is not order.replace:
                return Issue.NOT_NOW
            if order.most_per_hour:
                issued = await _keys_issued(connection, order.at - _HOUR_S)
                if len(issued) >= order.most_per_hour:
                    return Issue.HOUR_FULL
            if row is None:
                await connection.execute(insert(ACCOUNTS).values(row_values(ACCOUNTS, account)))
            if old is not None:
                await revoke(connection, old.id, order.at)
            await _put_in_force(connection, order, account.id, old, is_new=row is None)
            event = Event.KEY_RESET if order.replace else Event.KEY_ISSUED
            await _insert_event(connection, order.event_id, discord_id, event, order.at)
            await connection.execute(COUNT_CHANGE)
        return Issue.DONE

    async def take_back(self, key_id: str, event_id: str, note_id: str, at: float) -> None:
        """Revoke a key that did not reach its owner, and charge the member nothing for it."""
        note = Note(note_id, at, "gateway", Action.KEY_REVOKED, "did not reach its owner")
        async with self._database.write("taking a key back") as connection:
            key = await revoke(connection, key_id, at)
            await connection.execute(delete(DISCORD_EVENTS).where(DISCORD_EVENTS.c.id == event_id))
            if key is not None:
                entry = entry_of(note, key_id, key.account_id, before={"prefix": key.prefix})
                await insert_entry(connection, entry)
            await connection.execute(COUNT_CHANGE)

    async def use_since(self, account_id: str, day: str) -> Use:
        """Sum what an account used from a UTC day on."""
        days = USAGE_DAYS.c
        statement = select(
            func.coalesce(func.sum(days.requests), 0),
            func.coalesce(func.sum(days.successes), 0),
            func.coalesce(func.sum(days.input_tokens + days.output_tokens), 0),
        ).where(days.day >= day, days.account_id == account_id)
        async with self._database.read("summing an account's use") as connection:
            requests, successes, tokens = (await connection.execute(statement)).one()
        return Use(int(requests), int(successes), int(tokens))

    async def forget_old(self, before: float) -> None:
        """Delete interactions and forms from before an instant."""
        async with self._database.write("forgetting old interactions") as connection:
            await connection.execute(delete(DISCORD_INTERACTIONS).where(DISCORD_INTERACTIONS.c.at < before))
            await connection.execute(delete(DISCORD_CHALLENGES).where(DISCORD_CHALLENGES.c.expires_at < before))


async def _answer(connection: AsyncConnection, interaction_id: str) -> bytes:
    statement = select(DISCORD_INTERACTIONS.c.answer).where(DISCORD_INTERACTIONS.c.id == interaction_id)
    answer: bytes | None = await connection.scalar(statement)
    return answer or b""


async def _spend(connection: AsyncConnection, submit: Submit) -> bytes | None:
    """Take a form away; `None` where it is not this member's, not for this purpose, spent or expired."""
    forms = DISCORD_CHALLENGES.c
    statement = (
        delete(DISCORD_CHALLENGES)
        .where(
            forms.nonce == submit.nonce,
            forms.discord_id == submit.discord_id,
            forms.purpose == submit.purpose.value,
            forms.expires_at > submit.at,
        )
        .returning(forms.answer_digest)
    )
    digest: bytes | None = (await connection.execute(statement)).scalar()
    return digest


async def _live_key(connection: AsyncConnection, account_id: str) -> ApiKey | None:
    statement = (
        select(API_KEYS)
        .where(API_KEYS.c.account_id == account_id, API_KEYS.c.revoked_at.is_(None))
        .order_by(API_KEYS.c.created_at)
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else key_of(row)


async def _keys_issued(connection: AsyncConnection, since: float) -> list[float]:
    events = DISCORD_EVENTS.c
    statement = select(events.at).where(events.kind == Event.KEY_ISSUED.value, events.at > since).order_by(events.at)
    return list((await connection.execute(statement)).scalars())


async def _insert_event(connection: AsyncConnection, event_id: str, discord_id: str, event: Event, at: float) -> None:
    values = {"id": event_id, "discord_id": discord_id, "kind": event.value, "at": at}
    await connection.execute(insert(DISCORD_EVENTS).values(values))


async def _put_in_force(
    connection: AsyncConnection, order: Order, account_id: str, old: ApiKey | None, *, is_new: bool
) -> None:
    """Insert the key and the audit entry that says so, as the member's own doing."""
    values = row_values(API_KEYS, order.key) | {"account_id": account_id}
    await connection.execute(insert(API_KEYS).values(values))
    action = Action.ACCOUNT_CREATED if is_new else Action.KEY_ROTATED if old is not None else Action.KEY_CREATED
    note = Note(order.note_id, order.at, f"discord:{order.account.discord_id}", action)
    shown = {"key_id": order.key.id, **shown_key(order.key)}
    if is_new:
        entry = entry_of(note, account_id, account_id, after=shown_account(order.account) | {"key_id": order.key.id})
    elif old is not None:
        entry = entry_of(note, old.id, account_id, before={"prefix": old.prefix}, after=shown)
    else:
        entry = entry_of(note, order.key.id, account_id, after=shown_key(order.key))
    await insert_entry(connection, entry)
