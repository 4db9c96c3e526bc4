"""Which commands Discord knows and which it should: what a sync would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of commands; nothing is to be done where all are empty."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether Discord knows exactly what it should."""
        return not (self.added or self.changed or self.removed)


def compare(known: Sequence[Mapping[str, object]], wanted: Sequence[Mapping[str, object]]) -> Difference:
    """Compare by name; what Discord adds by itself (ids, versions, defaults) does not count."""
    there = {str(command.get("name")): command for command in known}
    ours = {str(command["name"]): command for command in wanted}
    return Difference(
        tuple(name for name in ours if name not in there),
        tuple(name for name, command in ours.items() if name in there and not _covers(there[name], command)),
        tuple(name for name in there if name not in ours),
    )


def _covers(known: object, wanted: object) -> bool:
    """Whether everything that is wanted is there; a list must be of equal length."""
    if isinstance(wanted, Mapping):
        return isinstance(known, Mapping) and all(
            _covers(known.get(name), value) or _is_default(known.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        here = known if isinstance(known, list) else []
        return len(here) == len(wanted) and all(map(_covers, here, wanted))
    return known == wanted


def _is_default(known: object, wanted: object) -> bool:
    return known is None and (wanted is False or wanted == [])
