"""Efforts of reasoning, put into those that a model knows (`domain.pools.Quirks.efforts`)."""

from collections.abc import Sequence

_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OFF = "none"


def known_effort(effort: str, known: Sequence[str]) -> str | None:
    """Give the nearest effort below, else the nearest above; `None` where it must be left out.

    An empty `known` takes all, and a word that is none of the documented ones is left to the model.
    """
    if not known or effort in known or effort not in _ORDER:
        return effort
    ranks = sorted(_ORDER.index(word) for word in known if word in _ORDER and word != _OFF)
    if effort == _OFF or not ranks:
        return None
    below = [rank for rank in ranks if rank < _ORDER.index(effort)]
    return _ORDER[below[-1] if below else ranks[0]]
