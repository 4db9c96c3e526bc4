"""The configuration files of this suite: one provider that is the scripted upstream, durations at a fiftieth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MODEL = "test/scripted"
"""Whatever the upstream was told to play under the name `scripted`."""
PLAIN = "test/plain"
"""Always a plain answer."""
ABOVE = "plus/big"
"""A model of tier 3."""
UNSET = "unset/model"
"""A model whose provider has no key."""
MUTE = "test/mute"
"""A model whose provider takes the connection and never begins TLS."""
SLASHES = "deep/er/vendor:model-1.5"

STARTER, MEMBER, REGULAR, CAPPED = 1, 2, 3, 4
"""Tiers: 10 requests a minute and 1 at a time; 1 at a time; 3 at a time; 2 answers a day."""

Value = str | int | float | bool
UNHURRIED: Mapping[str, Value] = {
    "header_s": 5.0,
    "progress_s": 10.0,
    "idle_s": 10.0,
    "keepalive_comment_s": 0.2,
    "discard_s": 2.0,
}
"""Timeouts of the edge for tests that are about something else."""
FIFTIETH: Mapping[str, Value] = {
    "header_s": 0.2,
    "progress_s": 0.6,
    "idle_s": 1.2,
    "keepalive_comment_s": 0.2,
    "discard_s": 0.5,
}
"""A fiftieth of the defaults (but for `discard_s`, which must cover the sending of a large body)."""

FORGIVING: Mapping[str, Value] = {
    "attempts": 1,
    "breaker_failures": 1_000_000,
    "dead_key_s": 0.000_001,
    "max_cooldown_s": 0.000_001,
}
"""Every request is sent once, and no failure is held against an upstream: for tests that are about something else."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs between the gateways of this suite."""

    upstream_url: str
    mute_url: str = "https://127.0.0.1:9/v1"
    edge: Mapping[str, Value] = field(default_factory=lambda: UNHURRIED)
    server: Mapping[str, Value] = field(default_factory=dict)
    access: Mapping[str, Value] = field(default_factory=dict)
    pools: Mapping[str, Value] = field(default_factory=lambda: FORGIVING)
    window_s: float = 60.0
    site_name: str = "FreeTheAi"
    timeouts: str = "{ connect_s = 1, first_byte_s = 1.5, idle_s = 1.5, total_s = 18 }"


_ACCESS = f"""\
[[tiers]]
level = {STARTER}
name = "Starter"
requests_per_minute = 10
concurrency = 1

[[tiers]]
level = {MEMBER}
name = "Member"
requests_per_minute = 5000
concurrency = 1

[[tiers]]
level = {REGULAR}
name = "Regular"
requests_per_minute = 5000
concurrency = 3

[[tiers]]
level = {CAPPED}
name = "Capped"
requests_per_minute = 5000
concurrency = 4
daily_requests = 2

[[families]]
name = "Core"
models = ["test/*", "deep/*", "unset/*"]
minimum_tier = {STARTER}

[[families]]
name = "Plus"
models = ["plus/*"]
minimum_tier = {REGULAR}
"""


def render(plan: Plan) -> str:
    """Write the configuration file."""
    return f"""
[site]
name = '{plan.site_name}'

[server]
{_lines(plan.server)}

[server.timeouts]
{_lines(plan.edge)}

[limits]
window_s = {plan.window_s}

[access]
{_lines(plan.access)}

[pools]
{_lines(plan.pools)}

{_ACCESS}
[[providers]]
name = "scripted"
api = "openai"
base_url = "{plan.upstream_url}"
api_keys = ["env:TEST_UPSTREAM_KEY"]
max_concurrency = 512
timeouts = {plan.timeouts}

[[providers]]
name = "unset"
api = "openai"
base_url = "{plan.upstream_url}"
api_keys = ["env:TEST_NO_SUCH_KEY"]

[[providers]]
name = "mute"
api = "openai"
base_url = "{plan.mute_url}"
api_keys = ["env:TEST_UPSTREAM_KEY"]
timeouts = {{ connect_s = 30, first_byte_s = 30, idle_s = 30, total_s = 60 }}
{"".join(_model(alias, provider, name) for alias, provider, name in _MODELS)}"""


_MODELS = (
    (MODEL, "scripted", "scripted"),
    (PLAIN, "scripted", "plain"),
    (ABOVE, "scripted", "plain"),
    (SLASHES, "scripted", "plain"),
    (UNSET, "unset", "plain"),
    (MUTE, "mute", "plain"),
)


def _model(alias: str, provider: str, name: str) -> str:
    return f"""
[[models]]
id = "{alias}"
kind = "chat"
context_window = 8192
max_output_tokens = 1024
inputs = ["text", "image"]
features = ["tools", "structured_outputs"]

[[models.upstreams]]
provider = "{provider}"
model = "{name}"
"""


def _lines(values: Mapping[str, Value]) -> str:
    return "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
