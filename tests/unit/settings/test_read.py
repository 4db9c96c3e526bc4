"""Mistakes in single values: each with its place, its words and the way out."""

from collections.abc import Callable

import pytest

Judge = Callable[..., list[tuple[str, str, str]]]

PROVIDER = '[[providers]]\nname = "p"\napi = "openai"\n'
MODEL = '[[models]]\nid = "a/b"\n[[models.upstreams]]\nprovider = "p"\nmodel = "m"\n'
TIER = '[[tiers]]\nlevel = 1\nname = "One"\nrequests_per_minute = 1\nconcurrency = 1\n'

TYPES = [
    ("[server]\nport = 'x'", "server.port", "expected an integer, got a string", ""),
    ("[server]\nport = 8000.0", "server.port", "expected an integer, got a float", ""),
    ("[server]\nworkers = true", "server.workers", "expected an integer, got a boolean", ""),
    ("[server]\ndrain_timeout_s = 1979-05-27", "server.drain_timeout_s", "expected a number, got a date", ""),
    ("[access]\ncheck_in = 1", "access.check_in", "expected a boolean, got an integer", ""),
    ("[site]\nname = 5", "site.name", "expected a string, got an integer", "put it in quotes"),
    ("[site]\nname = 07:32:00", "site.name", "expected a string, got a time", "put it in quotes"),
    ("[site]\nname = ['x']", "site.name", "expected a string, got an array", ""),
    ("site = 3", "site", "expected a table, got an integer", ""),
    ("[server]\ncors_origins = '*'", "server.cors_origins", "expected an array, got a string", ""),
    ("[models]\nid = 'a/b'", "models", "expected an array, got a table", "write [[models]]"),
    ("models = [5]", "models[0]", "expected a table, got an integer", ""),
    ("[discord]\noperators = [112233445566778899]", "discord.operators[0]", "expected a string, got an integer",
     "put it in quotes"),
    (PROVIDER + "headers = []", "providers[0].headers", "expected a table, got an array", ""),
    (PROVIDER + "headers = { x-team = 1 }", "providers[0].headers.x-team", "expected a string, got an integer",
     "put it in quotes"),
    (PROVIDER + MODEL.replace("[[models.upstreams]]", "retires_at = 1979-05-27T07:32:00Z\n[[models.upstreams]]"),
     "models[0].retires_at", "expected a date, got a date with a time", "put it in quotes"),
    (PROVIDER + '[[models]]\nid = "a/b"\n[models.upstreams]\nprovider = "p"', "models[0].upstreams",
     "expected an array, got a table", "write [[models.upstreams]]"),
]  # fmt: skip

RANGES = [
    ("[server]\nport = 65536", "server.port", "65536 is out of range", "allowed: 0 to 65535"),
    ("[server]\nport = -1", "server.port", "-1 is out of range", "allowed: 0 to 65535"),
    ("[server]\nworkers = 0", "server.workers", "0 is out of range", "allowed: 1 or more"),
    ("[server]\nmax_body_bytes = 99999999999999999999", "server.max_body_bytes", "is too large", ""),
    ("[server]\ndrain_timeout_s = -0.5", "server.drain_timeout_s", "-0.5 is out of range", "allowed: 0 or more"),
    ("[server.timeouts]\nheader_s = 0", "server.timeouts.header_s", "0 is out of range", "allowed: more than 0"),
    ("[limits]\nwindow_s = inf", "limits.window_s", "is no finite number", ""),
    ("[limits]\nwindow_s = nan", "limits.window_s", "is no finite number", ""),
    ("[images]\nkeep_s = 3601", "images.keep_s", "3601 is out of range", "allowed: more than 0 to 3600"),
    ("[health]\ndown_from = 1.5", "health.down_from", "1.5 is out of range", "allowed: 0 to 1"),
    (TIER.replace("concurrency = 1", "concurrency = 0"), "tiers[0].concurrency", "0 is out of range",
     "allowed: 1 or more"),
    (PROVIDER + "timeouts = { idle_s = -1 }", "providers[0].timeouts.idle_s", "-1 is out of range",
     "allowed: more than 0"),
    (PROVIDER + "daily_budget_usd = -1", "providers[0].daily_budget_usd", "-1 is out of range", "allowed: 0 or more"),
    (PROVIDER + MODEL + "weight = 0", "models[0].upstreams[0].weight", "0 is out of range", "allowed: more than 0"),
    (PROVIDER + MODEL + "priority = 0", "models[0].upstreams[0].priority", "0 is out of range", "allowed: 1 or more"),
    (PROVIDER + MODEL + "price_usd = { per_image = -1 }", "models[0].upstreams[0].price_usd.per_image",
     "-1 is out of range", "allowed: 0 or more"),
]  # fmt: skip

