"""Tier levels of the configuration: what an operator may name, and which one holds for an account."""

import typer

from freetheai_gateway.domain.accounts import Account, effective_tier
from freetheai_gateway.settings import Settings


def check_level(level: int, settings: Settings, option: str) -> None:
    """Refuse a level that the configuration does not have, as wrong usage of `option`."""
    if all(tier.level != level for tier in settings.tiers):
        known = ", ".join(f"{tier.level} ({tier.name})" for tier in settings.tiers)
        raise typer.BadParameter(
            f"{level} is no tier level of this configuration. Levels: {known}.", param_hint=f"'{option}'"
        )


def level_of(account: Account, settings: Settings) -> tuple[int, str]:
    """Tell the level that holds for an account, and why: `override`, `role` or `default`."""
    level, source = effective_tier(account, settings.access.default_tier)
    if any(tier.level == level for tier in settings.tiers):
        return level, source
    # A level that the configuration no longer has. Asked for only here: the catalogue is slow to import.
    from freetheai_gateway.app.offers import build_catalogue

    return build_catalogue(settings).tier(level).level, source
