"""Keys put in force: any number of orders in one transaction, each judged as if the others had been there before."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.domain.accounts import Account, ApiKey
from freetheai_gateway.domain.audit import Action, AuditEntry, Note
from freetheai_gateway.services.key_desk.ports import Event, Issue, Order
from freetheai_gateway.store.accounts import COUNT_CHANGE, row_values
from freetheai_gateway.store.audit import entry_of, insert_entries, shown_account, shown_key
from freetheai_gateway.store.member_standings import Member, event_row, keys_issued, read_members
from freetheai_gateway.store.schema import ACCOUNTS, API_KEYS, DISCORD_EVENTS

_HOUR_S = 3600.0
_REVOKE = update(API_KEYS).where(API_KEYS.c.id == bindparam("key")).values(revoked_at=bindparam("at"))


async def issue_all(connection: AsyncConnection, orders: Sequence[Order]) -> list[Issue]:
    """Put keys in force where that may be, or say why not. The transaction holds the write lock."""
    members = await read_members(connection, [_owner(order) for order in orders])
    issued: list[float] = []
    if any(order.most_per_hour for order in orders):
        issued = await keys_issued(connection, min(order.at for order in orders) - _HOUR_S)
    work = _Work(members, issued)
    given = [work.take(order) for order in orders]
    await work.write(connection)
    return given


class _Work:
    """What has been decided so far; `write` does it."""

    def __init__(self, members: dict[str, Member], issued: list[float]) -> None:
        self._members = members
        self._issued = issued
        self._accounts: list[Account] = []
        self._keys: dict[str, ApiKey] = {}
        self._revoked: list[dict[str, object]] = []
        self._events: list[dict[str, object]] = []
        self._entries: list[AuditEntry] = []

    def take(self, order: Order) -> Issue:
        """Decide one order."""
        discord_id = _owner(order)
        member = self._members.get(discord_id)
        old = None if member is None else member.live_key
        if (old is not None) is not order.replace:
            return Issue.NOT_NOW
        if order.most_per_hour and self._issued_since(order.at - _HOUR_S) >= order.most_per_hour:
            return Issue.HOUR_FULL
        account = order.account if member is None else member.account
        key = replace(order.key, account_id=account.id)
        if member is None:
            self._accounts.append(account)
        if old is not None:
            self._revoke(old, order.at)
        else:
            self._issued.append(order.at)
        self._members[discord_id] = Member(account, key)
        self._keys[key.id] = key
        event = Event.KEY_RESET if order.replace else Event.KEY_ISSUED
        self._events.append(event_row(order.event_id, discord_id, event, order.at))
        self._entries.append(_entry(order, account, key, old, is_new=member is None))
        return Issue.DONE

    async def write(self, connection: AsyncConnection) -> None:
        """Write everything, in the order that foreign keys need."""
        if not self._keys:
            return
        if self._accounts:
            await connection.execute(insert(ACCOUNTS), [row_values(ACCOUNTS, each) for each in self._accounts])
        if self._revoked:
            await connection.execute(_REVOKE, self._revoked)
        await connection.execute(insert(API_KEYS), [row_values(API_KEYS, each) for each in self._keys.values()])
        await connection.execute(insert(DISCORD_EVENTS), self._events)
        await insert_entries(connection, self._entries)
        await connection.execute(COUNT_CHANGE)

    def _issued_since(self, instant: float) -> int:
        return sum(at > instant for at in self._issued)

    def _revoke(self, key: ApiKey, at: float) -> None:
        if key.id in self._keys:
            self._keys[key.id] = replace(key, revoked_at=at)
        else:
            self._revoked.append({"key": key.id, "at": at})


def _owner(order: Order) -> str:
    assert order.account.discord_id is not None
    return order.account.discord_id


def _entry(order: Order, account: Account, key: ApiKey, old: ApiKey | None, *, is_new: bool) -> AuditEntry:
    """Write down who has which key now, as the member's own doing."""
    action = Action.ACCOUNT_CREATED if is_new else Action.KEY_ROTATED if old is not None else Action.KEY_CREATED
    note = Note(order.note_id, order.at, f"discord:{account.discord_id}", action)
    if is_new:
        return entry_of(note, account.id, account.id, after=shown_account(account) | {"key_id": key.id})
    if old is not None:
        after = {"key_id": key.id, **shown_key(key)}
        return entry_of(note, old.id, account.id, before={"prefix": old.prefix}, after=after)
    return entry_of(note, key.id, account.id, after=shown_key(key))
