"""Accounts and keys in the admin API."""

from msgspec import UNSET

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.accounts import (
    LONGEST_NAME,
    LONGEST_REASON,
    Account,
    AccountFields,
    ApiKey,
    effective_tier,
    is_tidy,
)
from freetheai_gateway.errors import InvalidRequest, NotFound
from freetheai_gateway.services.accounts import AccountDesk, Changed, IssuedKey
from freetheai_gateway.services.admin_view import Object, account_fields, key_fields, pause_fields
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.instants import read_instant
from freetheai_gateway.services.ports import AccountStore, Page
from freetheai_gateway.web.admin import answers
from freetheai_gateway.web.admin.bodies import AccountChange, Body, NewAccount, NewKey, Suspension
from freetheai_gateway.web.admin.table import LIST, AdminRoute, Call


class AdminAccounts:
    """Handlers over the account store; every change is the caller's in the audit list."""

    def __init__(self, store: AccountStore, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock

    @property
    def routes(self) -> list[AdminRoute]:
        """The table of accounts and keys."""
        one, suspension, keys = "accounts/{id}", "accounts/{id}/suspension", "accounts/{id}/keys"
        state, row, issued, why = answers.ChangedAccount, answers.KeyRow, answers.IssuedKey, ("reason",)
        listed = (*LIST, "search")
        return [
            AdminRoute("GET accounts", self.list_accounts, answers.AccountRow, query=listed, is_list=True),
            AdminRoute("POST accounts", self.create_account, answers.OpenedAccount, body=NewAccount, status=201),
            AdminRoute(f"GET {one}", self.show_account, answers.WholeAccount),
            AdminRoute(f"PATCH {one}", self.change_account, state, body=AccountChange),
            AdminRoute(f"PUT {suspension}", self.suspend, state, body=Suspension),
            AdminRoute(f"DELETE {suspension}", self.restore, state, body=Body, query=why),
            AdminRoute(f"GET {keys}", self.list_keys_of, row, query=LIST, is_list=True),
            AdminRoute(f"POST {keys}", self.create_key, issued, body=NewKey, status=201),
            AdminRoute("GET keys", self.list_keys, row, query=LIST, is_list=True),
            AdminRoute("GET keys/{id}", self.show_key, row),
            AdminRoute("POST keys/{id}/rotate", self.rotate_key, issued, body=Body),
            AdminRoute("DELETE keys/{id}", self.revoke_key, answers.ChangedKey, body=Body, query=why),
        ]

    async def list_accounts(self, call: Call) -> Object:
        """List the accounts, the oldest first."""
        accounts, cursor = await self._store.list_accounts(call.page, search=call.query.get("search", ""))
        return page_of([self._row(account) for account in accounts], cursor)

    async def create_account(self, call: Call) -> Object:
        """Make an account with its first key."""
        body = call.sent(NewAccount)
        self._check_tier(body.tier)
        issued = await self._desk(call).open_account(
            read_name(body.name), tier=body.tier, unlimited=body.unlimited, reason=read_reason(call)
        )
        account = self._changed(Changed(issued.account, issued.audit_id))
        return account | {"key": _issued(issued)}

    async def show_account(self, call: Call) -> Object:
        """Show an account with its keys."""
        account = await self._desk(call).account(call.params["id"])
        keys, cursor = await self._store.list_keys(Page(), account_id=account.id)
        return self._state(account) | {"keys": [key_fields(key) for key in keys], "next_cursor": cursor}

    async def change_account(self, call: Call) -> Object:
        """Change name, tier or limits of an account."""
        body = call.sent(AccountChange)
        fields: AccountFields = {}
        if body.name is not UNSET:
            fields["name"] = read_name(body.name)
        if body.tier is not UNSET:
            self._check_tier(body.tier)
            fields["tier_override"] = body.tier
        if body.unlimited is not UNSET:
            fields["unlimited"] = body.unlimited
        if not fields:
            raise InvalidRequest("Name what is to be changed: name, tier or unlimited.")
        return self._changed(await self._desk(call).change(call.params["id"], fields, reason=read_reason(call)))

    async def suspend(self, call: Call) -> Object:
        """Suspend an account."""
        until = self._until(call.sent(Suspension).until)
        suspended = await self._desk(call).suspend(call.params["id"], reason=read_reason(call), until=until)
        return self._changed(suspended)

    async def restore(self, call: Call) -> Object:
        """End a suspension."""
        return self._changed(await self._desk(call).restore(call.params["id"], reason=read_reason(call)))

    async def list_keys(self, call: Call) -> Object:
        """List all keys, the oldest first."""
        keys, cursor = await self._store.list_keys(call.page)
        return page_of([key_fields(key) for key in keys], cursor)

    async def list_keys_of(self, call: Call) -> Object:
        """List the keys of an account, the oldest first."""
        account = await self._desk(call).account(call.params["id"])
        keys, cursor = await self._store.list_keys(call.page, account_id=account.id)
        return page_of([key_fields(key) for key in keys], cursor)

    async def create_key(self, call: Call) -> Object:
        """Give an account one more key."""
        name = read_name(call.sent(NewKey).name)
        return _issued(await self._desk(call).add_key(call.params["id"], name, reason=read_reason(call)))

    async def show_key(self, call: Call) -> Object:
        """Show a key."""
        key = await self._store.find_key(call.params["id"])
        if key is None:
            raise NotFound("There is no such key.")
        return key_fields(key)

    async def rotate_key(self, call: Call) -> Object:
        """Replace a key by a new one."""
        return _issued(await self._desk(call).rotate_key(call.params["id"], reason=read_reason(call)))

    async def revoke_key(self, call: Call) -> Object:
        """Revoke a key."""
        revoked = await self._desk(call).revoke_key(call.params["id"], reason=read_reason(call))
        return _key(revoked)

    def _desk(self, call: Call) -> AccountDesk:
        return AccountDesk(self._store, self._clock, call.actor)

    def _row(self, account: Account) -> Object:
        catalogue = self._directory.offer.catalogue
        level, source = effective_tier(account, catalogue.default_tier)
        return account_fields(account, catalogue.tier(level).level, source, self._clock.wall())

    def _state(self, account: Account) -> Object:
        return self._row(account) | pause_fields(account, self._clock.wall())

    def _changed(self, changed: Changed[Account]) -> Object:
        return self._state(changed.now) | {"audit_id": changed.audit_id}

    def _check_tier(self, level: int | None) -> None:
        tiers = self._directory.offer.catalogue.tiers
        if level is not None and all(tier.level != level for tier in tiers):
            known = ", ".join(f"{tier.level} ({tier.name})" for tier in tiers)
            raise InvalidRequest(f"{level} is no tier level of this configuration. Levels: {known}.", param="tier")

    def _until(self, text: str | None) -> float | None:
        if text is None:
            return None
        try:
            return read_instant(text[:64], self._clock.wall())
        except ValueError as error:
            raise InvalidRequest(f"until: {error}.", param="until") from None


def page_of(rows: list[Object], cursor: str | None) -> Object:
    """Make the answer of a list."""
    return {"object": "list", "data": rows, "next_cursor": cursor}


def read_name(text: str) -> str:
    """Read a name. Raises `InvalidRequest`."""
    if not is_tidy(text.strip(), LONGEST_NAME):
        raise InvalidRequest(f"name must be 1 to {LONGEST_NAME} printable characters.", param="name")
    return text.strip()


def read_reason(call: Call) -> str | None:
    """Read why, from the body or the query. Raises `InvalidRequest`."""
    reason = (call.body.reason if call.body is not None else None) or call.query.get("reason") or None
    if reason is not None and not is_tidy(reason.strip(), LONGEST_REASON):
        raise InvalidRequest(f"reason must be 1 to {LONGEST_REASON} printable characters.", param="reason")
    return None if reason is None else reason.strip()


def _issued(issued: IssuedKey) -> Object:
    return _key(Changed(issued.key, issued.audit_id)) | {"key": issued.secret}


def _key(changed: Changed[ApiKey]) -> Object:
    return key_fields(changed.now) | {"audit_id": changed.audit_id}
