"""Turns that came in this dialect, written as they came; only what the API would refuse is put right.

Blank texts are left out, with the messages that nothing is left of; tool results stand first in their turn; system
turns at the beginning stand in `system`.
"""

from itertools import takewhile

from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block, Writer, is_visible
from freetheai_gateway.domain.conversation import Role, Text, ToolResult, Turn
from freetheai_gateway.jsonc import Raw

System = str | list[Block | Raw]


def write_own_turns(turns: tuple[Turn, ...], writer: Writer) -> tuple[System | None, list[Block]]:
    """Write `system` (`None` = nothing to say) and `messages`."""
    leading = tuple(takewhile(lambda turn: turn.role is Role.SYSTEM, turns))
    messages = [write_own_message(turn, writer) for turn in turns[len(leading) :]]
    return _system(leading, writer), [message for message in messages if message is not None]


def _system(turns: tuple[Turn, ...], writer: Writer) -> System | None:
    content = [_content(turn, writer) for turn in turns]
    if len(content) == 1:
        return content[0] or None
    blocks: list[Block | Raw] = []
    for entry in content:
        blocks.extend([{"type": "text", "text": entry}] if isinstance(entry, str) else entry)
    return blocks or None


def write_own_message(turn: Turn, writer: Writer) -> Block | None:
    """Write one message; `None` where nothing is left of it."""
    content = _content(turn, writer)
    return {"role": turn.role.value, "content": content, **turn.native} if content else None


def _content(turn: Turn, writer: Writer) -> System:
    """Write the parts of a turn; an empty answer means that nothing is left of it."""
    if len(turn.parts) == 1 and isinstance(turn.parts[0], Text) and turn.parts[0].as_plain:
        return turn.parts[0].text if is_visible(turn.parts[0].text) else ""
    results_first = sorted(turn.parts, key=lambda part: not isinstance(part, ToolResult))
    return writer.blocks(tuple(results_first if turn.role is Role.USER else turn.parts))
