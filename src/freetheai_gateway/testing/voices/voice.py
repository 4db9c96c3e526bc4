"""What the voices have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.answer import Answer, Asked, Trouble

Object = dict[str, object]
decode_object: jsonc.Decoder[Object] = jsonc.Decoder(Object)


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """One vendor's API.

    `paths`: the ends of the addresses it answers. `whole`: the body of a reply. `events`: a stream, one byte string
    per event. `broken_event`: the event that reports a failure in mid-stream. `broken_whole`: a failure that comes
    with a good status. `complaints`: what the vendor refuses in a request; empty = nothing.
    """

    name: str
    paths: tuple[str, ...]
    whole: Callable[[Answer, Asked], bytes]
    events: Callable[[Answer, Asked], list[bytes]]
    failure: Callable[[Trouble], Failure]
    broken_event: Callable[[], bytes]
    broken_whole: Callable[[], bytes]
    complaints: Callable[[bytes], list[str]]


def objects(value: object) -> list[Object]:
    """Read a list of objects; anything else is an empty one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def names(text: str) -> frozenset[str]:
    """Read a list of names with blanks between them."""
    return frozenset(text.split())


def unknown(place: str, fields: Object, known: frozenset[str]) -> list[str]:
    """Name the fields that the vendor does not know: each is a refused request."""
    return [f"{place}: unknown field {name}" for name in sorted(fields.keys() - known)]
