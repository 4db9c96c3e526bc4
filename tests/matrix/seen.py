"""What an upstream reads in the request it got: the four dialects' request bodies in one form, to be compared."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from freetheai_gateway.testing.voices import Call

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SeenResult:
    """A tool's result; `call` is the id of the call, or the tool's name where the dialect has no ids."""

    call: str
    text: str
    failed: bool = False
    """The model can see that the tool failed: a mark where the dialect has one, else words before the text."""


@dataclass(slots=True)
class SeenTurn:
    """Everything that one side says before the other speaks. Pictures of tool results count among `pictures`."""

    role: str
    text: str = ""
    pictures: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    results: list[SeenResult] = field(default_factory=list)
    thinking: str = ""
    signatures: list[str] = field(default_factory=list)

    def join(self, other: "SeenTurn") -> None:
        """Add what the same side says next."""
        self.text = "\n".join(filter(None, (self.text, other.text)))
        self.thinking += other.thinking
        for name in ("pictures", "calls", "results", "signatures"):
            getattr(self, name).extend(getattr(other, name))


@dataclass(slots=True)
class Seen:
    """A whole request."""

    turns: list[SeenTurn]
    system: str = ""
    tools: dict[str, Json] = field(default_factory=dict)
    choice: str = ""
    """The tool that must be called, `any`, `none`, or empty for the model's own choice."""
    schema: Json | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    thinks: bool = False


def merged(turns: Iterable[SeenTurn]) -> list[SeenTurn]:
    """Join neighbours of one role."""
    joined: list[SeenTurn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1].join(turn)
        else:
            joined.append(turn)
    return joined


def data_of(url: str) -> str:
    """Take the base64 out of a data URL of a PNG."""
    head, _, data = url.partition(";base64,")
    assert head == "data:image/png", head
    return data
