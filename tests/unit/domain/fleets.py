"""Small fleets for tests of choice: two or three upstreams, named by letters."""

from collections.abc import Iterator
from itertools import cycle

from freetheai_gateway.domain.choice import Draw
from freetheai_gateway.domain.fleet import Fleet, Seat
from freetheai_gateway.domain.pools import PoolPolicy, Terms, Upstream

WALL = 20_000 * 86_400.0


def fleet_of(**terms: Terms) -> Fleet:
    """Make a fleet of providers by name."""
    return Fleet(terms, PoolPolicy())


def seat(fleet: Fleet, name: str, *, priority: int = 1, weight: float = 1.0) -> Seat:
    """Take the seat of a provider's model `m`."""
    return Seat(Upstream(name, "m", priority=priority, weight=weight), fleet.providers[name])


def draws(*values: float) -> Draw:
    """Give these numbers again and again."""
    numbers: Iterator[float] = cycle(values)
    return lambda: next(numbers)
