"""What an annotation in the tree can say about a value beside its type."""

from collections.abc import Callable
from dataclasses import dataclass


class BadValue(ValueError):
    """A value has the right type and is wrong all the same; the message never quotes a secret."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a number; `above` leaves the bound itself out."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None

    def check(self, number: float) -> None:
        """Raise `BadValue` for a number outside."""
        if (
            (self.at_least is not None and number < self.at_least)
            or (self.above is not None and number <= self.above)
            or (self.at_most is not None and number > self.at_most)
        ):
            raise BadValue(f"{number} is out of range", f"allowed: {self}")

    def __str__(self) -> str:
        low = f"{self.at_least:g}" if self.at_least is not None else ""
        if self.above is not None:
            low = f"more than {self.above:g}"
        if self.at_most is None:
            return f"{low} or more" if self.at_least is not None else low
        return f"{low} to {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Form:
    """How a string must look: `parse` returns it in its final form or raises `BadValue`."""

    parse: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class MayBeMissing:
    """An `env:` or `file:` behind this value may be absent: the value is then left out and its feature is off."""


@dataclass(frozen=True, slots=True)
class UnlessSet:
    """The reference that an absent key stands for, such as `env:FREETHEAI_ADMIN_TOKEN`."""

    reference: str


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A list that must hold at least one entry."""
