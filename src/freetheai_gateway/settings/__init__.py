"""The configuration: one frozen, typed tree, read once.

`find_config` says which file counts, `load` reads and judges it. Nothing else of the package reads a setting from
the environment.
"""

from freetheai_gateway.settings.catalogue import (
    Alias,
    CallTimeouts,
    Family,
    KeyLimits,
    Model,
    Price,
    Provider,
    Quirks,
    Tier,
    Upstream,
)
from freetheai_gateway.settings.defaults import DEMONSTRATION_LABEL, listening_on, local_url
from freetheai_gateway.settings.load import Loaded, default_settings, find_config, load
from freetheai_gateway.settings.problems import Problem, SettingsInvalid, problems_as_text
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Settings

__all__ = [
    "DEMONSTRATION_LABEL",
    "Alias",
    "CallTimeouts",
    "Family",
    "KeyLimits",
    "Loaded",
    "Model",
    "Price",
    "Problem",
    "Provider",
    "Quirks",
    "Secret",
    "Settings",
    "SettingsInvalid",
    "Tier",
    "Upstream",
    "default_settings",
    "find_config",
    "listening_on",
    "load",
    "local_url",
    "problems_as_text",
]
