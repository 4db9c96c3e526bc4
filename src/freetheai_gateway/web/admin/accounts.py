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
        one, suspension = "accounts/{id}", "accounts/{id}/suspension"
        state, reason = answers.ChangedAccount, ("reason",)
        return [
            AdminRoute(
                "GET",
                "accounts",
                "List the accounts, the oldest first",
                self.list_accounts,
                answers.AccountRow,
                query=(*LIST, "search"),
                is_list=True,
            ),
            AdminRoute(
                "POST",
                "accounts",
                "Make an account with its first key",
                self.create_account,
                answers.OpenedAccount,
                body=NewAccount,
                status=201,
            ),
            AdminRoute("GET", one, "Show an account with its keys", self.show_account, answers.WholeAccount),
            AdminRoute(
                "PATCH",
                one,
                "Change name, tier or limits of an account",
                self.change_account,
                state,
                body=AccountChange,
            ),
            AdminRoute("PUT", suspension, "Suspend an account", self.suspend, state, body=Suspension),
            AdminRoute("DELETE", suspension, "End a suspension", self.restore, state, body=Body, query=reason),
            AdminRoute(
                "GET",
                "accounts/{id}/keys",
                "List the keys of an account",
                self.list_keys,
                answers.KeyRow,
                query=LIST,
                is_list=True,
            ),
            AdminRoute(
                "POST",
                "accounts/{id}/keys",
                "Give an account one more key",
                self.create_key,
                answers.IssuedKey,
                body=NewKey,
                status=201,
            ),
            AdminRoute(
                "GET",
                "keys",
                "List all keys, the oldest first",
                self.list_keys,
                answers.KeyRow,
                query=LIST,
                is_list=True,
            ),
            AdminRoute("GET", "keys/{id}", "Show a key", self.show_key, answers.KeyRow),
            AdminRoute(
                "POST", "keys/{id}/rotate", "Replace a key by a new one", self.rotate_key, answers.IssuedKey, body=Body
            ),
            AdminRoute(
                "DELETE", "keys/{id}", "Revoke a key", self.revoke_key, answers.ChangedKey, body=Body, query=reason
            ),
        ]

    async def list_accounts(self, call: Call) -> Object:
        """Answer `GET accounts`."""
        accounts, cursor = await self._store.list_accounts(call.page, search=call.query.get("search", ""))
        return page_of([self._row(account) for account in accounts], cursor)

    async def create_account(self, call: Call) -> Object:
        """Answer `POST accounts`."""
        body = call.sent(NewAccount)
        self._check_tier(body.tier)
        issued = await self._desk(call).open_account(
            read_name(body.name), tier=body.tier, unlimited=body.unlimited, reason=read_reason(call)
        )
        account = self._changed(Changed(issued.account, issued.audit_id))
        return account | {"key": _issued(issued)}

    async def show_account(self, call: Call) -> Object:
        """Answer `GET accounts/{id}`."""
        account = await self._desk(call).account(call.params["id"])
        keys, cursor = await self._store.list_keys(Page(), account_id=account.id)
        return self._state(account) | {"keys": [key_fields(key) for key in keys], "next_cursor": cursor}

    async def change_account(self, call: Call) -> Object:
        """Answer `PATCH accounts/{id}`."""
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
        """Answer `PUT accounts/{id}/suspension`."""
        until = self._until(call.sent(Suspension).until)
        suspended = await self._desk(call).suspend(call.params["id"], reason=read_reason(call), until=until)
        return self._changed(suspended)

    async def restore(self, call: Call) -> Object:
        """Answer `DELETE accounts/{id}/suspension`."""
        return self._changed(await self._desk(call).restore(call.params["id"], reason=read_reason(call)))

    async def list_keys(self, call: Call) -> Object:
        """Answer `GET keys` and `GET accounts/{id}/keys`."""
        account_id = call.params.get("id")
        if account_id is not None:
            await self._desk(call).account(account_id)
        keys, cursor = await self._store.list_keys(call.page, account_id=account_id)
        return page_of([key_fields(key) for key in keys], cursor)

    async def create_key(self, call: Call) -> Object:
        """Answer `POST accounts/{id}/keys`."""
        name = read_name(call.sent(NewKey).name)
        return _issued(await self._desk(call).add_key(call.params["id"], name, reason=read_reason(call)))

    async def show_key(self, call: Call) -> Object:
        """Answer `GET keys/{id}`."""
        key = await self._store.find_key(call.params["id"])
        if key is None:
            raise NotFound("There is no such key.")
        return key_fields(key)

    async def rotate_key(self, call: Call) -> Object:
        """Answer `POST keys/{id}/rotate`."""
        return _issued(await self._desk(call).rotate_key(call.params["id"], reason=read_reason(call)))

    async def revoke_key(self, call: Call) -> Object:
        """Answer `DELETE keys/{id}`."""
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
