"""Writes neutral events as a Responses stream, in the order of the API reference.

`response.created`, `response.in_progress`, then the items one after the other, then `response.completed` or
`response.incomplete`, which only `final` gives. The last event repeats the whole output, and every item's end repeats
the item: unlike the other dialects' streams, this one holds its reply until the end, encoded, once.

An item ends when the next one begins or the reply ends, so that one that was cut off says `incomplete`: clients
run a tool as soon as its call is done.
"""

from collections.abc import Sequence

from freetheai_gateway.dialects.openai_responses.client_tools import ClientTools
from freetheai_gateway.dialects.openai_responses.event_writer import EventWriter, one_line
from freetheai_gateway.dialects.openai_responses.output_items import (
    CustomCall,
    FunctionCall,
    Message,
    OpenItem,
    Reasoning,
    whole_item,
)
from freetheai_gateway.dialects.openai_responses.reasoning import (
    OWN,
    call_signature_for_client,
    redacted_for_client,
)
from freetheai_gateway.dialects.openai_responses.response_object import ResponseObject, incomplete_reason
from freetheai_gateway.dialects.protocol import ClientView
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
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    Reply,
    SignatureGiven,
    Started,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    UsageReported,
    WholePart,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import Raw


class ResponsesReplyRenderer:
    """Implements `dialects.protocol.ReplyRenderer`."""

    def __init__(self, view: ClientView) -> None:
        self._reply_id = view.reply_id
        self._response = ResponseObject(view)
        self._tools = ClientTools(view.request.tools)
        self._writer = EventWriter()
        self._items: list[bytes] = []
        self._open: OpenItem | None = None
        self._waiting: TextStarted | RefusalStarted | ThinkingStarted | None = None
        self._vendor = ""
        self._usage = Usage()
        self._cache_written_tokens = 0
        self._refused = False
        self._finished: Finished | None = None

    def render(self, events: Sequence[Event]) -> bytes:
        """Render events; the end of the response is held for `final`."""
        if len(events) == 1:
            return self._render_one(events[0])
        return b"".join([self._render_one(event) for event in events])

    def final(self) -> bytes:
        """Render the end of the stream, after `Finished` was rendered."""
        response = self.whole()
        kind = "response.incomplete" if self._incomplete() is not None else "response.completed"
        return self._writer.write(kind, response=Raw(response))

    def whole(self) -> bytes:
        """Give the finished response as one object."""
        return self._response.ended(self._items, self._incomplete(), self._usage, self._cache_written_tokens)

    def _incomplete(self) -> str | None:
        assert self._finished is not None, "the end is asked for after Finished only"
        return incomplete_reason(self._finished, refused=self._refused)

    def _render_one(self, event: Event) -> bytes:
        written = b""
        match event:
            case Delta(text=text):
                begin = self._begin_text() if self._waiting is not None else b""
                written = begin + self._open.delta(text) if self._open is not None else begin
            case PartStarted(start=start):
                written = self._begin_part(start)
            case PartEnded():
                written = self._end_part()
            case SignatureGiven(signature=signature):
                written = self._sign(signature)
            case Started(usage=usage):
                self._usage = usage or self._usage
                written = self._begin()
            case UsageReported():
                self._usage, self._cache_written_tokens = event.usage, event.cache_written_tokens
            case Finished():
                self._finished = event
                written = self._close("incomplete" if self._incomplete() is not None else "completed")
        return written

    def _begin(self) -> bytes:
        state = Raw(self._response.in_progress())
        created = self._writer.write("response.created", response=state)
        return created + self._writer.write("response.in_progress", response=state)

    def _begin_part(self, start: PartStart) -> bytes:
        match start:
            case ToolCallStarted():
                return self._close() + self._begin_call(start)
            case WholePart(part=part):
                return self._close() + self._write_whole(part)
            case _:
                self._waiting = start
                return b""

    def _begin_text(self) -> bytes:
        """Begin what was waiting for its first text; parts of text that follow each other are one message."""
        start, self._waiting = self._waiting, None
        if isinstance(start, ThinkingStarted):
            return self._close() + self._begin_reasoning(start)
        begin = b""
        if not isinstance(self._open, Message):
            begin = self._close()
            self._open = Message(self._writer, self._item_id("msg"), len(self._items))
            begin += self._open.open()
        is_refusal = isinstance(start, RefusalStarted)
        self._refused = self._refused or is_refusal
        return begin + self._open.open_part(is_refusal=is_refusal)

    def _begin_reasoning(self, start: ThinkingStarted) -> bytes:
        """Begin reasoning. What a vendor may sign goes as a summary: clients drop the other form from the history."""
        self._vendor = start.vendor
        is_summary = start.summary or bool(start.vendor)
        item = Reasoning(self._writer, self._item_id("rs"), len(self._items), is_summary=is_summary)
        self._open = item
        return item.open()

    def _sign(self, signature: str) -> bytes:
        start, begin = self._waiting, b""
        if isinstance(start, ThinkingStarted):
            self._waiting = None
            begin = self._close() + self._begin_reasoning(start)
        if isinstance(self._open, Reasoning):
            self._open.sign(self._vendor, signature)
        return begin

    def _begin_call(self, start: ToolCallStarted) -> bytes:
        begin = self._write_encrypted(call_signature_for_client(start.signature)) if start.signature else b""
        tool = self._tools.find(start)
        name, namespace = (tool.name, tool.namespace) if tool is not None else (start.name, start.namespace)
        call: dict[str, object] = {"call_id": start.id, "name": name}
        if namespace:
            call["namespace"] = namespace
        index = len(self._items)
        item: FunctionCall | CustomCall
        if self._tools.takes_text(start):
            is_wrapped = start.kind is ToolKind.FUNCTION
            item = CustomCall(self._writer, self._item_id("ctc"), index, call, is_wrapped=is_wrapped)
        else:
            item = FunctionCall(self._writer, self._item_id("fc"), index, call)
        self._open = item
        return begin + item.open()

    def _write_whole(self, part: RedactedThinking | Opaque) -> bytes:
        match part:
            case RedactedThinking(data=data, vendor=vendor):
                return self._write_encrypted(redacted_for_client(vendor, data))
            case Opaque(dialect=dialect, raw=raw) if dialect == OWN:
                item = one_line(bytes(raw))
                self._items.append(item)
                return whole_item(self._writer, len(self._items) - 1, item)
            case _:
                return b""

    def _write_encrypted(self, encrypted: str) -> bytes:
        """Write a reasoning item that holds nothing which can be read."""
        item = Reasoning(self._writer, self._item_id("rs"), len(self._items), is_summary=True)
        item.encrypt(encrypted)
        self._open = item
        return item.open() + self._close()

    def _end_part(self) -> bytes:
        if self._waiting is not None:
            self._waiting = None
            return b""
        return self._open.end_part() if self._open is not None else b""

    def _close(self, status: str = "completed") -> bytes:
        if self._open is None:
            return b""
        done = self._open.close(status)
        self._items.append(self._open.encoded)
        self._open = None
        return done

    def _item_id(self, prefix: str) -> str:
        return f"{prefix}_{self._reply_id}_{len(self._items)}"


