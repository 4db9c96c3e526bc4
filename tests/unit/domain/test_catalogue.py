"""Names, patterns, families, aliases and tiers of the catalogue."""

import pytest

from freetheai_gateway.domain.catalogue import Alias, Catalogue, Family, Tier, family_of, matches
from freetheai_gateway.domain.limits import UNLIMITED
from freetheai_gateway.testing.offers import chat_model

IDS = ("glm/glm-5.1", "rev/claude-sonnet-4.5", "img/gpt-image-2", "vhr/flux_dev", "vhr/nano_banana_2")
TIERS = tuple(Tier(level, f"T{level}", UNLIMITED) for level in (1, 3, 5))


def _catalogue(*ids: str, aliases: tuple[Alias, ...] = ()) -> Catalogue:
    return Catalogue(models={name: chat_model(name) for name in ids or IDS}, tiers=TIERS, aliases=aliases)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("glm/glm-5.1", "glm/glm-5.1", True),
        ("glm/glm-5.1", "glm/glm-5x1", False),
        ("glm/glm-5.1", "glm/glm-5.1-air", False),
        ("glm/*", "glm/glm-5.1", True),
        ("glm/*", "xglm/glm-5.1", False),
        ("*-mini", "openai/gpt-9-mini", True),
        ("*-mini", "openai/gpt-9-mini-2", False),
        ("*haiku*", "claude-haiku-4-5", True),
        ("*haiku*", "haiku", True),
        ("claude-*haiku*", "claude-3-5-haiku-latest", True),
        ("GLM/*", "glm/Glm-5.1", True),
        ("*", "", True),
        ("*", "two\nlines", True),
        ("a[bc]*", "ab", False),
        ("a[bc]*", "a[bc]d", True),
    ],
)
def test_pattern_when_it_has_stars_then_only_they_are_special(pattern: str, name: str, fits: bool) -> None:
    """Exact, prefix, suffix and inner patterns; case does not count, everything else is literal."""
    assert matches(pattern, name) is fits


def test_pattern_when_it_backtracks_then_the_longest_name_is_judged_soon() -> None:
    """Four wildcards, the most that the configuration takes, against the longest model name."""
    assert not matches("*a*a*a*b", "a" * 256)


def test_family_when_several_match_then_the_first_decides() -> None:
    """Order is precedence; a model of no family has none."""
    families = (Family("Small", ("*-mini",), 1), Family("Core", ("glm/*", "rev/*"), 2), Family("All", ("glm/*",), 3))
    assert family_of("glm/x-mini", families) is families[0]
    assert family_of("glm/glm-5.1", families) is families[1]
    assert family_of("vhr/flux_dev", families) is None


def test_find_when_the_id_is_known_then_no_alias_is_looked_at() -> None:
    """Aliases answer only for names that are not in the catalogue, the first that matches."""
    aliases = (Alias("*", "vhr/flux_dev"), Alias("claude-*", "rev/claude-sonnet-4.5"))
    catalogue = _catalogue(aliases=aliases)
    found, aliased = catalogue.find("glm/glm-5.1"), catalogue.find("claude-haiku")
    assert found is not None
    assert found.id == "glm/glm-5.1"
    assert aliased is not None
    assert aliased.id == "vhr/flux_dev"


def test_find_when_nothing_fits_then_there_is_no_model() -> None:
    """Neither an unknown name nor an alias to a model that is gone gives one; ids are exact."""
    catalogue = _catalogue(aliases=(Alias("gone-*", "no/such"),))
    for name in ("gone-1", "GLM/GLM-5.1", "glm-5.1", ""):
        assert catalogue.find(name) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("glm/glm5.1", "glm/glm-5.1"),
        ("glm-5.1", "glm/glm-5.1"),
        ("GLM/GLM-5.1", "glm/glm-5.1"),
        ("zai/glm-5.1", "glm/glm-5.1"),
        ("claude-sonnet-4.5", "rev/claude-sonnet-4.5"),
        ("anthropic/claude-sonnet-4-5", "rev/claude-sonnet-4.5"),
        ("flux_dev", "vhr/flux_dev"),
        ("vhr/flux-dev", "vhr/flux_dev"),
    ],
)
def test_near_when_a_name_is_almost_right_then_it_comes_first(written: str, meant: str) -> None:
    """Lost dashes, other case, a missing or foreign prefix."""
    assert _catalogue().near(written)[0] == meant


@pytest.mark.parametrize("written", ["", "/", "zzz", "x" * 100_000, "\x00\u202e"])
def test_near_when_nothing_is_similar_then_nothing_is_named(written: str) -> None:
    """Noise suggests nothing, however long."""
    assert _catalogue().near(written) == []


def test_near_when_many_are_similar_then_three_are_named_once_each() -> None:
    """A sentence, not a list."""
    near = _catalogue("a/glm-5", "b/glm-5", "c/glm-5", "d/glm-5").near("glm-5")
    assert len(near) == len(set(near)) == 3


@pytest.mark.parametrize(
    ("level", "name"), [(1, "T1"), (2, "T1"), (3, "T3"), (4, "T3"), (5, "T5"), (9, "T5"), (0, "T1")]
)
def test_tier_when_its_level_is_gone_then_the_one_below_holds(level: int, name: str) -> None:
    """A level that a reload removed; below the lowest the lowest holds."""
    assert _catalogue().tier(level).name == name


@pytest.mark.parametrize(("needed", "name"), [(1, "T1"), (2, "T3"), (5, "T5"), (6, None)])
def test_tier_that_opens_is_the_lowest_that_is_high_enough(needed: int, name: str | None) -> None:
    """What a refusal names."""
    tier = _catalogue().tier_that_opens(chat_model(tier_level=needed))
    assert (tier and tier.name) == name
