"""Neutral parts one after the other: what the pieces of a reply become, opened and closed as they change."""

from freetheai_gateway.dialects.openai_chat.reasoning import OWN
from freetheai_gateway.domain.conversation import RedactedThinking
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    SignatureGiven,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    WholePart,
)

TEXT = TextStarted()
REFUSAL = RefusalStarted()
THINKING = ThinkingStarted(OWN)
SUMMARY = ThinkingStarted(OWN, summary=True)

_MAX_BLANK_CHARACTERS = 1024
"""Leading white space that is waited with; more is let through."""


class PartSequence:
    """Appends events to `out`. Text that is only white space opens no part until more comes."""

    __slots__ = ("_blank", "_open", "count", "out")

    def __init__(self) -> None:
        self.out: list[Event] = []
        self.count = 0
        """Parts so far."""
        self._open: PartStart | None = None
        self._blank = ""

    def say(self, start: PartStart, text: str) -> None:
        """Add to the open part if it is of the same kind, else to a new one."""
        if not text:
            return
        if self._open is not start:
            if start is TEXT:
                text = self._blank + text
                self._blank = ""
                if text.isspace() and len(text) < _MAX_BLANK_CHARACTERS:
                    self._blank = text
                    return
            self.begin(start)
        self.out.append(Delta(self.count - 1, text))

    def sign(self, signature: str) -> None:
        """Sign the open reasoning, or one without text, and end it."""
        if self._open is not THINKING and self._open is not SUMMARY:
            self.begin(THINKING)
        self.out.append(SignatureGiven(self.count - 1, signature))
        self.end()

    def redacted(self, data: str) -> None:
        """Add reasoning that can't be read."""
        self.begin(WholePart(RedactedThinking(data, OWN)))
        self.end()

    def begin(self, start: PartStart) -> None:
        """End the open part and begin another."""
        self.end()
        if not isinstance(start, TextStarted):
            self._blank = ""
        self._open = start
        self.out.append(PartStarted(self.count, start))
        self.count += 1

    def call(self, start: ToolCallStarted, arguments: str) -> None:
        """Add a whole call."""
        self.begin(start)
        if arguments:
            self.out.append(Delta(self.count - 1, arguments))
        self.end()

    def end(self) -> None:
        """End the open part, if there is one."""
        if self._open is not None:
            self._open = None
            self.out.append(PartEnded(self.count - 1))

    def close(self) -> None:
        """End everything; white space that was all there is becomes a text after all."""
        self.end()
        if self._blank and not self.count:
            self.begin(TEXT)
            self.out.append(Delta(self.count - 1, self._blank))
            self.end()
        self._blank = ""
