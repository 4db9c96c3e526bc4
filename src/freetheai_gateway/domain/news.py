"""What other processes are to know of providers, and what they are asked before an upstream is tried. Sans-IO.

A fleet's gates report to its `News`, which outlives every reload. Where nobody listens, a process decides by what it
has seen itself.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from freetheai_gateway.domain.gates import Gate


class GateName(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which gate: of an upstream (`key` empty), of a key (`model` empty), or of a key for one model.

    `place` is the fingerprint of the provider's address, `key` that of the key: processes whose configurations differ
    do not take one for the other.
    """

    provider: str
    place: str
    model: str = ""
    key: str = ""


class Change(StrEnum):
    """What happened to a gate."""

    SHUT = "shut"
    OPENED = "opened"
    LEFT = "left"
    """Its try ended without saying anything."""


Listener = Callable[[GateName, "Gate", Change], None]


class Tries(Protocol):
    """Lets one process at a time try what is left alone."""

    async def claim(self, names: Sequence[GateName]) -> bool:
        """Ask for the right to try; it ends with the next change of these gates. `False`: somebody else has it."""
        ...


class News:
    """Where gates report to. `processes`: for how many of them one that counts alone counts."""

    __slots__ = ("listener", "processes", "tries")

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self.listener: Listener | None = None
        self.tries: Tries | None = None

    def tell(self, name: GateName, gate: "Gate", change: Change) -> None:
        """Pass a change on."""
        if self.listener is not None:
            self.listener(name, gate, change)
