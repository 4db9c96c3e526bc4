"""What works and is probably not meant so."""

from collections.abc import Iterator, Mapping

from freetheai_gateway.domain.catalogue import OTHER_FAMILY, matches
from freetheai_gateway.settings.problems import Problem
from freetheai_gateway.settings.tree import Settings


def warnings_of(settings: Settings, missing: Mapping[str, str], *, names_families: bool) -> list[Problem]:
    """Name what an operator should look at; `missing` says which references were absent, by place.

    `settings` is the tree before vendors' addresses are filled in.
    """
    return [
        *_keys(settings, missing),
        *_addresses(settings),
        *_families(settings, names_families=names_families),
        *_discord(settings, missing),
    ]


def _keys(settings: Settings, missing: Mapping[str, str]) -> Iterator[Problem]:
    for index, provider in enumerate(settings.providers):
        place = f"providers[{index}].api_keys"
        absent = [(where, text) for where, text in missing.items() if where.startswith(f"{place}[")]
        if not provider.is_set_up:
            reasons = "; ".join(text for _, text in absent)
            hint = reasons or 'for a server without keys write any word: api_keys = ["none"]'
            yield Problem(place, "no key is set: its models are listed and answer 503", hint)
        else:
            for where, text in absent:
                yield Problem(where, text, "the other keys are used")


def _addresses(settings: Settings) -> Iterator[Problem]:
    for index, provider in enumerate(settings.providers):
        if provider.api == "openai" and not provider.base_url and "openai" not in provider.name.lower():
            yield Problem(
                f"providers[{index}].base_url",
                "is not set: requests and keys go to OpenAI",
                "set it to the vendor's address",
            )


def _families(settings: Settings, *, names_families: bool) -> Iterator[Problem]:
    lowest = settings.tiers[0].name
    if not settings.families:
        hint = f'every model is in family "{OTHER_FAMILY}", open to tier {lowest}'
        yield Problem("families", "none is named", hint)
        return
    used: set[int] = set()
    for index, model in enumerate(settings.models):
        fitting = (
            position
            for position, family in enumerate(settings.families)
            if any(matches(pattern, model.id) for pattern in family.models)
        )
        family = next(fitting, None)
        if family is not None:
            used.add(family)
        elif names_families:
            yield Problem(
                f"models[{index}].id",
                f"{model.id} is in no family",
                f'it counts as "{OTHER_FAMILY}", open to tier {lowest}',
            )
    for position, named in enumerate(settings.families):
        if position not in used and names_families:
            yield Problem(f"families[{position}].models", f"no model belongs to family {named.name}")


def _discord(settings: Settings, missing: Mapping[str, str]) -> Iterator[Problem]:
    discord = settings.discord
    if settings.access.check_in and not discord.is_on:
        yield Problem("access.check_in", "asks for nothing: there is no /checkin without Discord", "set [discord] up")
    needed = ("application_id", "public_key", "guild_id", "bot_token")
    if discord.is_on or not any(getattr(discord, key) for key in needed[:3]):
        return
    for key in needed:
        if not getattr(discord, key):
            yield Problem(f"discord.{key}", missing.get(f"discord.{key}", "is not set"), "Discord is off until it is")
