"""The catalogue: models, the tiers and families that say who may call them, and how a name is looked up."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.domain.pools import Upstream

NEAR_MATCHES = 3
OTHER_FAMILY = "Other"


class ModelKind(StrEnum):
    """What a model makes; each kind has its routes."""

    CHAT = "chat"
    IMAGE = "image"
    EMBEDDING = "embedding"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of access: `level` orders them, `name` is what people see, `limits` is what an account may do."""

    level: int
    name: str
    limits: Limits
    minimum_invites: int = 0
    images_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Models that need the same tier, named by patterns; the first family that matches a model decides."""

    name: str
    patterns: tuple[str, ...]
    minimum_tier: int


@dataclass(frozen=True, slots=True)
class Alias:
    """Sends names that are not in the catalogue to a model that is."""

    pattern: str
    model: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model as members see it. `tier_level` is the lowest level that may call it."""

    id: str
    kind: ModelKind
    name: str
    tier_level: int
    family: str
    upstreams: tuple[Upstream, ...]
    description: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    default_output_tokens: int | None = None
    """The output cap that is sent where the client names none."""
    inputs: tuple[str, ...] = ("text",)
    features: tuple[str, ...] = ()
    created: int = 0
    retired: bool = False
    retires_at: str | None = None
    replaced_by: str | None = None


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern fits a name: `*` stands for any characters, the rest is literal, case does not count."""
    return _compiled(pattern).fullmatch(name) is not None


_patterns: dict[str, re.Pattern[str]] = {}


def _compiled(pattern: str) -> re.Pattern[str]:
    known = _patterns.get(pattern)
    if known is None:
        text = ".*".join(re.escape(part) for part in pattern.split("*"))
        known = _patterns[pattern] = re.compile(text, re.IGNORECASE | re.DOTALL)
    return known


def family_of(model_id: str, families: Iterable[Family]) -> Family | None:
    """Find the first family that names the model."""
    for family in families:
        if any(matches(pattern, model_id) for pattern in family.patterns):
            return family
    return None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All models and tiers of one configuration; replaced whole by a reload."""

    models: Mapping[str, Model]
    tiers: tuple[Tier, ...]
    families: tuple[Family, ...] = ()
    aliases: tuple[Alias, ...] = ()
    default_tier: int = 1
    _tier_by_level: Mapping[int, Tier] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tier_by_level", {tier.level: tier for tier in self.tiers})

    def find(self, name: str) -> Model | None:
        """Look up a model by its exact id, else through the aliases."""
        model = self.models.get(name)
        if model is not None:
            return model
        for alias in self.aliases:
            if matches(alias.pattern, name):
                return self.models.get(alias.model)
        return None

    def near(self, name: str) -> list[str]:
        """Name the ids that someone who wrote `name` may have meant, best first."""
        by_lower = {model_id.lower(): model_id for model_id in self.models}
        wanted = name.lower()[:200]
        found = get_close_matches(wanted, by_lower, n=NEAR_MATCHES, cutoff=0.6)
        tails = [low for low in by_lower if wanted and low.rpartition("/")[2] == wanted.rpartition("/")[2]]
        return [by_lower[low] for low in dict.fromkeys([*tails, *found])][:NEAR_MATCHES]

    def tier(self, level: int) -> Tier:
        """Find the tier of a level; a level that no longer exists counts as the highest one below it."""
        exact = self._tier_by_level.get(level)
        if exact is not None:
            return exact
        lower = [tier for tier in self.tiers if tier.level <= level]
        return lower[-1] if lower else self.tiers[0]

    def tier_that_opens(self, model: Model) -> Tier | None:
        """Find the lowest tier that may call the model; `None` where no tier is high enough."""
        return next((tier for tier in self.tiers if tier.level >= model.tier_level), None)
