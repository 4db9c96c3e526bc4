"""What is sent to the admin API. An unknown field is an error: a mistyped `unlimted` must not pass in silence."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from freetheai_gateway.domain.accounts import LONGEST_NAME, LONGEST_REASON

# For the document only: `read_name` and `read_reason` judge, in words that are the same everywhere.
_PRINTABLE: dict[str, Any] = {"minLength": 1, "description": "Printable characters on one line."}
Name = Annotated[str, Meta(extra_json_schema=_PRINTABLE | {"maxLength": LONGEST_NAME})]
Reason = Annotated[str, Meta(extra_json_schema=_PRINTABLE | {"maxLength": LONGEST_REASON})]


class Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every write may say why; the audit list keeps it."""

    reason: Reason | None = None


class NewAccount(Body, frozen=True):
    """An account with its first key."""

    name: Name
    """The key is called so too."""
    tier: int | None = None
    """Level of the tier that it gets, whatever its roles say; `null`: the tier of its roles, or the default."""
    unlimited: bool = False
    """No limits and every model: for operators."""


class AccountChange(Body, frozen=True):
    """Only what is named is changed."""

    name: Name | UnsetType = UNSET
    tier: int | UnsetType | None = UNSET
    """A level overrides, also downwards; `null` ends the override."""
    unlimited: bool | UnsetType = UNSET


class Suspension(Body, frozen=True):
    """The member is told the reason and the end."""

    until: str | None = None
    """`2026-12-31T18:00:00Z`, or `30m`, `2h`, `3d` from now; `null`: until it is lifted."""


class NewKey(Body, frozen=True):
    """One more key of an account."""

    name: Name


class ReloadRequest(Body, frozen=True):
    """Read the configuration again."""

    dry_run: bool = False
    """Only say what would change."""
