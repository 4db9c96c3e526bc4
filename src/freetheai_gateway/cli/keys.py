"""`freetheai keys`: hand out, list, replace and revoke API keys."""

from typing import TYPE_CHECKING, Annotated

import typer

from freetheai_gateway.cli.options import (
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    ReasonOption,
    read_name,
)
from freetheai_gateway.cli.output import Column, print_fields, print_json, print_page, print_text, say
from freetheai_gateway.cli.session import Session, in_session, read_settings

if TYPE_CHECKING:
    from freetheai_gateway.services.accounts import IssuedKey
    from freetheai_gateway.settings import Settings

COLUMNS = (
    Column("id", "KEY"),
    Column("prefix", "PREFIX"),
    Column("name", "NAME"),
    Column("account_id", "ACCOUNT"),
    Column("created_at", "CREATED"),
    Column("revoked_at", "REVOKED"),
)

app = typer.Typer(no_args_is_help=True, help="Hand out, list, replace and revoke API keys.")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id of the key, key_…; freetheai keys list shows it.")]


@app.command()
def create(
    *,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the key is for, or whose it is.", callback=read_name)
    ],
    tier: Annotated[
        int | None, typer.Option("--tier", metavar="LEVEL", help="Give the new account this tier, not the default one.")
    ] = None,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Make the new account one without limits.")] = False,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="ACCOUNT", help="Give this account one more key; make no new account."),
    ] = None,
    reason: ReasonOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make an account with its first key, and print the key.

    The key is shown only now; it stands alone on the last line of stdout.
    """
    from freetheai_gateway.cli.tiers import check_level

    if account is not None and (tier is not None or unlimited):
        raise typer.BadParameter("--tier and --unlimited are for new accounts.", param_hint="'--account'")
    settings = read_settings(config)
    if tier is not None:
        check_level(tier, settings, "--tier")

    async def work(session: Session) -> "IssuedKey":
        if account is not None:
            return await session.desk.add_key(account, name, reason=reason)
        return await session.desk.open_account(name, tier=tier, unlimited=unlimited, reason=reason)

    _print_issued(in_session(settings, work), settings, as_json=as_json)


@app.command("list")
def list_keys(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Show the keys of this account only.")
    ] = None,
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the keys, oldest first, revoked ones too."""
    from freetheai_gateway.services.admin_view import key_fields
    from freetheai_gateway.services.ports import Page

    keys, next_cursor = in_session(
        read_settings(config),
        lambda session: session.accounts.list_keys(Page(limit, cursor), account_id=account),
    )
    rows = [key_fields(key) for key in keys]
    empty = "There are no keys. Make one: freetheai keys create --name NAME"
    print_page(rows, COLUMNS, as_json=as_json, next_cursor=next_cursor, empty=empty)


@app.command()
def rotate(
    *, key: KeyArgument, reason: ReasonOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Replace a key by a new one, and print that.

    The new key belongs to the same account; the old one is refused within a second.
    """
    settings = read_settings(config)
    issued = in_session(settings, lambda session: session.desk.rotate_key(key, reason=reason))
    _print_issued(issued, settings, as_json=as_json)


@app.command()
def revoke(
    *, key: KeyArgument, reason: ReasonOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Revoke a key; it is refused within a second."""
    from freetheai_gateway.services.admin_view import key_fields

    changed = in_session(read_settings(config), lambda session: session.desk.revoke_key(key, reason=reason))
    print_fields(key_fields(changed.now), as_json=as_json)


def _print_issued(issued: "IssuedKey", settings: "Settings", *, as_json: bool) -> None:
    from freetheai_gateway.cli.tiers import level_of

    level, _ = level_of(issued.account, settings)
    if as_json:
        key = issued.key
        print_json(
            {
                "id": key.id,
                "account_id": key.account_id,
                "name": key.name,
                "prefix": key.prefix,
                "key": issued.secret,
                "tier": level,
            }
        )
        return
    limits = "without limits" if issued.account.unlimited else f"on tier {level}"
    say(f"Key {issued.key.id} of account {issued.account.id}, {limits}. It is shown only now:")
    print_text(issued.secret)
