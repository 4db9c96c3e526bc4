"""Upstreams: where a model can be had, what a call may take, and which upstream a request goes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from freetheai_gateway.domain.usage import Price


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one upstream call in seconds; `first_byte_s` and `idle_s` hold for streams only."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 300.0
    total_s: float = 900.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a model differs from its dialect, as data.

    `max_tokens_field`: the name this upstream knows for the output cap; empty = leave the client's.
    `drop`: top-level request fields it rejects.
    `reasoning_replay`: it wants the reasoning of earlier turns back.
    `tool_id_length`: ids of tool calls must be exactly so many letters and digits; 0 = any.
    `reply_after_results`: between tool results and what the user says next an assistant's message must stand.
    """

    max_tokens_field: str = ""
    drop: tuple[str, ...] = ()
    reasoning_replay: bool = False
    tool_id_length: int = 0
    reply_after_results: bool = False


@dataclass(frozen=True, slots=True)
class Upstream:
    """One place where a model can be had: a provider of the configuration and the model's name there."""

    provider: str
    model: str
    priority: int = 1
    weight: float = 1.0
    price: Price = field(default_factory=Price)
    quirks: Quirks = field(default_factory=Quirks)


def choose(upstreams: Sequence[Upstream], is_usable: Callable[[Upstream], bool], draw: float) -> Upstream | None:
    """Pick by priority, then by weight among equals; `draw` is a random number in [0, 1).

    `None` where no upstream is usable.
    """
    if len(upstreams) == 1:
        return upstreams[0] if is_usable(upstreams[0]) else None
    usable = [upstream for upstream in upstreams if is_usable(upstream)]
    if not usable:
        return None
    first = min(upstream.priority for upstream in usable)
    pool = [upstream for upstream in usable if upstream.priority == first]
    mark = draw * sum(upstream.weight for upstream in pool)
    for upstream in pool:
        mark -= upstream.weight
        if mark < 0:
            return upstream
    return pool[-1]
