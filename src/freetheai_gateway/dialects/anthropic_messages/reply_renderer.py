"""Writes a reply for a client, streamed. Order of events: Anthropic API reference, "Streaming"."""

from collections.abc import Sequence

from freetheai_gateway.dialects.anthropic_messages.outcome import completed_usage, write_stop, write_usage
from freetheai_gateway.dialects.anthropic_messages.whole import CallIds, shows_thinking, wants_thinking
from freetheai_gateway.dialects.anthropic_messages.write_parts import (
    DELTA_SUFFIX,
    Block,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
    WholeBlock,
    call_signature_block,
    delta_prefix,
    started,
    stopped,
    whole_block,
    write_event,
)
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    SignatureGiven,
    Started,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    UsageReported,
    WholePart,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode

_LAST = write_event("message_stop", {})


class MessagesReplyRenderer:
    """Implements `dialects.protocol.ReplyRenderer`; constant memory but for the ids of tool calls."""

    __slots__ = (
        "_block",
        "_cache_written",
        "_character_count",
        "_ids",
        "_next_index",
        "_refused",
        "_usage",
        "_view",
    )

    def __init__(self, view: ClientView) -> None:
        self._view = view
        self._block = Block(0)
        self._next_index = 0
        self._character_count = 0
        self._ids = CallIds(view)
        self._refused = False
        self._usage = Usage()
        self._cache_written = 0

    def render(self, events: Sequence[Event]) -> bytes:
        """Render events; `message_stop` is held for `final`."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, Delta):
                self._character_count += len(event.text)
                out.append(self._block.text(event.text))
            else:
                out.append(self._other(event))
        return b"".join(out)

    def final(self) -> bytes:
        """Render the end of the stream."""
        return _LAST

    def _other(self, event: Event) -> bytes:
        match event:
            case PartStarted(start=start):
                return self._begin(start)
            case PartEnded():
                return self._end()
            case SignatureGiven(signature=signature):
                return self._block.signature(signature)
            case UsageReported(usage=usage, cache_written_tokens=written):
                self._usage, self._cache_written = usage, written
            case Started():
                return self._start(event)
            case Finished():
                return self._finish(event)
        return b""

    def _start(self, start: Started) -> bytes:
        self._usage = start.usage or Usage()
        usage = Usage(
            input_tokens=self._usage.input_tokens or self._view.input_tokens_estimate,
            output_tokens=1,
            cached_tokens=self._usage.cached_tokens,
        )
        message: dict[str, object] = {
            "id": f"msg_{self._view.reply_id}",
            "type": "message",
            "role": "assistant",
            "model": self._view.alias,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(usage, 0),
        }
        return write_event("message_start", {"message": message})

    def _begin(self, start: PartStart) -> bytes:
        index = self._next_index
        self._block = Block(index)
        match start:
            case TextStarted() | RefusalStarted():
                self._refused = self._refused or isinstance(start, RefusalStarted)
                self._block = TextBlock(index)
            case ThinkingStarted(vendor=vendor) if wants_thinking(self._view):
                self._block = ThinkingBlock(index, vendor, shows_text=shows_thinking(self._view))
            case ToolCallStarted():
                return self._begin_call(start)
            case WholePart(part=part) if (block := whole_block(part)) is not None:
                self._block = whole = WholeBlock(index, block)
                return whole.begin()
        return b""

    def _begin_call(self, call: ToolCallStarted) -> bytes:
        carrier = b"" if call.signature is None else self._carrier(call.signature)
        self._block = block = ToolBlock(self._next_index, call.kind)
        return carrier + block.begin(self._ids.id_of(call.id), call.name)

    def _carrier(self, signature: str) -> bytes:
        index = self._next_index
        self._next_index += 1
        carried = call_signature_block(signature)
        delta = delta_prefix(index, "signature_delta", "signature") + encode(carried["signature"]) + DELTA_SUFFIX
        return started(index, {**carried, "signature": ""}) + delta + stopped(index)

    def _end(self) -> bytes:
        ended = self._block.end()
        if self._block.is_open:
            self._next_index += 1
        return ended

    def _finish(self, finished: Finished) -> bytes:
        usage = completed_usage(self._usage, self._view.input_tokens_estimate, self._character_count)
        delta = write_stop(finished, has_calls=self._ids.has_calls, has_refusal=self._refused)
        return write_event("message_delta", {"delta": delta, "usage": write_usage(usage, self._cache_written)})
