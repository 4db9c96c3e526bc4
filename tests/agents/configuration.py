"""The configuration file of the gateway that the agents use: one model on each kind of upstream."""

ANTHROPIC, CHAT, GEMINI = "on-anthropic/model", "on-chat/model", "on-gemini/model"
MODELS = {"anthropic_messages": ANTHROPIC, "openai_chat": CHAT, "gemini": GEMINI}
"""The models by the dialect of their upstream."""

_PROVIDERS = (
    ("anthropic", ANTHROPIC, "claude-sonnet-5", ""),
    ("openai", CHAT, "acting", "/v1"),
    ("gemini", GEMINI, "gemini-3-pro", ""),
)


def render(upstream_url: str) -> str:
    """Write the configuration file."""
    return _HEAD + "".join(_provider(api, alias, model, upstream_url + path) for api, alias, model, path in _PROVIDERS)


_HEAD = f"""
[[families]]
name = "Core"
models = ["on-*"]
minimum_tier = 1

# A name that begins like a vendor's own makes an agent work as it does with that model.
[[aliases]]
match = "*-on-anthropic"
model = "{ANTHROPIC}"

[[aliases]]
match = "*-on-chat"
model = "{CHAT}"

[[aliases]]
match = "*-on-gemini"
model = "{GEMINI}"

# Agents make small calls beside the conversation and name a vendor's model for them, whatever they were told to use.
[[aliases]]
match = "claude-*"
model = "{CHAT}"
"""


def _provider(api: str, alias: str, model: str, base_url: str) -> str:
    return f"""
[[providers]]
name = "{api}"
api = "{api}"
base_url = "{base_url}"
api_keys = ["env:TEST_UPSTREAM_KEY"]

[[models]]
id = "{alias}"
kind = "chat"
context_window = 200000
max_output_tokens = 32000
inputs = ["text", "image"]
features = ["tools", "reasoning", "structured_outputs"]

[[models.upstreams]]
provider = "{api}"
model = "{model}"
"""
