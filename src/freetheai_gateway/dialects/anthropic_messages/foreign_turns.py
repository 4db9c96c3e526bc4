"""Turns that came in another dialect, put into the order that the Messages API demands.

System and developer turns become `system`, also those from the middle; neighbours of one role become one message;
every tool call is answered in the message after it, results first; ids are unique and in the accepted form. A result
without a call is told as text, a call without a result is answered in the caller's place.
"""

from dataclasses import dataclass, field, replace

from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block, Writer, is_visible
from freetheai_gateway.dialects.tool_names import safe
from freetheai_gateway.domain.conversation import (
    Opaque,
    Part,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw

_UNANSWERED = "no result"
_ORPHAN = "Result of a tool call that is no longer part of this conversation:"

Blocks = list[Block | Raw]


def write_foreign_turns(turns: tuple[Turn, ...], dropped: set[str]) -> tuple[Blocks, list[Block]]:
    """Write `system` and `messages`. Raises `InvalidRequest` where there is nothing to send."""
    instructions = [turn for turn in turns if turn.role in {Role.SYSTEM, Role.DEVELOPER}]
    speech = _merged([turn for turn in turns if turn.role in {Role.USER, Role.ASSISTANT}])
    if not speech and instructions:
        # A request needs a user's message: the last instruction is taken for one.
        speech = _merged([replace(instructions.pop(), role=Role.USER)])
    if not speech:
        raise InvalidRequest("messages has no content.", param="messages")
    writer = Writer(own=False, dropped=dropped)
    parts = tuple(part for turn in instructions for part in turn.parts)
    texts = tuple(part for part in parts if isinstance(part, Text))
    dropped.update(_kind(part) for part in parts if not isinstance(part, Text))
    return writer.blocks(texts), _Correspondence(dropped).messages(speech)


def _kind(part: Part) -> str:
    return part.kind if isinstance(part, Opaque) else "system"


def _merged(turns: list[Turn]) -> list[Turn]:
    """Join neighbours of one role; blank texts, and turns of nothing else, vanish first."""
    merged: list[Turn] = []
    for turn in turns:
        parts = tuple(part for part in turn.parts if not _is_blank(part))
        if not parts:
            continue
        if merged and merged[-1].role is turn.role:
            merged[-1] = replace(merged[-1], parts=merged[-1].parts + parts)
        else:
            merged.append(replace(turn, parts=parts))
    return merged


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not is_visible(part.text)


@dataclass(slots=True)
class _Correspondence:
    """Pairs calls with results while the messages are written one after the other."""

    dropped: set[str]
    taken: set[str] = field(default_factory=set)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    """Ids as sent of the calls of the last turn that have no result yet, by the caller's id."""
    count: int = 0

    def messages(self, turns: list[Turn]) -> list[Block]:
        """Write all turns; calls of the last one are answered too."""
        messages: list[Block] = []
        for turn in turns:
            if turn.role is Role.USER:
                self._append(messages, "user", self._answers(turn))
            else:
                self._append(messages, "user", self._missing())
                self._append(messages, "assistant", self._writer().blocks(_ended(turn, turns[-1]).parts))
        self._append(messages, "user", self._missing())
        return messages

    @staticmethod
    def _append(messages: list[Block], role: str, content: Blocks) -> None:
        if content:
            messages.append({"role": role, "content": content})

    def _writer(self) -> Writer:
        return Writer(own=False, dropped=self.dropped, id_of_call=self._id_of_call, id_of_result=self._id_of_result)

    def _id_of_call(self, given: str) -> str:
        self.count += 1
        base = safe(given) if given else f"toolu_{self.count}"
        sent, copy = base, 1
        while sent in self.taken:
            copy += 1
            sent = f"{base[:56]}_{copy}"
        self.taken.add(sent)
        self.waiting.setdefault(given, []).append(sent)
        return sent

    def _id_of_result(self, given: str) -> str:
        sent = self.waiting[given].pop(0)
        if not self.waiting[given]:
            del self.waiting[given]
        return sent

    def _answers(self, turn: Turn) -> Blocks:
        """Write results first, then what is missing, then everything else."""
        writer = self._writer()
        results: Blocks = []
        rest: Blocks = []
        for part in turn.parts:
            if isinstance(part, ToolResult) and part.call_id in self.waiting:
                results += writer.blocks((part,))
            elif isinstance(part, ToolResult):
                rest += writer.blocks((Text(_ORPHAN), *part.parts))
            else:
                rest += writer.blocks((part,))
        return results + self._missing() + rest

    def _missing(self) -> Blocks:
        ids = [sent for waiting in self.waiting.values() for sent in waiting]
        self.waiting.clear()
        return [{"type": "tool_result", "tool_use_id": sent, "content": _UNANSWERED, "is_error": True} for sent in ids]


def _ended(turn: Turn, last: Turn) -> Turn:
    """Cut blanks off the end of a reply that is to be continued: the API refuses them there."""
    final = turn.parts[-1]
    if turn is not last or not isinstance(final, Text):
        return turn
    return replace(turn, parts=(*turn.parts[:-1], replace(final, text=final.text.rstrip())))


def lacks_thinking(turns: tuple[Turn, ...], vendor: str) -> bool:
    """Tell whether the last assistant turn called tools without thinking of the vendor before.

    Thinking with a budget is refused then: the API wants such a turn to begin with it.
    """
    last = next((turn for turn in reversed(_merged(list(turns))) if turn.role is Role.ASSISTANT), None)
    if last is None or not any(isinstance(part, ToolCall) for part in last.parts):
        return False
    first = last.parts[0]
    return not (isinstance(first, Thinking | RedactedThinking) and first.vendor == vendor)
