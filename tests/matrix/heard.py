"""What an official SDK made of a reply, and of a failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anthropic
import openai

from freetheai_gateway.testing.voices import Call, Spent


@dataclass(frozen=True, slots=True)
class Heard:
    """`stop` in the words of the client's dialect; `replay` is what its documentation says to send back."""

    model: str
    text: str
    calls: tuple[Call, ...]
    thinking: str
    refusal: str
    stop: str
    stop_sequence: str | None
    spent: Spent
    parsed: object
    replay: object


class Failed(Exception):
    """The SDK reported a failure; `status` is `None` where it came after a good head."""

    def __init__(self, status: int | None, kind: str, message: str, body: object = None) -> None:
        super().__init__(f"{status} {kind}: {message}")
        self.status = status
        self.kind = kind
        self.message = message
        self.body = body


@contextmanager
def failures() -> Iterator[None]:
    """Turn what the SDKs raise into `Failed`."""
    try:
        yield
    except openai.APIStatusError as error:
        raise Failed(error.status_code, error.code or error.type or "", error.message, error.body) from error
    except openai.APIError as error:
        raise Failed(None, error.type or error.code or "", error.message, error.body) from error
    except anthropic.APIStatusError as error:
        kind = getattr(error, "type", None) or ""
        started = error.response.status_code == 200
        raise Failed(None if started else error.status_code, kind, error.message, error.body) from error
