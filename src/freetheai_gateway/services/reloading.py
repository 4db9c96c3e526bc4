"""What a reload of the configuration did, would do, or why it was refused: values between `app` and the admin API."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from freetheai_gateway.domain.audit import Action, AuditEntry
from freetheai_gateway.ids import new_id

CONFIGURATION = "configuration"
"""The subject of a reload in the audit list."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a configuration; `line` counts from 1. No text holds a secret's value."""

    where: str
    message: str
    hint: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """`changed` names, by table, the entries that were added (`+`), removed (`-`) or changed (`~`).

    `fields` says what is different in the changed ones, such as `providers.zai.api_keys`: places, never values.
    `needs_restart` are places that differ but are never reloaded. Where there are `mistakes` nothing was changed.
    """

    changed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fields: Sequence[str] = ()
    needs_restart: Sequence[str] = ()
    mistakes: Sequence[Mistake] = ()


class Reload(Protocol):
    """Reads the configuration again."""

    def __call__(self, *, dry_run: bool) -> Awaitable[ReloadOutcome]:
        """Take it over whole, or only say what that would change."""
        ...


def reload_entry(outcome: ReloadOutcome, at: float, actor: str, reason: str | None = None) -> AuditEntry:
    """Make the audit entry of a reload that was done."""
    return AuditEntry(
        id=new_id("aud"),
        at=at,
        actor=actor,
        action=Action.CONFIGURATION_RELOADED.value,
        subject=CONFIGURATION,
        reason=reason,
        after=outcome.changed,
    )
