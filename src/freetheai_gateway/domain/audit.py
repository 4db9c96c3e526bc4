"""What is kept of every change that an operator makes: who, what, on what, from what to what, why and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GATEWAY = "gateway"
"""Who acts where nobody asked: the gateway at its start."""
ADMIN = "admin"
"""Who acts with `server.admin_token`: whoever holds it."""
SIGNAL = "signal"
"""Who acts by SIGHUP: whoever may send signals to the gateway's process."""
HOLDER = "holder"
"""Who acts with a key of the account itself."""


class Action(StrEnum):
    """What was done. The words are stored and shown."""

    ACCOUNT_CREATED = "account.create"
    ACCOUNT_CHANGED = "account.change"
    """Tier, limits, name: `before` and `after` say which."""
    ACCOUNT_SUSPENDED = "account.suspend"
    ACCOUNT_RESTORED = "account.restore"
    ACCOUNT_ERASED = "account.erase"
    """With everything that says whose it was; entries of before keep no name."""
    KEY_CREATED = "key.create"
    KEY_ROTATED = "key.rotate"
    KEY_REVOKED = "key.revoke"
    CONFIGURATION_RELOADED = "configuration.reload"


@dataclass(frozen=True, slots=True)
class Note:
    """What the one who changes something says about it; the store adds what changed, in the same transaction.

    `actor` is `cli:<user of the machine>`, `admin`, `gateway`, `signal`, `holder` or `discord:<id>`.
    """

    id: str
    at: float
    actor: str
    action: Action
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit list. `subject` is the id of what was changed; values never hold a key."""

    id: str
    at: float
    actor: str
    action: str
    subject: str
    account_id: str | None = None
    """Whose it is, where it belongs to an account."""
    reason: str | None = None
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)
