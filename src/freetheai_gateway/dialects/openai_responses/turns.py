"""Gathering a flat list of items into turns: what the model says between two inputs is one turn."""

from dataclasses import dataclass, field

from freetheai_gateway.dialects.openai_responses.marks import INSTRUCTIONS
from freetheai_gateway.domain.conversation import (
    Native,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)


@dataclass(slots=True)
class _Open:
    role: Role
    parts: list[Part]
    native: Native = field(default_factory=dict)
    holds_results: bool = False
    has_text: bool = False
    has_calls: bool = False


class Turns:
    """Takes parts in the order of their items."""

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        self._turns: list[_Open] = []

    def message(self, role: Role, parts: list[Part], native: Native) -> None:
        """Take a whole message of a user, the system or the developer: a turn of its own."""
        self._turns.append(_Open(role, parts, native))

    def said(self, *parts: Part) -> None:
        """Take what the model said; calls and what stands around them stay in one turn."""
        turn = self._last(Role.ASSISTANT)
        if turn is None or (turn.has_text and not turn.has_calls and isinstance(parts[0], Text | Refusal | Thinking)):
            turn = _Open(Role.ASSISTANT, [])
            self._turns.append(turn)
        turn.parts += parts
        turn.has_text = turn.has_text or any(isinstance(part, Text | Refusal) for part in parts)
        turn.has_calls = turn.has_calls or any(isinstance(part, ToolCall) for part in parts)

    def result(self, part: ToolResult) -> None:
        """Take a tool's output; those of one turn of calls stand together."""
        turn = self._last(Role.USER)
        if turn is None or not turn.holds_results:
            turn = _Open(Role.USER, [], holds_results=True)
            self._turns.append(turn)
        turn.parts.append(part)

    def opaque(self, part: Opaque) -> None:
        """Take an item that only this dialect knows; it never parts calls from their results.

        Before anything else it stands with the instructions, such as tools do that come first: the developer's
        messages behind it are still the beginning.
        """
        if not self._turns or INSTRUCTIONS in self._turns[-1].native:
            self._turns.append(_Open(Role.DEVELOPER, []))
        self._turns[-1].parts.append(part)

    def closed(self) -> tuple[Turn, ...]:
        """Give all turns."""
        return tuple(Turn(turn.role, tuple(turn.parts), native=turn.native) for turn in self._turns)

    def _last(self, role: Role) -> _Open | None:
        return self._turns[-1] if self._turns and self._turns[-1].role is role else None
