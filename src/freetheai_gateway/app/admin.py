"""The admin API put together, where somebody may use it; else its paths answer 404 as any other.

That is so where `server.admin_token` is set, or where people can sign in and `discord.operators` names somebody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.limits import Limits, Standing
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.standings import Standings
from freetheai_gateway.services.strangers import UnknownKeyBudget
from freetheai_gateway.web.admin.accounts import AdminAccounts
from freetheai_gateway.web.admin.endpoint import BASE, AdminEndpoint
from freetheai_gateway.web.admin.gate import AdminGate
from freetheai_gateway.web.admin.operations import AdminOperations, Operations
from freetheai_gateway.web.routes import Route
from freetheai_gateway.web.sessions import SessionGate

if TYPE_CHECKING:
    from freetheai_gateway.limits.shared import SharedLimiter

WRONG_TOKENS_A_MINUTE = 10
"""Of one address; then it has to wait for the rest of the minute, also with the right one."""
UNKNOWN_KEYS_A_MINUTE = 60
"""Of one address; then none of its keys is looked up for the rest of the minute but those that were known before."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Admin:
    """What the admin API is made of. `changed` is called after every write."""

    token: str | None
    operations: Operations
    changed: Callable[[], None]
    sessions: SessionGate | None = None
    """Where operators can sign in."""


def admin_routes(admin: Admin) -> list[Route]:
    """Build the route of the admin API, or none."""
    if not admin.token and admin.sessions is None:
        return []
    parts = admin.operations
    gate = AdminGate(admin.token, RefusalGuard(limit=WRONG_TOKENS_A_MINUTE), parts.clock, admin.sessions)
    table = [
        *AdminAccounts(parts.accounts, parts.directory, parts.clock).routes,
        *AdminOperations(parts).routes,
    ]
    endpoint = AdminEndpoint(gate, table, admin.changed)
    return [Route(BASE, dict.fromkeys(_METHODS, endpoint), OpenAIChat(), top=True, takes_rest="rest")]


def unknown_key_budget(clock: Clock) -> UnknownKeyBudget:
    """Make the budget of keys that nobody has."""
    return UnknownKeyBudget(RefusalGuard(limit=UNKNOWN_KEYS_A_MINUTE), clock)


def standings_of(limiter: "MemoryLimiter | SharedLimiter") -> Standings:
    """Ask whoever counts."""

    async def standings(account_id: str, limits: Limits) -> Sequence[Standing]:
        return (await limiter.standings_of({account_id: limits}))[account_id]

    return standings
