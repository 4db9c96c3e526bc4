"""What a scripted model says, in no vendor's form."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from freetheai_gateway import jsonc

_WORD = re.compile(r"\S+\s*|\s+")


class Ending(StrEnum):
    """Why the model stops. `REFUSED` = it says that it will not; `BLOCKED` = a filter took the prompt or the answer."""

    NATURAL = "natural"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    REFUSED = "refused"
    BLOCKED = "blocked"


class Trouble(StrEnum):
    """Why a vendor answers with an HTTP error."""

    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate limited"
    CONTEXT_TOO_LONG = "context too long"
    BAD_KEY = "bad key"
    BAD_REQUEST = "bad request"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool; vendors that give calls no id leave it out."""

    name: str
    arguments: dict[str, object]
    id: str = "call_0001"

    @property
    def json(self) -> str:
        """The arguments as JSON text."""
        return jsonc.encode(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens. `input_tokens` includes what the cache gave and took, `output_tokens` includes thinking."""

    input_tokens: int = 12
    output_tokens: int = 7
    cached_tokens: int = 0
    cache_written_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: thinking first, then text, then calls. `signature` proves the thinking, where a vendor signs it."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    signature: str = ""
    ending: Ending = Ending.NATURAL
    stop_sequence: str = ""
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is answered; `model` stands apart because one vendor names it in the address."""

    model: str
    body: bytes


def pieces(text: str) -> list[str]:
    """Cut a text into the words that a stream sends."""
    return _WORD.findall(text)


def halves(text: str) -> list[str]:
    """Cut JSON text in two, anywhere."""
    middle = len(text) // 2
    return [text[:middle], text[middle:]]
