"""What the translation lane reads of a Messages reply. Source: Anthropic API reference, "Messages", "Streaming"."""

import msgspec

from freetheai_gateway.dialects.anthropic_messages.wire import UsageWire
from freetheai_gateway.domain.events import StopReason
from freetheai_gateway.jsonc import Fields, Raw, ReplyDecoder

STOP_REASONS = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "tool_use": StopReason.TOOL_CALLS,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "refusal": StopReason.REFUSAL,
    "pause_turn": StopReason.PAUSE,
}


_NULL = Raw(b"null")


class DeltaWire(msgspec.Struct):
    """`delta` of a `content_block_delta` (by its `type`) or of a `message_delta` (the last three)."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = _NULL


class MessageWire(msgspec.Struct):
    """A whole reply, or the beginning of one."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[Fields] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = _NULL
    usage: UsageWire | None = None


class EventWire(msgspec.Struct):
    """Any stream event."""

    type: str = ""
    index: int = 0
    message: MessageWire | None = None
    content_block: Fields | None = None
    delta: DeltaWire | None = None
    usage: UsageWire | None = None


class UnknownDeltaWire(msgspec.Struct):
    """A delta again, as fields: of a block that only this dialect knows."""

    delta: Fields


decode_message: ReplyDecoder[MessageWire] = ReplyDecoder(MessageWire)
decode_event: ReplyDecoder[EventWire] = ReplyDecoder(EventWire)
decode_delta: ReplyDecoder[UnknownDeltaWire] = ReplyDecoder(UnknownDeltaWire)
