"""Warnings: what works and is probably not meant so."""

from collections.abc import Callable, Mapping

import pytest

from freetheai_gateway.settings import Loaded

PROVIDER = '[[providers]]\nname = "zai"\napi = "openai"\nbase_url = "https://api.z.ai/v4"\napi_keys = ["k"]\n'
MODEL = '[[models]]\nid = "glm/a"\n[[models.upstreams]]\nprovider = "zai"\nmodel = "m"\n'
FAMILY = '[[families]]\nname = "Core"\nmodels = ["glm/*"]\n'
GOOD = PROVIDER + MODEL + FAMILY
DISCORD = '[discord]\napplication_id = "112233445566778899"\nguild_id = "112233445566778899"\n'

CASES: list[tuple[str, dict[str, str], list[tuple[str, str, str]]]] = [
    ("", {}, []),
    (GOOD, {}, []),
    (GOOD + FAMILY.replace("Core", "Twin"), {}, [("families[1].models", "no model belongs to family Twin", "")]),
    (GOOD + FAMILY.replace("Core", "Pro").replace("glm", "pro"), {},
     [("families[1].models", "no model belongs to family Pro", "")]),
    (GOOD.replace("glm/*", "*/a").replace('"glm/a"', '"glm/b"'), {},
     [("models[0].id", "glm/b is in no family", 'it counts as "Other", open to tier Starter'),
      ("families[0].models", "no model belongs to family Core", "")]),
    (PROVIDER + MODEL, {}, [("families", "none is named", 'every model is in family "Other", open to tier Starter')]),
    (GOOD.replace('["k"]', "[]"), {},
     [("providers[0].api_keys", "no key is set: its models are listed and answer 503",
       'for a server without keys write any word: api_keys = ["none"]')]),
    (GOOD.replace('["k"]', '["env:A"]'), {},
     [("providers[0].api_keys", "no key is set: its models are listed and answer 503",
       'environment variable "A" is not set')]),
    (GOOD.replace('["k"]', '["env:A", "env:B"]'), {"A": "k"},
     [("providers[0].api_keys[1]", 'environment variable "B" is not set', "the other keys are used")]),
    (GOOD.replace('base_url = "https://api.z.ai/v4"\n', ""), {},
     [("providers[0].base_url", "is not set: requests and keys go to OpenAI", "set it to the vendor's address")]),
    (DISCORD, {},
     [("discord.public_key", "is not set", "Discord is off until it is"),
      ("discord.bot_token", 'environment variable "DISCORD_BOT_TOKEN" is not set', "Discord is off until it is")]),
    (DISCORD + f'public_key = "{"ab" * 32}"', {"DISCORD_BOT_TOKEN": "t"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "environ", "expected"), CASES)
def test_load_when_something_looks_unmeant_then_warned(
    load_text: Callable[[str, Mapping[str, str]], Loaded],
    text: str,
    environ: dict[str, str],
    expected: list[tuple[str, str, str]],
) -> None:
    """A warning has a place, words and a hint like a problem, and stops nothing."""
    loaded = load_text(text, environ)
    found = [(warning.where, warning.message, warning.hint) for warning in loaded.warnings]
    assert sorted(found) == sorted(expected)
