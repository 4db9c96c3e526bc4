"""The items that a reply consists of, as streams of events: message, reasoning, calls of tools.

An item is written in the documented order and keeps its id; `encoded` is the whole item once it is closed. The text
of the open item is held until then, because the events that end it repeat it whole.
"""

from typing import Protocol

from freetheai_gateway.dialects.custom_tools import read_input
from freetheai_gateway.dialects.openai_responses.event_writer import EventWriter, TextBuffer, delta_prefix
from freetheai_gateway.dialects.openai_responses.reasoning import encrypted_for_client
from freetheai_gateway.jsonc import Raw, encode

_EMPTY_ARGUMENTS = "{}"


class OpenItem(Protocol):
    """An item that is being written."""

    encoded: bytes

    def delta(self, text: str) -> bytes:
        """Write more of the open part."""
        ...

    def end_part(self) -> bytes:
        """End the open part; the item stays open."""
        ...

    def close(self, status: str) -> bytes:
        """End the item; `status` is `completed` or `incomplete`."""
        ...


class Message:
    """A `message` with one or more parts of text and refusal."""

    __slots__ = ("_buffer", "_done_parts", "_is_refusal", "_prefix", "_where", "_writer", "encoded", "refused")

    def __init__(self, writer: EventWriter, item_id: str, output_index: int) -> None:
        self._writer = writer
        self._where = {"item_id": item_id, "output_index": output_index}
        self._done_parts: list[dict[str, object]] = []
        self._buffer = TextBuffer()
        self._prefix = b""
        self._is_refusal = False
        self.encoded = b""
        self.refused = False

    def open(self) -> bytes:
        """Begin the item."""
        return _added(self._writer, self._where, self._item("in_progress"))

    def open_part(self, *, is_refusal: bool) -> bytes:
        """Begin a part."""
        self._buffer, self._is_refusal = TextBuffer(), is_refusal
        self.refused = self.refused or is_refusal
        place = self._place()
        if is_refusal:
            self._prefix = delta_prefix("response.refusal.delta", **place)
        else:
            self._prefix = delta_prefix("response.output_text.delta", **place, logprobs=[])
        return self._writer.write("response.content_part.added", **place, part=self._part())

    def delta(self, text: str) -> bytes:
        """Write more text."""
        return self._writer.write_delta(self._prefix, self._buffer.add(text))

    def end_part(self) -> bytes:
        """End the open part."""
        place, part, text = self._place(), self._part(), self._buffer.whole()
        if self._is_refusal:
            done = self._writer.write("response.refusal.done", **place, refusal=text)
        else:
            done = self._writer.write("response.output_text.done", **place, text=text, logprobs=[])
        done += self._writer.write("response.content_part.done", **place, part=part)
        self._done_parts.append(part)
        return done

    def close(self, status: str) -> bytes:
        """End the item."""
        self.encoded = encode(self._item(status))
        return _done(self._writer, self._where, self.encoded)

    def _place(self) -> dict[str, object]:
        return {**self._where, "content_index": len(self._done_parts)}

    def _part(self) -> dict[str, object]:
        text = self._buffer.whole()
        if self._is_refusal:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def _item(self, status: str) -> dict[str, object]:
        return {
            "id": self._where["item_id"],
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": self._done_parts,
        }


class Reasoning:
    """A `reasoning` item with one text, which is a summary or the reasoning itself; either may be empty."""

    __slots__ = ("_buffer", "_encrypted", "_is_summary", "_prefix", "_where", "_writer", "encoded")

    def __init__(self, writer: EventWriter, item_id: str, output_index: int, *, is_summary: bool) -> None:
        self._writer = writer
        self._where = {"item_id": item_id, "output_index": output_index}
        self._is_summary = is_summary
        self._buffer = TextBuffer()
        self._prefix = b""
        self._encrypted: str | None = None
        self.encoded = b""

    def open(self) -> bytes:
        """Begin the item."""
        return _added(self._writer, self._where, self._item("in_progress"))

    def delta(self, text: str) -> bytes:
        """Write more of the text; the first begins its part."""
        begin = b"" if self._prefix else self._begin()
        return begin + self._writer.write_delta(self._prefix, self._buffer.add(text))

    def sign(self, vendor: str, signature: str) -> None:
        """Keep a signature for the end of the item."""
        self._encrypted = encrypted_for_client(vendor, signature)

    def encrypt(self, encrypted: str) -> None:
        """Keep `encrypted_content` as it is."""
        self._encrypted = encrypted

    def end_part(self) -> bytes:
        """End the text, if there is any."""
        if not self._prefix:
            return b""
        text = self._buffer.whole()
        if not self._is_summary:
            return self._writer.write("response.reasoning_text.done", **self._where, content_index=0, text=text)
        place = {**self._where, "summary_index": 0}
        part = {"type": "summary_text", "text": text}
        return self._writer.write("response.reasoning_summary_text.done", **place, text=text) + self._writer.write(
            "response.reasoning_summary_part.done", **place, part=part
        )

    def close(self, status: str) -> bytes:
        """End the item."""
        self.encoded = encode(self._item(status))
        return _done(self._writer, self._where, self.encoded)

    def _begin(self) -> bytes:
        if not self._is_summary:
            self._prefix = delta_prefix("response.reasoning_text.delta", **self._where, content_index=0)
            return b""
        place = {**self._where, "summary_index": 0}
        self._prefix = delta_prefix("response.reasoning_summary_text.delta", **place)
        part = {"type": "summary_text", "text": ""}
        return self._writer.write("response.reasoning_summary_part.added", **place, part=part)

    def _item(self, status: str) -> dict[str, object]:
        item: dict[str, object] = {"id": self._where["item_id"], "type": "reasoning", "status": status, "summary": []}
        if self._buffer and self._is_summary:
            item["summary"] = [{"type": "summary_text", "text": self._buffer.whole()}]
        elif self._buffer:
            item["content"] = [{"type": "reasoning_text", "text": self._buffer.whole()}]
        if self._encrypted is not None:
            item["encrypted_content"] = self._encrypted
        return item


