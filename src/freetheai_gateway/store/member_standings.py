"""What is known of many Discord ids and interactions, read in three statements whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, bindparam, func, literal, null, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.services.key_desk.ports import Event, Inquiry, Standing
from freetheai_gateway.store.accounts import account_of
from freetheai_gateway.store.schema import ACCOUNTS, API_KEYS, DISCORD_EVENTS, DISCORD_INTERACTIONS

_EVENTS = DISCORD_EVENTS.c
_MEMBERS: Select[tuple[object, ...]] = (
    select(
        *ACCOUNTS.c,
        API_KEYS.c.id.label("key_id"),
        API_KEYS.c.name.label("key_name"),
        API_KEYS.c.created_at.label("key_created_at"),
        API_KEYS.c.prefix,
        API_KEYS.c.digest,
    )
    .select_from(
        ACCOUNTS.outerjoin(API_KEYS, and_(API_KEYS.c.account_id == ACCOUNTS.c.id, API_KEYS.c.revoked_at.is_(None)))
    )
    .where(ACCOUNTS.c.discord_id.in_(bindparam("ids", expanding=True)))
    .order_by(API_KEYS.c.created_at.desc())
)
_COUNTED = union_all(
    select(_EVENTS.discord_id, _EVENTS.kind, func.count().label("number"), func.max(_EVENTS.at).label("last_at"))
    .where(
        _EVENTS.discord_id.in_(bindparam("ids", expanding=True)),
        or_(
            and_(_EVENTS.kind == Event.WRONG_ANSWER.value, _EVENTS.at > bindparam("since")),
            _EVENTS.kind == Event.KEY_RESET.value,
        ),
    )
    .group_by(_EVENTS.discord_id, _EVENTS.kind),
    select(null(), literal(Event.KEY_ISSUED.value), func.count(), func.max(_EVENTS.at)).where(
        _EVENTS.kind == Event.KEY_ISSUED.value, _EVENTS.at > bindparam("hour_ago")
    ),
)
_ANSWERS = select(DISCORD_INTERACTIONS.c.id, DISCORD_INTERACTIONS.c.answer).where(
    DISCORD_INTERACTIONS.c.id.in_(bindparam("ids", expanding=True))
)
_KEYS_ISSUED = (
    select(_EVENTS.at)
    .where(_EVENTS.kind == Event.KEY_ISSUED.value, _EVENTS.at > bindparam("since"))
    .order_by(_EVENTS.at)
)


@dataclass(frozen=True, slots=True)
class Member:
    """An account and the key that is in force; of several, which an operator made, the oldest."""

    account: Account
    live_key: ApiKey | None


async def read_standings(connection: AsyncConnection, inquiries: Sequence[Inquiry]) -> list[Standing]:
    """Read the standings of those who ask at the same moment; instants that count are those of the first."""
    ids = [each.discord_id for each in inquiries]
    first = inquiries[0]
    members = await read_members(connection, ids)
    answers = await read_answers(connection, [each.interaction_id for each in inquiries])
    given = {"ids": ids, "since": first.since, "hour_ago": first.hour_ago}
    counted = {(row.discord_id, row.kind): row for row in (await connection.execute(_COUNTED, given)).all()}
    issued = counted[None, Event.KEY_ISSUED.value].number

    def standing(inquiry: Inquiry) -> Standing:
        member = members.get(inquiry.discord_id)
        wrong = counted.get((inquiry.discord_id, Event.WRONG_ANSWER.value))
        reset = counted.get((inquiry.discord_id, Event.KEY_RESET.value))
        return Standing(
            account=None if member is None else member.account,
            live_key=None if member is None else member.live_key,
            wrong_answers=0 if wrong is None else wrong.number,
            last_wrong_at=0.0 if wrong is None else wrong.last_at,
            last_reset_at=None if reset is None else reset.last_at,
            issued_this_hour=issued,
            known_answer=answers.get(inquiry.interaction_id, b""),
        )

    return [standing(each) for each in inquiries]


async def read_members(connection: AsyncConnection, discord_ids: Sequence[str]) -> dict[str, Member]:
    """Read the accounts of Discord ids, each with its key."""
    members: dict[str, Member] = {}
    for row in (await connection.execute(_MEMBERS, {"ids": discord_ids})).all():
        account = account_of(row)
        live_key = None
        if row.key_id is not None:
            live_key = ApiKey(row.key_id, account.id, row.key_name, row.prefix, row.digest, row.key_created_at)
        members[str(row.discord_id)] = Member(account, live_key)
    return members


async def read_answers(connection: AsyncConnection, interaction_ids: Sequence[str]) -> dict[str, bytes]:
    """Read what claimed interactions were answered; empty where there is no answer yet."""
    rows = (await connection.execute(_ANSWERS, {"ids": interaction_ids})).all()
    return {row.id: row.answer for row in rows}


async def keys_issued(connection: AsyncConnection, since: float) -> list[float]:
    """List when first keys were issued, oldest first."""
    return list((await connection.execute(_KEYS_ISSUED, {"since": since})).scalars())


def event_row(event_id: str, discord_id: str, event: Event, at: float) -> dict[str, object]:
    """Lay an event out as its row."""
    return {"id": event_id, "discord_id": discord_id, "kind": event.value, "at": at}
