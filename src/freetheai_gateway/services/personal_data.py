"""What is kept about one person: all of it to read, and all of it to erase.

Erasing takes the account, its keys, sessions and usage, and the Discord id and the name wherever they stand. Sums over
everybody stay, and an audit entry that says that an account was erased. A keyed hash of the Discord id stays for as
long as the person is given no new account: a day, so that erasing is no way around the limits of one, or as long as a
suspension lasts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from freetheai_gateway.clock import Clock, rfc3339
from freetheai_gateway.domain.accounts import Account, ApiKey, is_paused
from freetheai_gateway.domain.audit import Action, AuditEntry, Note
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_id
from freetheai_gateway.services.accounts import UnknownAccount
from freetheai_gateway.services.admin_view import Object, audit_fields, key_fields, record_fields, usage_fields
from freetheai_gateway.services.ports import AccountStore, UsageRow

BARRED_S = 86_400.0
"""How long after erasing the same person is given no new account."""
SWEPT_AGAIN_S = 2 * 86_400.0
"""How long usage of an erased account is looked for again: a request may have been running, or waited in a journal."""
_INSTANTS = frozenset({"created_at", "paused_until", "member_seen_at"})
MOST_REQUESTS = 20_000
"""Records of requests in one export, the newest; the list of requests goes on from there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything of one account. `records` are rows of other tables that name the person, by table."""

    account: Account
    keys: Sequence[ApiKey] = ()
    days: Sequence[UsageRow] = ()
    requests: Sequence[UsageRecord] = ()
    audit: Sequence[AuditEntry] = ()
    records: Mapping[str, Sequence[Object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Erasure:
    """An order to erase. `barred_until` absent = for good."""

    account: Account
    note: Note
    barred_until: float | None
    was_suspended: bool


class PersonalStore(Protocol):
    """Reads and erases across all tables."""

    async def read(self, account: Account, most_requests: int, until: float) -> Kept:
        """Read everything that is kept about an account's owner until an instant."""
        ...

    async def erase(self, erasure: Erasure) -> bool:
        """Erase who it was, in one transaction, then what was used; `False` where there is no such account."""
        ...

    async def sweep(self, now: float) -> None:
        """Erase usage that came late, and forget bars that are over."""
        ...


class PersonalData:
    """Exports and erases, as `actor`."""

    def __init__(self, accounts: AccountStore, store: PersonalStore, clock: Clock, actor: str) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._actor = actor

    async def export(self, account_id: str) -> Object:
        """Give everything that is kept about an account's owner. Raises `UnknownAccount`."""
        kept = await self._store.read(await self._account(account_id), MOST_REQUESTS, self._clock.wall())
        account = kept.account
        return {
            "object": "personal_data",
            "exported_at": rfc3339(self._clock.wall()),
            "account": _account_fields(account),
            "keys": [key_fields(key) for key in kept.keys],
            "usage_by_day": [usage_fields(row) for row in kept.days],
            "requests": [record_fields(record) for record in kept.requests],
            "requests_are_complete": len(kept.requests) < MOST_REQUESTS,
            "changes": [audit_fields(_without_others(entry, account)) for entry in kept.audit],
            **kept.records,
        }

    async def erase(self, account_id: str, *, reason: str | None = None) -> str:
        """Erase an account and everything that says whose it was; gives the audit entry's id.

        Raises `UnknownAccount`.
        """
        account = await self._account(account_id)
        now = self._clock.wall()
        note = Note(new_id("aud"), now, self._actor, Action.ACCOUNT_ERASED, reason)
        suspended = is_paused(account, now)
        until = account.paused_until if suspended else now + BARRED_S
        if not await self._store.erase(Erasure(account, note, until, suspended)):
            raise UnknownAccount(account_id)
        return note.id

    async def sweep(self) -> None:
        """Erase what came late of accounts that were erased, and forget bars that are over."""
        await self._store.sweep(self._clock.wall())

    async def _account(self, account_id: str) -> Account:
        account = await self._accounts.find_account(account_id)
        if account is None:
            raise UnknownAccount(account_id)
        return account


def _account_fields(account: Account) -> Object:
    """Show all that is kept in the account's own row."""
    values = {each.name: getattr(account, each.name) for each in fields(account)}
    return {
        name: rfc3339(value) if name in _INSTANTS and value is not None else value for name, value in values.items()
    }


def _without_others(entry: AuditEntry, account: Account) -> AuditEntry:
    """Name nobody but the person themselves: who acted as an operator is somebody else's data."""
    own = {f"discord:{account.discord_id}", "holder", "gateway"}
    return entry if entry.actor in own else replace(entry, actor="operator")
