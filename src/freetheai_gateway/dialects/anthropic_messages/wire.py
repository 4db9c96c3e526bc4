"""The parts of Messages that the gateway reads. Source: Anthropic API reference, "Messages", "Streaming"."""

import msgspec

from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import Decoder, Raw


class OutputDetails(msgspec.Struct):
    """`output_tokens_details`."""

    thinking_tokens: int | None = None


class UsageWire(msgspec.Struct):
    """`usage`; `input_tokens` excludes what was read from or written to a cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None

    def to_usage(self, earlier: Usage) -> Usage:
        """Read as neutral usage; counts of a stream are cumulative, so those that are absent stay as they were."""
        fresh, read, written = self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens
        details = self.output_tokens_details
        total = token_count(fresh) + token_count(read) + token_count(written)
        return Usage(
            input_tokens=earlier.input_tokens if fresh is None else total,
            output_tokens=earlier.output_tokens if self.output_tokens is None else token_count(self.output_tokens),
            cached_tokens=earlier.cached_tokens if read is None else token_count(read),
            reasoning_tokens=earlier.reasoning_tokens if details is None else token_count(details.thinking_tokens),
        )


class Message(msgspec.Struct):
    """A whole reply, or the beginning of one in `message_start`."""

    model: str | None = None
    content: list[Raw] | None = None
    usage: UsageWire | None = None
    type: str | None = None


class Event(msgspec.Struct):
    """Any stream event."""

    type: str
    message: Message | None = None
    usage: UsageWire | None = None


decode_message: Decoder[Message] = Decoder(Message)
decode_event: Decoder[Event] = Decoder(Event)
