"""Mistakes that show only when two places are compared."""

from collections.abc import Callable

import pytest

Judge = Callable[..., list[tuple[str, str, str]]]

PROVIDER = '[[providers]]\nname = "zai"\napi = "openai"\n'
UPSTREAM = '[[models.upstreams]]\nprovider = "zai"\nmodel = "m"\n'
MODEL = '[[models]]\nid = "glm/a"\n' + UPSTREAM
GOOD = PROVIDER + MODEL


def tier(level: int, name: str) -> str:
    """Write a tier."""
    return f'[[tiers]]\nlevel = {level}\nname = "{name}"\nrequests_per_minute = 1\nconcurrency = 1\n'


def model(extra: str, upstream: str = UPSTREAM) -> str:
    """Write a provider and a model with more keys."""
    return f'{PROVIDER}[[models]]\nid = "glm/a"\n{extra}\n{upstream}'


REFERENCES = [
    (GOOD.replace('provider = "zai"', 'provider = "zay"'), "models[0].upstreams[0].provider",
     'no provider is called "zay"', 'did you mean "zai"?'),
    (GOOD.replace('provider = "zai"', 'provider = "qqqqq"'), "models[0].upstreams[0].provider",
     'no provider is called "qqqqq"', "providers: zai"),
    (GOOD + '[[aliases]]\nmatch = "x*"\nmodel = "glm/b"', "aliases[0].model", 'no model has the id "glm/b"',
     'did you mean "glm/a"?'),
    (model('replaced_by = "zzz"'), "models[0].replaced_by", 'no model has the id "zzz"', "models: glm/a"),
    (model('replaced_by = "glm/a"'), "models[0].replaced_by", "the model replaces itself", ""),
    (model("tier = 9"), "models[0].tier", "no tier has level 9", "levels: 1, 2, 3, 4, 5"),
    ("[access]\ndefault_tier = 6", "access.default_tier", "no tier has level 6", "levels: 1, 2, 3, 4, 5"),
    (tier(2, "Two"), "access.default_tier", "no tier has level 1", "levels: 2"),
    ('[[families]]\nname = "F"\nmodels = ["local/*"]\nminimum_tier = 7', "families[0].minimum_tier",
     "no tier has level 7", "levels: 1, 2, 3, 4, 5"),
    ("[discord.tier_roles]\n112233445566778899 = 8", "discord.tier_roles.112233445566778899", "no tier has level 8",
     "levels: 1, 2, 3, 4, 5"),
]  # fmt: skip

DUPLICATES = [
    (GOOD + MODEL, "models[1].id", '"glm/a" is already models[0]', ""),
    (PROVIDER + GOOD, "providers[1].name", '"zai" is already providers[0]', ""),
    (tier(1, "One") + tier(1, "Two"), "tiers[1].level", "level 1 is already tiers[0]", ""),
    (tier(1, "One") + tier(3, "Three") + tier(2, "Two"), "tiers[2].level", "levels must ascend", "tiers[1] has 3"),
    (tier(1, "One") + tier(2, "One"), "tiers[1].name", '"One" is already tiers[0]', ""),
    ('[[families]]\nname = "F"\nmodels = ["local/*"]\n' * 2, "families[1].name", '"F" is already families[0]', ""),
    (GOOD + '[[aliases]]\nmatch = "x"\nmodel = "glm/a"\n[[aliases]]\nmatch = "X"\nmodel = "glm/a"', "aliases[1].match",
     '"x" is already aliases[0]', ""),
]  # fmt: skip

BELONGING = [
    ("[server]\nworkers = 2", "server.workers", "more than one worker needs counts that they share",
     'set limits.backend = "redis://HOST:6379/0", or workers = 1'),
    ("[health]\ndegraded_from = 0.6", "health.down_from", "must not be below health.degraded_from", ""),
    ("[usage]\nrollup_days = 1", "usage.rollup_days", "must not be below usage.raw_days", ""),
    (model("", upstream=""), "models[0].upstreams", "the model can't be had anywhere",
     "add [[models.upstreams]], or retired = true"),
    (model('kind = "image"\nfeatures = ["generate"]'), "models[0].upstreams[0].provider",
     'api "openai" serves no image model', "apis for image: openai-images, gemini-images, fal, bfl, ark, sketch"),
    (GOOD.replace('"openai"', '"fal"'), "models[0].upstreams[0].provider", 'api "fal" serves no chat model',
     "apis for chat: openai, openai-responses, anthropic, gemini, llamacpp"),
    (model('features = ["tools", "edit"]'), "models[0].features[1]", '"edit" is no feature of chat models',
     "allowed: tools, reasoning, structured_outputs"),
    (model('kind = "embedding"\nfeatures = ["tools"]'), "models[0].features[0]",
     '"tools" is no feature of embedding models', "allowed: none"),
    (model('kind = "image"').replace('"openai"', '"fal"'), "models[0].features",
     "an image model must generate, edit or both", 'features = ["generate"]'),
    (GOOD.replace('"openai"', '"llamacpp"\nbase_url = "http://127.0.0.1:8080"'), "providers[0].base_url",
     'api "llamacpp" takes no base_url', 'for a llama.cpp server elsewhere use api = "openai"'),
    (GOOD.replace('"openai"', '"openai"\nthreads = 2'), "providers[0].threads", 'api "openai" takes no threads',
     'for api = "llamacpp" only'),
    ('[[providers]]\nname = "s"\napi = "sketch"\napi_keys = ["k"]', "providers[0].api_keys",
     'api "sketch" takes no api_keys', "it runs inside the gateway"),
    ('[[providers]]\nname = "local"\napi = "openai"', "providers[0].name",
     '"local" is the provider of the demonstration model', "name it differently, or name models of your own"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"), [*REFERENCES, *DUPLICATES, *BELONGING], ids=lambda value: value[-40:]
)
def test_places_when_they_contradict_then_named_once(
    judge: Judge, text: str, where: str, message: str, hint: str
) -> None:
    """One contradiction gives one problem, at the place that has to change."""
    assert (where, message, hint) in judge(text)
    assert [found for found in judge(text) if found[0] == where] == [(where, message, hint)]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        model('retired = true\nreplaced_by = "glm/b"', upstream="") + MODEL.replace("glm/a", "glm/b"),
        '[server]\nworkers = 4\n[limits]\nbackend = "redis://localhost:6379/0"',
        '[[providers]]\nname = "local"\napi = "llamacpp"\nthreads = 2',
        model('kind = "embedding"'),
        "models = []\nfamilies = []\naliases = []\nproviders = []",
    ],
)
def test_configuration_when_nothing_contradicts_then_no_problem(judge: Judge, text: str) -> None:
    """The rules refuse nothing that works."""
    assert judge(text) == []
