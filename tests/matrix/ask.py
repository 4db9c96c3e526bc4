"""What a client asks, in no dialect's form: scenarios are written in it, clients say it, upstreams must hear it."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from freetheai_gateway.testing.voices import Call

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64."""


class Forecast(BaseModel):
    """The structured answer of the scenario of that name; the SDKs make its JSON schema and read it back."""

    city: str
    degrees: int


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that is offered."""

    name: str
    description: str
    schema: dict[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave back."""

    call: Call
    text: str
    picture: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One side speaks. `replayed` is an earlier reply as the SDK gave it, sent back as its documentation shows."""

    role: str
    text: str = ""
    picture: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()
    replayed: object = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A whole request."""

    turns: tuple[Turn, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    forced: str = ""
    forecast: bool = False
    """Asks for a `Forecast`."""
    stop: tuple[str, ...] = ()
    thinks: bool = False
    max_tokens: int = 4000
    more: dict[str, object] = field(default_factory=dict)
    """Further fields, as the client's dialect writes them."""


def user(text: str, *, picture: str = "", results: tuple[Result, ...] = ()) -> Turn:
    """Make a user turn."""
    return Turn("user", text, picture=picture, results=results)


def assistant(text: str, *, calls: tuple[Call, ...] = ()) -> Turn:
    """Make an assistant turn."""
    return Turn("assistant", text, calls=calls)
