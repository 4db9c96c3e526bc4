"""`freetheai audit`: who changed what, when and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from freetheai_gateway.cli.options import ConfigOption, CursorOption, JsonOption, LimitOption
from freetheai_gateway.cli.output import Column, print_page
from freetheai_gateway.cli.session import in_session, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freetheai_gateway.domain.audit import AuditEntry

COLUMNS = (
    Column("at", "WHEN"),
    Column("actor", "WHO"),
    Column("action", "WHAT"),
    Column("subject", "OF"),
    Column("change", "CHANGE"),
    Column("reason", "WHY"),
)


def audit(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Show changes to this account and its keys only.")
    ] = None,
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List who changed what, the newest first."""
    from freetheai_gateway.services.admin_view import audit_fields
    from freetheai_gateway.services.ports import Page

    entries, next_cursor = in_session(
        read_settings(config), lambda session: session.audit.list_entries(Page(limit, cursor), account_id=account)
    )
    rows = [audit_fields(entry) | ({} if as_json else {"change": _change(entry)}) for entry in entries]
    print_page(rows, COLUMNS, as_json=as_json, next_cursor=next_cursor, empty="Nothing was changed yet.")


def _change(entry: "AuditEntry") -> str:
    """Write what is different afterwards, as `tier_override 1 -> 3`."""
    names = dict.fromkeys((*entry.before, *entry.after))
    return ", ".join(_difference(name, entry.before, entry.after) for name in names if _differs(name, entry))


def _differs(name: str, entry: "AuditEntry") -> bool:
    return entry.before.get(name) != entry.after.get(name)


def _difference(name: str, before: "Mapping[str, object]", after: "Mapping[str, object]") -> str:
    if name not in before:
        return f"{name} {_word(after[name])}"
    if name not in after:
        return f"{name} {_word(before[name])}"
    return f"{name} {_word(before[name])} -> {_word(after[name])}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