def render_whole(reply: Reply, view: ClientView) -> bytes:
    """Write a whole reply for a client: the response that its stream would have ended with."""
    renderer = ResponsesReplyRenderer(view)
    for index, part in enumerate(reply.parts):
        renderer.render(_events_of(index, part))
    renderer.render([UsageReported(reply.usage, reply.cache_written_tokens), reply.finished])
    return renderer.whole()


def _events_of(index: int, part: Part) -> list[Event]:
    start: PartStart
    inside: list[Event] = []
    match part:
        case Text(text=text):
            start, inside = TextStarted(), [Delta(index, text)] if text else []
        case Refusal(text=text):
            start, inside = RefusalStarted(), [Delta(index, text)] if text else []
        case Thinking(text=text, signature=signature):
            start = ThinkingStarted(part.vendor, part.summary)
            inside = [Delta(index, text)] if text else []
            inside += [SignatureGiven(index, signature)] if signature is not None else []
        case ToolCall(arguments=arguments):
            start = ToolCallStarted(part.id, part.name, part.kind, part.namespace, part.signature)
            inside = [Delta(index, arguments)] if arguments else []
        case RedactedThinking() | Opaque():
            start = WholePart(part)
        case _:
            return []
    return [PartStarted(index, start), *inside, PartEnded(index)]
