"""`freetheai accounts`: look at accounts, set their tier, suspend and restore them, export and erase what is kept."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import (
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    PublicReasonOption,
    ReasonOption,
)
from freetheai_gateway.cli.output import Column, print_fields, print_json, print_page, print_table, print_text, say
from freetheai_gateway.cli.session import Session, in_session, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freetheai_gateway.domain.accounts import Account, AccountFields, ApiKey
    from freetheai_gateway.services.admin_view import Object
    from freetheai_gateway.settings import Settings

COLUMNS = (
    Column("id", "ACCOUNT"),
    Column("name", "NAME"),
    Column("tier", "TIER", is_number=True),
    Column("tier_source", "SOURCE"),
    Column("unlimited", "UNLIMITED"),
    Column("state", "STATE"),
    Column("discord_id", "DISCORD"),
    Column("created_at", "CREATED"),
)
KEY_COLUMNS = (
    Column("id", "KEY"),
    Column("prefix", "PREFIX"),
    Column("name", "NAME"),
    Column("created_at", "CREATED"),
    Column("revoked_at", "REVOKED"),
)
_PAGE = 1_000

app = typer.Typer(no_args_is_help=True, help="Look at accounts, set their tier, suspend, export, erase.")

AccountArgument = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="Id of the account, acc_…; freetheai accounts list shows it.")
]
PersonArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id of the account, or its Discord id.")]


@app.command("list")
def list_accounts(
    *,
    search: Annotated[
        str,
        typer.Option(
            "--search", metavar="TEXT", help="Only accounts whose name holds this, or whose id or Discord id it is."
        ),
    ] = "",
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the accounts, oldest first."""
    from freetheai_gateway.cli.rows import account_row
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.ports import Page

    settings = read_settings(config)
    accounts, next_cursor = in_session(
        settings, lambda session: session.accounts.list_accounts(Page(limit, cursor), search=search)
    )
    now_s = SystemClock.wall()
    rows = [account_row(account, settings, now_s) for account in accounts]
    none = "There are no accounts. Make one: freetheai keys create --name NAME"
    empty = "No account is called so." if search else none
    print_page(rows, COLUMNS, as_json=as_json, next_cursor=next_cursor, empty=empty)


