"""What the parent and its processes tell each other, over one pair of connected pipes per process.

Only processes of one node hold an end of it, so that values are pickled: among them is the whole configuration.
"""

from dataclasses import dataclass
from typing import TypeAlias

from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class Announce:
    """All workers serve: say so."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make what this configuration needs, and say whether it can be adopted."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Adopt:
    """Swap to what was prepared."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop what was prepared: another worker could not."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of the reload that this worker asked for under this number."""

    number: int
    outcome: ReloadOutcome


@dataclass(frozen=True, slots=True)
class Note:
    """Keep in the audit list what a reload changed that the parent was asked for by a signal."""

    outcome: ReloadOutcome


Order: TypeAlias = Announce | Prepare | Adopt | Forget | Reloaded | Note


@dataclass(frozen=True, slots=True)
class Started:
    """The process serves."""


@dataclass(frozen=True, slots=True)
class CannotStart:
    """Why the process ends: an exit code and a sentence for the operator."""

    code: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whether the configuration can be adopted; `reason` is the class of what stands against it."""

    agrees: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReloadWanted:
    """Someone asked this worker for a reload, or for what it would change."""

    number: int
    dry_run: bool


Report: TypeAlias = Started | CannotStart | Prepared | ReloadWanted