class FunctionCall:
    """A `function_call`."""

    __slots__ = ("_buffer", "_call", "_prefix", "_where", "_writer", "encoded")

    def __init__(self, writer: EventWriter, item_id: str, output_index: int, call: dict[str, object]) -> None:
        self._writer = writer
        self._where = {"item_id": item_id, "output_index": output_index}
        self._call = call
        self._buffer = TextBuffer()
        self._prefix = delta_prefix("response.function_call_arguments.delta", **self._where)
        self.encoded = b""

    def open(self) -> bytes:
        """Begin the item."""
        return _added(self._writer, self._where, self._item("in_progress"))

    def delta(self, text: str) -> bytes:
        """Write more of the arguments."""
        return self._writer.write_delta(self._prefix, self._buffer.add(text))

    def end_part(self) -> bytes:
        """End the arguments; none at all are an empty object."""
        begin = b"" if self._buffer else self.delta(_EMPTY_ARGUMENTS)
        done = self._writer.write(
            "response.function_call_arguments.done", **self._where, name=self._call["name"], arguments=self._text()
        )
        return begin + done

    def close(self, status: str) -> bytes:
        """End the item."""
        self.encoded = encode(self._item(status))
        return _done(self._writer, self._where, self.encoded)

    def _text(self) -> Raw:
        return self._buffer.whole()

    def _item(self, status: str) -> dict[str, object]:
        head = {"id": self._where["item_id"], "type": "function_call", "status": status}
        return {**head, **self._call, "arguments": self._text()}


class CustomCall:
    """A `custom_tool_call`.

    `is_wrapped`: the upstream knows the tool as a function, whose arguments hold the text; it is then given in one
    piece, because the text must be taken out of them.
    """

    __slots__ = ("_buffer", "_call", "_is_wrapped", "_prefix", "_where", "_wrapped", "_writer", "encoded")

    def __init__(
        self, writer: EventWriter, item_id: str, output_index: int, call: dict[str, object], *, is_wrapped: bool
    ) -> None:
        self._writer = writer
        self._where = {"item_id": item_id, "output_index": output_index}
        self._call = call
        self._is_wrapped = is_wrapped
        self._wrapped: list[str] = []
        self._buffer = TextBuffer()
        self._prefix = delta_prefix("response.custom_tool_call_input.delta", **self._where)
        self.encoded = b""

    def open(self) -> bytes:
        """Begin the item."""
        return _added(self._writer, self._where, self._item("in_progress"))

    def delta(self, text: str) -> bytes:
        """Write more of the text, or hold more of the arguments."""
        if self._is_wrapped:
            self._wrapped.append(text)
            return b""
        return self._writer.write_delta(self._prefix, self._buffer.add(text))

    def end_part(self) -> bytes:
        """End the text."""
        text = read_input("".join(self._wrapped)) if self._is_wrapped else ""
        begin = self._writer.write_delta(self._prefix, self._buffer.add(text)) if text else b""
        whole = self._buffer.whole()
        return begin + self._writer.write("response.custom_tool_call_input.done", **self._where, input=whole)

    def close(self, status: str) -> bytes:
        """End the item."""
        self.encoded = encode(self._item(status))
        return _done(self._writer, self._where, self.encoded)

    def _item(self, status: str) -> dict[str, object]:
        head = {"id": self._where["item_id"], "type": "custom_tool_call", "status": status}
        return {**head, **self._call, "input": self._buffer.whole()}


def whole_item(writer: EventWriter, output_index: int, encoded: bytes) -> bytes:
    """Write an item that comes in one piece."""
    where = {"output_index": output_index}
    return _added(writer, where, Raw(encoded)) + _done(writer, where, encoded)


def _added(writer: EventWriter, where: dict[str, object] | dict[str, int], item: object) -> bytes:
    return writer.write("response.output_item.added", output_index=where["output_index"], item=item)


def _done(writer: EventWriter, where: dict[str, object] | dict[str, int], encoded: bytes) -> bytes:
    return writer.write("response.output_item.done", output_index=where["output_index"], item=Raw(encoded))
