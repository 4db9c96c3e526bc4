"""Turns that came in another dialect, written so that any compatible server takes them.

One leading system message; then user and assistant messages in turn; behind an assistant message with calls one tool
message per call, and nothing between. Blank text is left out, and so is a message that is empty without it.
"""

from collections.abc import Iterable

from freetheai_gateway.dialects.openai_chat.reasoning import OWN, detail_of
from freetheai_gateway.dialects.openai_chat.render_calls import (
    NO_OUTPUT,
    foreign_call,
    foreign_result,
    tool_message,
)
from freetheai_gateway.dialects.openai_chat.render_parts import Json, PartWriter
from freetheai_gateway.domain.conversation import (
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
from freetheai_gateway.domain.pools import Quirks

_PARAGRAPH = "\n\n"
_SYSTEM_NOTE = "[System note]\n"
_ORPHAN = "[Result of an earlier tool call]\n"
_INSTRUCTIONS = frozenset({Role.SYSTEM, Role.DEVELOPER})
_NOT_KEPT = "."
"""Stands for reasoning that another model did, where an upstream refuses calls without any, an empty one too (Kimi)."""
_BRIDGE: Json = {"role": "assistant", "content": "Understood."}
"""Stands between tool results and what the user says next, where an upstream wants an answer there."""


def foreign_messages(turns: tuple[Turn, ...], writer: PartWriter, quirks: Quirks) -> list[Json]:
    """Write all turns."""
    start = next((place for place, turn in enumerate(turns) if turn.role not in _INSTRUCTIONS), len(turns))
    messages = _system(turns[:start], writer)
    open_calls: tuple[str, ...] = ()
    for role, parts in _coalesced(turns[start:]):
        if role is Role.ASSISTANT:
            messages += _unanswered(open_calls, writer)
            messages += _assistant(parts, writer, reasoning_replay=quirks.reasoning_replay)
            open_calls = tuple(part.id for part in parts if isinstance(part, ToolCall))
        else:
            said = _user(parts, open_calls, writer)
            if quirks.reply_after_results and len(said) > len(open_calls) > 0:
                said.insert(len(open_calls), _BRIDGE)
            messages += said
            open_calls = ()
    return messages + _unanswered(open_calls, writer)


def _system(turns: Iterable[Turn], writer: PartWriter) -> list[Json]:
    texts: list[str] = []
    for part in (part for turn in turns for part in turn.parts):
        if not isinstance(part, Text):
            writer.part(part)
            continue
        writer.note_cache(part.cache)
        if part.text.strip():
            texts.append(part.text)
    return [{"role": "system", "content": _PARAGRAPH.join(texts)}] if texts else []


def _coalesced(turns: Iterable[Turn]) -> list[tuple[Role, list[Part]]]:
    """Join neighbours that one side says; later system turns become notes in what the user says."""
    joined: list[tuple[Role, list[Part]]] = []
    for turn in turns:
        role, parts = turn.role, list(turn.parts)
        if role in _INSTRUCTIONS:
            role = Role.USER
            parts = [Text(_SYSTEM_NOTE + part.text) if isinstance(part, Text) else part for part in parts]
        if joined and joined[-1][0] is role:
            joined[-1][1].extend(parts)
        else:
            joined.append((role, parts))
    return joined


def _assistant(parts: list[Part], writer: PartWriter, *, reasoning_replay: bool) -> list[Json]:
    text = _running_text(parts, writer)
    calls = [foreign_call(part, writer, signed=reasoning_replay) for part in parts if isinstance(part, ToolCall)]
    if not text and not calls:
        return []
    message: Json = {"role": "assistant", "content": text or None}
    message |= _reasoning(parts, writer, replay=reasoning_replay)
    if calls:
        message["tool_calls"] = calls
        if reasoning_replay:
            message.setdefault("reasoning_content", _NOT_KEPT)
    return [message]


def _running_text(parts: list[Part], writer: PartWriter) -> str:
    """Join the text: pieces that follow each other as they are, those around something else as paragraphs."""
    runs: list[str] = []
    joins = False
    for part in parts:
        if isinstance(part, Text | Refusal):
            if isinstance(part, Text):
                writer.note_cache(part.cache)
            if joins:
                runs[-1] += part.text
            else:
                runs.append(part.text)
            joins = True
            continue
        joins = False
        if not isinstance(part, Thinking | RedactedThinking | ToolCall):
            writer.part(part)
    return _PARAGRAPH.join(run for run in runs if run.strip())


def _reasoning(parts: list[Part], writer: PartWriter, *, replay: bool) -> Json:
    """Write the reasoning that came from an upstream of this dialect; what another vendor signed stays here."""
    thinking = [part for part in parts if isinstance(part, Thinking | RedactedThinking)]
    kept = [part for part in thinking if replay and part.vendor in {"", OWN}]
    if len(kept) < len(thinking):
        writer.drop("thinking")
    written: Json = {}
    plain = "".join(part.text for part in kept if isinstance(part, Thinking))
    if plain:
        written["reasoning_content"] = plain
    if any(_is_secret(part) for part in kept):
        written["reasoning_details"] = [detail_of(part, place, minted=False) for place, part in enumerate(kept)]
    return written


def _is_secret(part: Thinking | RedactedThinking) -> bool:
    return isinstance(part, RedactedThinking) or bool(part.signature)


def _user(parts: list[Part], open_calls: tuple[str, ...], writer: PartWriter) -> list[Json]:
    """Write results first, in the order of the calls, then one message with everything else."""
    attached: list[Json] = []
    answers: dict[str, Json] = {}
    rest: list[Json] = []
    for part in parts:
        if isinstance(part, ToolResult):
            message = foreign_result(part, writer, attached)
            if part.call_id in open_calls and part.call_id not in answers:
                answers[part.call_id] = message
            else:
                rest.append({"type": "text", "text": f"{_ORPHAN}{message['content']}"})
        elif not _is_blank(part) and (written := writer.part(part)) is not None:
            rest.append(written)
    tools = [answers.get(call_id) or tool_message(call_id, NO_OUTPUT, writer) for call_id in open_calls]
    content = attached + rest
    return [*tools, {"role": "user", "content": _plainest(content)}] if content else tools


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _plainest(content: list[Json]) -> str | list[Json]:
    """Give text alone as a string, which every server takes."""
    if all(part["type"] == "text" for part in content):
        return _PARAGRAPH.join(str(part["text"]) for part in content)
    return content


def _unanswered(open_calls: tuple[str, ...], writer: PartWriter) -> list[Json]:
    """Answer calls that the history leaves open: servers refuse a history where one is."""
    return [tool_message(call_id, NO_OUTPUT, writer) for call_id in open_calls]