@app.command()
def show(*, account: AccountArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show an account with its keys."""
    from freetheai_gateway.cli.rows import account_row
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.admin_view import key_fields, pause_fields

    settings = read_settings(config)

    async def work(session: Session) -> "tuple[Account, Sequence[ApiKey]]":
        return await session.desk.account(account), await _keys_of(session, account)

    found, keys = in_session(settings, work)
    now_s = SystemClock.wall()
    fields = account_row(found, settings, now_s) | pause_fields(found, now_s)
    rows = [key_fields(key) for key in keys]
    if as_json:
        print_json(fields | {"keys": rows})
        return
    print_fields(fields, as_json=False)
    if rows:
        print_text("")
        print_table(rows, KEY_COLUMNS)


@app.command()
def tier(
    *,
    account: AccountArgument,
    level: Annotated[int | None, typer.Argument(metavar="LEVEL", help="Level of the tier that it gets.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Go back to the tier of its roles, or the default.")] = False,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Set the tier of an account, whatever its roles say."""
    from freetheai_gateway.cli.tiers import check_level

    if (level is None) is not clear:
        raise typer.BadParameter("name a level, or --clear, and not both.", param_hint="'LEVEL'")
    settings = read_settings(config)
    if level is not None:
        check_level(level, settings, "LEVEL")
    _change(settings, account, {"tier_override": level}, reason, as_json=as_json)


@app.command()
def unlimited(
    *,
    account: AccountArgument,
    off: Annotated[bool, typer.Option("--off", help="Let the limits of its tier hold again.")] = False,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take the limits of an account away, or give them back.

    Without limits every model may be called at any rate: for operators, not for members.
    """
    _change(read_settings(config), account, {"unlimited": not off}, reason, as_json=as_json)


@app.command()
def suspend(
    *,
    account: AccountArgument,
    reason: PublicReasonOption = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="WHEN", help="When it ends by itself: 2026-12-31T18:00:00Z, or 30m, 2h, 3d from now."
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Refuse the requests of an account, whichever key they bring."""
    settings = read_settings(config)
    until_s = None if until is None else _instant(until)
    changed = in_session(settings, lambda session: session.desk.suspend(account, reason=reason, until=until_s))
    _print_account(changed.now, settings, as_json=as_json)


@app.command()
def restore(
    *, account: AccountArgument, reason: ReasonOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """End a suspension; the account's keys work as before."""
    settings = read_settings(config)
    changed = in_session(settings, lambda session: session.desk.restore(account, reason=reason))
    _print_account(changed.now, settings, as_json=as_json)


@app.command()
def export(*, account: PersonArgument, config: ConfigOption = None) -> None:
    """Print what is kept about an owner, as one JSON object."""

    async def work(session: Session) -> "Object":
        return await session.personal.export(await _find(session, account))

    print_json(in_session(read_settings(config), work))


@app.command()
def delete(
    *,
    account: PersonArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Erase an account and what is known of its owner.

    Keys, sessions, usage, name and Discord id go, wherever they stand; sums over everybody stay. Its keys are refused
    within a second. This can't be undone. The same person can sign up again a day later; who was suspended can't while
    the suspension would have lasted.
    """
    settings = read_settings(config)
    if not yes and not _is_meant(account):
        raise typer.Exit(FAILED)

    async def work(session: Session) -> "tuple[str, str]":
        account_id = await _find(session, account)
        return account_id, await session.personal.erase(account_id, reason=reason)

    account_id, audit_id = in_session(settings, work)
    print_fields({"id": account_id, "erased": True, "audit_id": audit_id}, as_json=as_json)


def _is_meant(account: str) -> bool:
    """Ask whoever sits at the terminal; where nobody does the answer is no."""
    if not sys.stdin.isatty():
        say(f"Erasing can't be undone. If {account} is meant, add --yes.")
        return False
    return typer.confirm(f"Erase {account} for good?", err=True)


async def _find(session: Session, wanted: str) -> str:
    """Find an account by its id or its owner's Discord id. Raises `UnknownAccount`."""
    from freetheai_gateway.services.accounts import UnknownAccount
    from freetheai_gateway.services.ports import Page

    found, _ = await session.accounts.list_accounts(Page(_PAGE), search=wanted)
    for account in found:
        if wanted in {account.id, account.discord_id}:
            return account.id
    raise UnknownAccount(wanted)


def _change(settings: "Settings", account: str, fields: "AccountFields", reason: str | None, *, as_json: bool) -> None:
    changed = in_session(settings, lambda session: session.desk.change(account, fields, reason=reason))
    _print_account(changed.now, settings, as_json=as_json)


async def _keys_of(session: Session, account_id: str) -> "Sequence[ApiKey]":
    """Read all keys of an account, however many pages they fill."""
    from freetheai_gateway.services.ports import Page

    keys, cursor = await session.accounts.list_keys(Page(_PAGE), account_id=account_id)
    every = list(keys)
    while cursor is not None:
        keys, cursor = await session.accounts.list_keys(Page(_PAGE, cursor), account_id=account_id)
        every += keys
    return every


def _instant(text: str) -> float:
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.instants import read_instant

    try:
        return read_instant(text, SystemClock.wall())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--until'") from None


def _print_account(account: "Account", settings: "Settings", *, as_json: bool) -> None:
    from freetheai_gateway.cli.rows import account_row
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.admin_view import pause_fields

    now_s = SystemClock.wall()
    row = account_row(account, settings, now_s)
    print_fields(row if as_json else row | pause_fields(account, now_s), as_json=as_json)
