"""What a Claude model takes, read from its name: the API refuses what a generation no longer, or not yet, knows.

Source: Anthropic API reference, "Thinking", "Effort", "Structured outputs", and the deprecations per model.
"""

import re
from dataclasses import dataclass

_NEW_NAME = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OLD_NAME = re.compile(r"claude-(\d)(?:[-.](\d))?(?!\d)")
_NEWEST = (99, 0)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`thinking`: adaptive or with a budget or not at all; `sampling`: takes temperature, top_p, top_k."""

    is_claude: bool
    adaptive_thinking: bool
    manual_thinking: bool
    structured_outputs: bool
    extended_effort: bool
    """Knows the effort `xhigh`."""
    sampling: bool


def capabilities_of(model: str) -> Capabilities:
    """Read a model's name. Other vendors' models behind this API are taken to know what all Claude models knew."""
    if "claude" not in model.lower():
        return Capabilities(
            is_claude=False,
            adaptive_thinking=False,
            manual_thinking=True,
            structured_outputs=False,
            extended_effort=False,
            sampling=True,
        )
    version = _version(model.lower())
    return Capabilities(
        is_claude=True,
        adaptive_thinking=version >= (4, 6),
        manual_thinking=(3, 7) <= version < (4, 6),
        structured_outputs=version >= (4, 5),
        extended_effort=version >= (4, 7),
        sampling=version < (4, 7),
    )


def _version(model: str) -> tuple[int, int]:
    found = _NEW_NAME.search(model) or _OLD_NAME.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST
