"""A first answer, rendered, and the work that follows it."""

from dataclasses import dataclass
from typing import Self

from freetheai_gateway.bot.answers import Message
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.key_desk.jobs import Work


@dataclass(frozen=True, slots=True)
class Answered:
    """What is sent back at once; `work` is started when it has been sent."""

    body: bytes
    work: Work | None = None

    @classmethod
    def of(cls, message: Message, work: Work | None = None) -> Self:
        """Render a message."""
        return cls(encode(message), work)
