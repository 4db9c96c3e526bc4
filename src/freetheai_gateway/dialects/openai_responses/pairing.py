"""Calls and results of a foreign history in pairs, which this dialect insists on."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from freetheai_gateway.domain.conversation import Part, Role, Text, ToolCall, ToolResult, Turn

_NO_RESULT = (Text("no result"),)


def paired(turns: Sequence[Turn]) -> list[Turn]:
    """Answer calls that have no result, and give results of calls that are not there as what the user said."""
    answered = {part.call_id for turn in turns for part in turn.parts if isinstance(part, ToolResult)}
    called: set[str] = set()
    out: list[Turn] = []
    for turn in turns:
        out.append(replace(turn, parts=tuple(_without_orphans(turn.parts, called))))
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        called.update(call.id for call in calls)
        missing = [call for call in calls if call.id not in answered]
        if missing:
            results = (ToolResult(call.id, _NO_RESULT, is_error=True, kind=call.kind) for call in missing)
            out.append(Turn(Role.USER, tuple(results)))
    return out


def _without_orphans(parts: Iterable[Part], called: set[str]) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, ToolResult) and part.call_id not in called:
            yield from part.parts
        else:
            yield part
