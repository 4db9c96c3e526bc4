"""Turns written as input items."""

from collections.abc import Iterable, Iterator

from freetheai_gateway.dialects.openai_responses.content import text_type, write_part
from freetheai_gateway.dialects.openai_responses.fields import native_of, read_entry
from freetheai_gateway.dialects.openai_responses.marks import CONTENT, ITEM, MESSAGE
from freetheai_gateway.dialects.openai_responses.reasoning import OWN, unpack
from freetheai_gateway.dialects.tool_names import MAX_NAME_LENGTH, safe
from freetheai_gateway.domain.conversation import (
    Audio,
    Base64Source,
    File,
    FileIdSource,
    Image,
    Native,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
    Turn,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, Raw

_Content = Text | Image | File | Audio | Refusal
_NO_OUTPUT = "(no output)"
_FAILED = "ERROR: "


class ItemWriter:
    """Writes the turns of one conversation. `own`: it came in this dialect, so ids and groups are kept.

    `replay_reasoning`: unsigned reasoning goes to the upstream too. `dropped` names what could not be said.
    """

    def __init__(self, *, own: bool, with_cache: bool, replay_reasoning: bool) -> None:
        self._own = own
        self._with_cache = with_cache
        self._replay_reasoning = replay_reasoning
        self.dropped: list[str] = []

    def write(self, turns: Iterable[Turn]) -> list[object]:
        """Write turns in their order."""
        return [item for turn in turns for item in self._write_turn(turn)]

    def _write_turn(self, turn: Turn) -> Iterator[object]:
        parts = turn.parts if self._own else _results_first(turn.parts)
        envelope: Fields = native_of(turn.native) if self._own else {}
        group: list[_Content | Opaque] = []
        for part in parts:
            if isinstance(part, _Content) or (isinstance(part, Opaque) and part.kind.startswith(CONTENT)):
                mark = self._mark_of(part)
                if mark is not None:
                    yield from self._write_message(turn.role, group, envelope)
                    group, envelope = [], mark
                group.append(part)
                continue
            yield from self._write_message(turn.role, group, envelope)
            group, envelope = [], {}
            item = self._write_item(part)
            if item is not None:
                yield item
        yield from self._write_message(turn.role, group, envelope)

    def _mark_of(self, part: _Content | Opaque) -> Fields | None:
        mark = None if isinstance(part, Opaque) or not self._own else part.native.get(MESSAGE)
        return read_entry(mark) if mark is not None else None

    def _write_message(self, role: Role, group: list[_Content | Opaque], envelope: Fields) -> Iterator[object]:
        if not group:
            return
        first = group[0]
        if len(group) == 1 and isinstance(first, Text) and first.as_plain and (self._own or role is not Role.ASSISTANT):
            yield {**envelope, "role": role.value, "content": first.text}
            return
        content = [written for part in group if (written := self._write_content(part, role)) is not None]
        if not content:
            return
        if not self._own and role is Role.ASSISTANT:
            envelope = {"type": Raw(b'"message"')}
        yield {**envelope, "role": role.value, "content": content}

    def _write_content(self, part: Part, role: Role) -> object | None:
        if self._own:
            return write_part(part, role, with_cache=True)
        if isinstance(part, Opaque):
            return self._write_opaque(part)
        if isinstance(part, Image | File) and isinstance(part.source, FileIdSource):
            raise InvalidRequest(
                "Files that were uploaded to a vendor can't be used here; send the bytes or an https address.",
                param="file_id",
            )
        if isinstance(part, Audio):
            raise InvalidRequest("This model takes no audio input.", param="messages")
        if isinstance(part, File) and isinstance(part.source, TextSource):
            title = f"{part.filename}:\n" if part.filename else ""
            return {"type": text_type(role), "text": title + part.source.text}
        return write_part(_foreign(part), role, with_cache=self._with_cache)

    def _write_item(self, part: Part) -> object | None:
        match part:
            case ToolCall():
                return self._write_call(part)
            case ToolResult():
                return self._write_result(part)
            case Thinking():
                return self._write_reasoning(part)
            case Opaque():
                return self._write_opaque(part)
            case _:
                self._drop("redacted_thinking")
                return None

    def _write_opaque(self, part: Opaque) -> object | None:
        if part.dialect == OWN:
            return part.raw
        self._drop(part.kind)
        return None

    def _write_call(self, call: ToolCall) -> object:
        native = self._native(call.native)
        if ITEM in call.native and self._own:
            return call.native[ITEM]
        custom = call.kind is ToolKind.CUSTOM
        written: dict[str, object] = {
            **native,
            "type": "custom_tool_call" if custom else "function_call",
            "call_id": self._call_id(call.id),
            "name": call.name if self._own else safe(call.name, MAX_NAME_LENGTH),
            "input" if custom else "arguments": call.arguments if self._own or custom else call.arguments or "{}",
        }
        if call.namespace:
            written["namespace"] = call.namespace
        return written

    def _write_result(self, result: ToolResult) -> object:
        if ITEM in result.native and self._own:
            return result.native[ITEM]
        custom = result.kind is ToolKind.CUSTOM
        return {
            **self._native(result.native),
            "type": "custom_tool_call_output" if custom else "function_call_output",
            "call_id": self._call_id(result.call_id),
            "output": self._write_output(result),
        }

    def _write_output(self, result: ToolResult) -> object:
        parts = result.parts
        if self._own:
            if len(parts) == 1 and isinstance(parts[0], Text) and parts[0].as_plain:
                return parts[0].text
            return [write_part(part, Role.USER, with_cache=True) for part in parts]
        failed = _FAILED if result.is_error else ""
        texts = [part.text for part in parts if isinstance(part, Text)]
        if len(texts) == len(parts):
            return failed + ("\n".join(texts) or _NO_OUTPUT)
        content = [written for part in parts if (written := self._write_content(part, Role.USER)) is not None]
        return [{"type": "input_text", "text": failed.rstrip()}, *content] if failed else content or _NO_OUTPUT

    def _write_reasoning(self, part: Thinking) -> object | None:
        native = self._native(part.native)
        if part.vendor == OWN and part.signature is not None:
            item_id, encrypted = unpack(part.signature)
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            named = {"id": item_id} if item_id is not None else {}
            return {"summary": summary, **native, "type": "reasoning", **named, "encrypted_content": encrypted}
        if part.vendor in {"", OWN}:
            if native:
                return {"type": "reasoning", **native}
            if part.text and self._replay_reasoning:
                content = [{"type": "reasoning_text", "text": part.text}]
                return {"type": "reasoning", "summary": [], "content": content}
        self._drop("thinking")
        return None

    def _native(self, native: Native) -> Fields:
        return native_of(native) if self._own else {}

    def _call_id(self, call_id: str) -> str:
        return call_id if self._own else safe(call_id)

    def _drop(self, name: str) -> None:
        if name not in self.dropped:
            self.dropped.append(name)


def _results_first(parts: tuple[Part, ...]) -> list[Part]:
    """Put results before what the user said with them: they answer the calls directly before."""
    return sorted(parts, key=lambda part: not isinstance(part, ToolResult))


def _foreign(part: Part) -> Part:
    """Give a part without another dialect's fields."""
    match part:
        case Text(text=text, cache=cache):
            return Text(text, cache)
        case Image(source=source, detail=detail, cache=cache):
            return Image(source, detail, cache)
        case File(source=source, filename=filename, cache=cache):
            inline = isinstance(source, Base64Source)
            return File(source, filename or ("document.pdf" if inline else None), cache)
        case Refusal(text=text):
            return Refusal(text)
        case _:
            return part