UNKNOWN = [
    ("[server]\nhots = 'x'", "server.hots", "is no known key", 'did you mean "host"?'),
    ("[sever]\nhost = 'x'", "sever", "is no known key", 'did you mean "server"?'),
    ("concurrency_wait_s = 1", "concurrency_wait_s", "is no known key", "concurrency_wait_s belongs in [access]"),
    ("[access]\nshared_with_members = true", "access.shared_with_members", "is no known key",
     "shared_with_members belongs in [[providers]]"),
    ("[metrics]\nzzzzzz = 1", "metrics.zzzzzz", "is no known key", "known here: token"),
    ('[log]\n"a b" = 1', 'log."a b"', "is no known key", "known here: level, format"),
    (PROVIDER + "limits_per_key = { tokens_per_dya = 1 }", "providers[0].limits_per_key.tokens_per_dya",
     "is no known key", 'did you mean "tokens_per_day"?'),
    (PROVIDER + MODEL + "quirks = { dropp = [] }", "models[0].upstreams[0].quirks.dropp", "is no known key",
     'did you mean "drop"?'),
]  # fmt: skip

CHOICES = [
    ('[[providers]]\nname = "p"\napi = "opnai"', "providers[0].api", '"opnai" is not known', 'did you mean "openai"?'),
    (PROVIDER + '[[models]]\nid = "a/b"\nkind = "imag"\nretired = true', "models[0].kind", '"imag" is not known',
     'did you mean "image"?'),
    (PROVIDER + '[[models]]\nid = "a/b"\nfeatures = ["tool"]\nretired = true', "models[0].features[0]",
     '"tool" is not known', 'did you mean "tools"?'),
    (PROVIDER + '[[models]]\nid = "a/b"\ninputs = ["smell"]\nretired = true', "models[0].inputs[0]",
     '"smell" is not known', "allowed: text, image, audio, file"),
    ('[limits]\non_failure = "panic"', "limits.on_failure", '"panic" is not known', "allowed: local, allow, deny"),
    ('[log]\nlevel = "inof"', "log.level", '"inof" is not known', 'did you mean "info"?'),
    ('[discord.signup]\nchallenge = "image"', "discord.signup.challenge", '"image" is not known',
     "allowed: text, none"),
]  # fmt: skip

REQUIRED = [
    ('[[providers]]\nname = "p"', "providers[0].api", "is required", ""),
    ('[[families]]\nname = "F"', "families[0].models", "is required", ""),
    ('[[families]]\nname = "F"\nmodels = []', "families[0].models", "needs at least one entry", ""),
    ('[[aliases]]\nmatch = "x"', "aliases[0].model", "is required", ""),
    ('[[models]]\nname = "x"\nretired = true', "models[0].id", "is required", ""),
    ("tiers = []", "tiers", "needs at least one entry", ""),
    (TIER.replace("concurrency = 1", ""), "tiers[0].concurrency", "is required", ""),
    (PROVIDER + MODEL.replace('model = "m"', ""), "models[0].upstreams[0].model", "is required", ""),
]


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"), [*TYPES, *RANGES, *UNKNOWN, *CHOICES, *REQUIRED], ids=lambda value: value[:40]
)
def test_value_when_wrong_then_named_once(judge: Judge, text: str, where: str, message: str, hint: str) -> None:
    """One mistake gives one problem: where it is, what it is, what to do."""
    assert judge(text) == [(where, message, hint)]


def test_file_when_many_mistakes_then_all_are_named_in_its_order(judge: Judge) -> None:
    """Wrong values, unknown keys and dangling references come together, in the order of the file."""
    text = f"""
[server]
port = 99999
hots = "x"
{PROVIDER}{MODEL.replace('"p"', '"q"')}weight = -1
[nonsense]
"""
    assert [where for where, _, _ in judge(text)] == [
        "server.port",
        "server.hots",
        "models[0].upstreams[0].provider",
        "models[0].upstreams[0].weight",
        "nonsense",
    ]


def test_reference_to_an_entry_when_the_entry_has_no_readable_name_then_only_that_is_named(judge: Judge) -> None:
    """What follows from a mistake that is named already is not a second mistake."""
    assert [where for where, _, _ in judge('[[providers]]\nname = 5\napi = "openai"\n' + MODEL)] == [
        "providers[0].name"
    ]
    assert [where for where, _, _ in judge(PROVIDER.replace('"openai"', '"x"') + MODEL)] == ["providers[0].api"]
    assert [where for where, _, _ in judge(TIER.replace("level = 1", "level = 0"))] == ["tiers[0].level"]
    kind_is_wrong = PROVIDER + MODEL.replace("[[models.u", 'kind = "x"\nfeatures = ["generate"]\n[[models.u')
    assert [where for where, _, _ in judge(kind_is_wrong)] == ["models[0].kind"]
    upstreams_are_wrong = PROVIDER + '[[models]]\nid = "a/b"\nupstreams = 5'
    assert [where for where, _, _ in judge(upstreams_are_wrong)] == ["models[0].upstreams"]
