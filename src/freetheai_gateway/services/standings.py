"""Where an account stands under its limits: how that is asked, and how it is shown to a member and to an operator."""

from collections.abc import Awaitable, Callable, Sequence

from freetheai_gateway.domain.limits import Limits, Standing

Standings = Callable[[str, Limits], Awaitable[Sequence[Standing]]]
"""Tells where an account stands, wherever counts are kept."""


def limit_fields(standing: Standing) -> dict[str, object]:
    """Show where an account stands under one rule."""
    return {
        "rule": standing.rule.value,
        "limit": standing.limit,
        "used": standing.used,
        "remaining": standing.remaining,
        "reset_s": round(standing.reset_s, 3),
    }
