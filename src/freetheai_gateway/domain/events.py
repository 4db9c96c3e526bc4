"""A reply in neutral form: events in one order, whichever dialect they came from and whether it was streamed.

    Started                                  once, first
    ( PartStarted  delta*  PartEnded )*      parts one after the other, numbered 0, 1, 2, …; never interleaved
    UsageReported*                           cumulative: the last one counts
    Finished                                 once, last; a reply without it was cut off

A parser guarantees that order whatever its upstream does (interleaved tool calls are held back until their turn);
a renderer may rely on it. A whole reply is the same events at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import Raw


class StopReason(StrEnum):
    """Why the model stopped; what dialects call it is theirs."""

    END = "end"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTEXT_FULL = "context_full"
    REFUSAL = "refusal"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Started:
    """The reply begins. `id` and `model` are the upstream's; renderers make ids of their own form where needed."""

    id: str
    model: str
    created: int = 0
    usage: Usage | None = None
    """Input counts where the dialect tells them at once."""


@dataclass(frozen=True, slots=True)
class TextStarted:
    """Text begins."""


@dataclass(frozen=True, slots=True)
class RefusalStarted:
    """A refusal begins."""


@dataclass(frozen=True, slots=True)
class ThinkingStarted:
    """Reasoning begins; `vendor` is the dialect whose signature it may carry, `summary` as in `Thinking`."""

    vendor: str = ""
    summary: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """A tool call begins; its id and name are whole and never empty."""

    id: str
    name: str
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str = ""
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class WholePart:
    """A part that dialects give in one piece: redacted thinking, or what only one dialect knows."""

    part: RedactedThinking | Opaque


PartStart = TextStarted | RefusalStarted | ThinkingStarted | ToolCallStarted | WholePart


@dataclass(frozen=True, slots=True)
class PartStarted:
    """Part number `index` begins."""

    index: int
    start: PartStart


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the open part: text, reasoning, or arguments, by what the part is. Never empty."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class SignatureGiven:
    """The signature of the open thinking part."""

    index: int
    signature: str


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The open part is complete."""

    index: int


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Usage so far; `cache_written_tokens` are part of `usage.input_tokens` too."""

    usage: Usage
    cache_written_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped. `detail` keeps a dialect's own words about it, for the same dialect only."""

    reason: StopReason
    stop_sequence: str | None = None
    detail: Raw | None = None


Event = Started | PartStarted | Delta | SignatureGiven | PartEnded | UsageReported | Finished


@dataclass(frozen=True, slots=True)
class Reply:
    """All events of a reply, folded."""

    id: str
    model: str
    created: int
    parts: tuple[Part, ...]
    usage: Usage
    cache_written_tokens: int
    finished: Finished


def fold(events: Iterable[Event]) -> Reply | None:
    """Fold events into a whole reply; `None` where they stop before `Finished`."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.reply()


class Folder:
    """Collects events one by one. Holds the whole reply: for clients that asked for one."""

    def __init__(self) -> None:
        self._started = Started("", "")
        self._open: PartStart | None = None
        self._text: list[str] = []
        self._signature: str | None = None
        self._parts: list[Part] = []
        self._usage = Usage()
        self._cache_written = 0
        self._finished: Finished | None = None

    def add(self, event: Event) -> None:
        """Take one more event."""
        match event:
            case Started():
                self._started = event
                self._usage = event.usage or Usage()
            case PartStarted(start=start):
                self._open, self._text, self._signature = start, [], None
            case Delta(text=text):
                self._text.append(text)
            case SignatureGiven(signature=signature):
                self._signature = signature
            case PartEnded():
                self._close()
            case UsageReported(usage=usage, cache_written_tokens=written):
                self._usage, self._cache_written = usage, written
            case Finished():
                self._finished = event

    def reply(self) -> Reply | None:
        """Give the reply once it is finished."""
        if self._finished is None:
            return None
        started = self._started
        return Reply(
            started.id,
            started.model,
            started.created,
            tuple(self._parts),
            self._usage,
            self._cache_written,
            self._finished,
        )

    def _close(self) -> None:
        text = "".join(self._text)
        match self._open:
            case TextStarted():
                self._parts.append(Text(text))
            case RefusalStarted():
                self._parts.append(Refusal(text))
            case ThinkingStarted(vendor=vendor, summary=summary):
                self._parts.append(Thinking(text, self._signature, vendor, summary))
            case ToolCallStarted() as call:
                self._parts.append(ToolCall(call.id, call.name, text, call.kind, call.namespace, call.signature))
            case WholePart(part=part):
                self._parts.append(part)
            case None:
                return
        self._open = None
