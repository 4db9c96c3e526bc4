"""Secrets are strings that no `repr` and no problem shows."""

import pickle
from collections.abc import Callable

import pytest

from freetheai_gateway.settings import Loaded, Secret, SettingsInvalid

Load = Callable[..., Loaded]

WORD = "hunter2hunter2"
TEXT = f"""
[server]
admin_token = "{WORD}"
[database]
url = "postgresql://u:{WORD}@h/db"
[limits]
backend = "redis://:{WORD}@h:6379/0"
[metrics]
token = "env:TOKEN"
[[providers]]
name = "p"
api = "openai"
base_url = "https://{WORD}.example/v1"
api_keys = ["{WORD}", "env:TOKEN"]
proxy = "http://u:{WORD}@h:1"
headers = {{ x-team = "{WORD}" }}
[discord]
bot_token = "{WORD}"
client_secret = "{WORD}"
"""


def test_tree_when_shown_then_no_secret_in_it(load_text: Load) -> None:
    """The repr of the whole tree, of what holds it and of a secret alone hide the value; its use does not."""
    loaded = load_text(TEXT, {"TOKEN": WORD})
    key = loaded.settings.providers[0].api_keys[1]
    assert WORD not in repr(loaded) + repr(loaded.settings) + f"{loaded!s}" + repr(key) + f"{[key]}"
    assert f"Bearer {key}" == f"Bearer {WORD}"


def test_tree_when_pickled_then_equal(load_text: Load) -> None:
    """The tree can be handed to another process."""
    settings = load_text(TEXT, {"TOKEN": WORD}).settings
    copy = pickle.loads(pickle.dumps(settings))  # noqa: S301  # our own bytes
    assert copy == settings
    assert isinstance(copy.providers[0].api_keys[0], Secret)


@pytest.mark.parametrize(
    "text",
    [
        f'[server]\nadmin_token = "{WORD} {WORD}"',
        f'[database]\nurl = "mysql://u:{WORD}@h/db"',
        f'[database]\nurl = "postgresql://u:{WORD}@h"',
        f'[limits]\nbackend = "redis://:{WORD}@"',
        f'[limits]\nbackend = "{WORD}"',
        f'[metrics]\ntoken = "{WORD}\\n"',
        f'[[providers]]\nname = "p"\napi = "openai"\napi_keys = ["{WORD} "]',
        f'[[providers]]\nname = "p"\napi = "openai"\napi_keys = "{WORD}"',
        f'[[providers]]\nname = "p"\napi = "openai"\nproxy = "socks5://u:{WORD}@h"',
        f'[[providers]]\nname = "p"\napi = "openai"\nbase_url = "https://u:{WORD}@h"',
        f'[[providers]]\nname = "p"\napi = "openai"\nheaders = {{ a = "{WORD}\\n" }}',
        '[[providers]]\nname = "p"\napi = "openai"\napi_keys = ["env:BAD"]',
        f'[discord]\nbot_token = "{WORD} "',
        f'[discord]\nclient_secret = ["{WORD}"]',
        f'[server]\nadmin_token = "{WORD}',
    ],
)
def test_problem_when_a_secret_is_wrong_then_its_value_is_not_shown(load_text: Load, text: str) -> None:
    """Whatever is wrong with a secret, the words about it do not hold it."""
    with pytest.raises(SettingsInvalid) as invalid:
        load_text(text, {"BAD": f"{WORD}\n{WORD}"})
    assert WORD not in str(invalid.value) + repr(invalid.value) + repr(invalid.value.problems)
